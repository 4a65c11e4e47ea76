/**
 * Keys of tasks: the function's name and a token, as in Dask (`dask.tokenize`, `Client.submit`).
 *
 * A pure task's token is the first half of a SHA-256 of the function's hash and of the arguments as they are
 * sent, so it is the same in every process. The order of properties, of entries in a `Map` and of elements in
 * a `Set` matters, because a function can observe it. A view of memory is hashed with its whole buffer. A
 * Future is hashed by its key.
 *
 * @module
 */

import { createHash, type Hash } from "node:crypto";
import type { Ids } from "../../internal/ids.ts";
import type { FunctionHash, Key } from "../../messages/common.ts";
import type { Reference } from "../../messages/run_spec.ts";
import type { Serialized } from "../../protocol/serialized.ts";

/** Number of hexadecimal digits of a token, as in Dask. */
const TOKEN_LENGTH = 32;

/** Token of a pure task. */
export function taskToken(
  fn: FunctionHash,
  args: Uint8Array | Serialized,
  references: readonly Reference[],
): string { // hot: per task
  const hash = createHash("sha256").update(fn);
  if (args instanceof Uint8Array) hash.update(args);
  else addFrames(hash, args);
  if (references.length > 0) hash.update(JSON.stringify(references));
  return hash.digest("hex").slice(0, TOKEN_LENGTH);
}

/** Token of a scattered value. */
export function valueToken(value: Serialized): string {
  const hash = createHash("sha256");
  addFrames(hash, value);
  return hash.digest("hex").slice(0, TOKEN_LENGTH);
}

/** Random token, for a unique key. */
export function randomToken(ids: Pick<Ids, "uuid">): string {
  return ids.uuid().replaceAll("-", "");
}

/** Joins a key from a name and, if there is one, a token. */
export function keyOf(name: string, token?: string): Key {
  return (token === undefined ? name : `${name}-${token}`) as Key;
}

/** Hashes the lengths, too, so that the same bytes with other boundaries have another hash. */
function addFrames(hash: Hash, { header, frames }: Serialized): void {
  hash.update(
    JSON.stringify([header["serializer"], header["type"], header["sub-header"], frames.map(byteLength)]),
  );
  for (const frame of frames) hash.update(frame);
}

function byteLength(frame: Uint8Array): number {
  return frame.byteLength;
}
