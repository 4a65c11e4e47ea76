/**
 * Makes functions of their bodies: the one module of this package that evaluates source text.
 *
 * @module
 */

import { isRecord } from "../../../messages/common.ts";
import { decodeMsgpack } from "../../../protocol/msgpack.ts";

/** A function that tasks call. */
export type TaskFunction = (...args: unknown[]) => unknown;

/** A function body that can't be made a function. */
export class FunctionLoadError extends Error {
  /** Class name. */
  override readonly name = "FunctionLoadError";
}

/**
 * The function of a body (`docs/wire.md`).
 *
 * @throws {FunctionLoadError} If the body is damaged, of an unknown kind, or its source is no function.
 */
export function loadFunction(body: Uint8Array): TaskFunction {
  const fields = decodeBody(body);
  const { kind, name, source } = fields as { kind?: unknown; name?: unknown; source?: unknown };
  if (kind === "module") return moduleFunction(fields);
  if (kind !== "source") {
    throw new FunctionLoadError(
      `Cannot load a function of kind "${
        String(kind)
      }": this version knows "source" and "module"; client and worker should be of one version`,
    );
  }
  if (typeof name !== "string" || typeof source !== "string") {
    throw new FunctionLoadError(`Cannot load a function: "name" and "source" of its body must be texts`);
  }
  const fn = evaluate(name, source);
  if (typeof fn !== "function") {
    throw new FunctionLoadError(
      `Cannot load function "${name}": its source is no function, but ${typeof fn}`,
    );
  }
  return fn as TaskFunction;
}

function decodeBody(body: Uint8Array): Readonly<Record<string, unknown>> {
  let fields: unknown;
  try {
    fields = decodeMsgpack(body);
  } catch (cause) {
    throw new FunctionLoadError("Cannot load a function: its body is no MessagePack", { cause });
  }
  if (isRecord(fields)) return fields;
  throw new FunctionLoadError("Cannot load a function: its body is no map");
}

/** Imports the module when it is called first; every call after that is direct. */
function moduleFunction({ url, export: name }: Readonly<Record<string, unknown>>): TaskFunction {
  if (typeof url !== "string" || typeof name !== "string") {
    throw new FunctionLoadError(`Cannot load a function: "url" and "export" of its body must be texts`);
  }
  let fn: TaskFunction | undefined;
  return (...args) => {
    if (fn !== undefined) return fn(...args); // hot: per task
    return importFunction(url, name).then((found) => (fn = found)(...args));
  };
}

async function importFunction(url: string, name: string): Promise<TaskFunction> {
  let exports: Readonly<Record<string, unknown>>;
  try {
    exports = await importModule(url);
  } catch (cause) {
    const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    throw new FunctionLoadError(`Cannot import "${url}" on this worker: ${reason}`, { cause });
  }
  const found = Object.hasOwn(exports, name) ? exports[name] : undefined;
  if (typeof found === "function") return found as TaskFunction;
  throw new FunctionLoadError(
    `Cannot load "${name}" of "${url}": the module exports ${
      found === undefined ? "nothing of that name" : "no function by that name"
    } (it has ${Object.keys(exports).join(", ") || "no exports"})`,
  );
}

/**
 * Where this package was loaded from https itself, Deno imports other https modules only by way of a local
 * one.
 */
async function importModule(url: string): Promise<Readonly<Record<string, unknown>>> {
  const isRemote = /^https?:/.test(import.meta.url) && /^https?:/.test(url);
  if (!isRemote) return await import(url);
  const text = `export * as exports from ${JSON.stringify(url)};`;
  const relay = await import(`data:text/javascript,${encodeURIComponent(text)}`);
  return relay.exports;
}

function evaluate(name: string, source: string): unknown {
  // Strict, as the module was that the function stood in. Its first line is line 1 of what stacks name.
  const text = `"use strict";(${source}\n)\n//# sourceURL=task:${encodeURIComponent(name)}`;
  try {
    return (0, eval)(text); // indirect: sees globals alone
  } catch (cause) {
    const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    throw new FunctionLoadError(`Cannot load function "${name}": ${reason}`, { cause });
  }
}
