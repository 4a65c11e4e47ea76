/**
 * Makes functions of their bodies: the one module of this package that evaluates source text.
 *
 * @module
 */

import { isRecord } from "../../messages/common.ts";
import { decodeMsgpack } from "../../protocol/msgpack.ts";

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
  if (kind !== "source") {
    throw new FunctionLoadError(
      `Cannot load a function of kind "${
        String(kind)
      }": this version knows "source"; client and worker should be of one version`,
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
