/**
 * PEM files, and PEM text in their place.
 *
 * @module
 */

import { SecurityError } from "./errors.ts";

/** What one option's value holds. */
export interface Source {
  /** Names the option and the file for messages; never shows the content. */
  readonly label: string;
  /** Certificates in their order, PEM. */
  readonly certificates: readonly string[];
  /** Private keys, PEM. */
  readonly keys: readonly string[];
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;

/** More than any chain; a wrong path may lead to a device or a dump. */
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * The PEM blocks of `value`: a path, or PEM text if it has a newline (Dask's rule).
 *
 * @param option Name of the option, for messages.
 * @throws {SecurityError} If the file can't be read.
 */
export async function readPems(option: string, value: string): Promise<Source> {
  const inMemory = value.includes("\n");
  const label = inMemory ? `"${option}" (PEM text)` : `"${option}" file "${value}"`;
  const text = inMemory ? value : await readFile(label, value);
  const certificates: string[] = [];
  const keys: string[] = [];
  for (const [block, kind = ""] of text.matchAll(BLOCK)) {
    if (kind === "CERTIFICATE" || kind === "X509 CERTIFICATE") certificates.push(block);
    else if (kind.endsWith("PRIVATE KEY")) keys.push(block);
  }
  return { label, certificates, keys };
}

async function readFile(label: string, path: string): Promise<string> {
  try {
    const { size, isFile } = await Deno.stat(path);
    if (isFile && size > MAX_BYTES) throw new RangeError(`it is larger than ${MAX_BYTES} bytes`);
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw new SecurityError(`Cannot read ${label}: ${reason(cause, path)}`, { cause });
  }
}

function reason(cause: unknown, path: string): string {
  if (cause instanceof Deno.errors.NotFound) return "there is no such file";
  if (cause instanceof Deno.errors.NotCapable) return `Deno may not; run it with --allow-read="${path}"`;
  if (cause instanceof Deno.errors.PermissionDenied) return "the operating system does not let this user";
  return cause instanceof Error ? cause.message : String(cause);
}
