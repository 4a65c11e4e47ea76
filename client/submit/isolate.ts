/**
 * Links inside one program hand bytes over by reference (`comm/inproc.ts`). A program may change what it gave
 * to a task, and what it got from one, so at this edge they are copied.
 *
 * @module
 */

import type { Address } from "../../messages/common.ts";
import { Serialized } from "../../protocol/serialized.ts";

/** Whether payloads have to be copied on links to `address`. */
export function sharesMemory(address: Address): boolean {
  return address.startsWith("inproc://");
}

/** The same payload in memory of its own. */
export function isolated<T extends Uint8Array | Serialized>(payload: T): T;
export function isolated(payload: Uint8Array | Serialized): Uint8Array | Serialized {
  if (payload instanceof Uint8Array) return payload.slice();
  return new Serialized(payload.header, payload.frames.map((frame) => frame.slice()));
}
