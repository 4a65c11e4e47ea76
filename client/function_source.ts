import { createHash } from "node:crypto";
import { encodeMsgpack } from "../protocol/msgpack.ts";
import type { FunctionHash } from "../messages/common.ts";
export function functionBody(fn: (...args: never[]) => unknown) {
  const body = encodeMsgpack({ kind: "source", name: fn.name || "lambda", source: fn.toString() });
  return { hash: createHash("sha256").update(body).digest("hex") as FunctionHash, body, name: fn.name || "lambda" };
}
