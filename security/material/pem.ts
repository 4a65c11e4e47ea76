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

/** Begins a block, whole or not. */
const BEGIN = "-----BEGIN ";
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;

/** More than any chain; a wrong path may lead to a device or a dump. */
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * Whether the value of an option is PEM text, and no path: a newline is Dask's rule; PEM that lost them must
 * not be told.
 */
export function isText(value: string): boolean {
  return value.includes("\n") || value.includes(BEGIN);
}

/**
 * Refuses text in which `found` blocks are whole and others are not: what is cut off would go missing in
 * silence.
 */
export function checkWhole(text: string, found: number, label: string): void {
  const begun = text.split(BEGIN).length - 1;
  if (begun === found) return;
  throw new SecurityError(
    `${label} is damaged: of ${begun} PEM blocks that begin in it, ${found} are whole`,
  );
}

/**
 * The PEM blocks of `value`: a path, or PEM text if it has a newline (Dask's rule).
 *
 * @param option Name of the option, for messages.
 * @throws {SecurityError} If the file can't be read.
 */
export async function readPems(option: string, value: string): Promise<Source> {
  const inMemory = isText(value);
  const label = inMemory ? `"${option}" (PEM text)` : `"${option}" file "${value}"`;
  const text = inMemory ? value : await readFile(option, label, value);
  if (inMemory && !text.includes("\n")) {
    throw new SecurityError(
      `${label} has no line breaks, which PEM needs: an environment variable or a form may have taken them out`,
    );
  }
  const certificates: string[] = [];
  const keys: string[] = [];
  let found = 0;
  for (const [block, kind = ""] of text.matchAll(BLOCK)) {
    found++;
    if (kind === "CERTIFICATE" || kind === "X509 CERTIFICATE") certificates.push(block);
    else if (kind.endsWith("PRIVATE KEY")) keys.push(block);
  }
  checkWhole(text, found, label);
  return { label, certificates, keys };
}

async function readFile(option: string, label: string, path: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    const { size, isFile, isDirectory } = await Deno.stat(path);
    if (isDirectory) throw new TypeError("it is a directory; name a file in it");
    if (isFile && size > MAX_BYTES) throw new RangeError(`it is larger than ${MAX_BYTES} bytes`);
    bytes = await Deno.readFile(path);
  } catch (cause) {
    throw new SecurityError(`Cannot read ${label}: ${whyUnreadable(cause, path)}`, { cause });
  }
  if (isDer(bytes)) {
    const command = option.endsWith("Key") ? "pkey" : "x509";
    throw new SecurityError(
      `${label} is DER, and PEM is wanted: convert it with "openssl ${command} -inform DER -in FILE -out FILE.pem"`,
    );
  }
  return new TextDecoder().decode(bytes);
}

/**
 * A sequence whose length takes several bytes, as all certificates and nearly all keys; no text begins so.
 */
function isDer(bytes: Uint8Array): boolean {
  const [tag, length = 0] = bytes;
  return tag === 0x30 && (length >= 0x80 || length === bytes.length - 2);
}

/** Why a file could not be read, with what to do about it. */
export function whyUnreadable(cause: unknown, path: string): string {
  if (cause instanceof Deno.errors.NotFound) return "there is no such file";
  if (cause instanceof Deno.errors.NotCapable) return `Deno may not; run it with --allow-read="${path}"`;
  if (cause instanceof Deno.errors.PermissionDenied) return "the operating system does not let this user";
  return cause instanceof Error ? cause.message : String(cause);
}
