/**
 * Links inside one program pass bytes by reference (`comm/inproc.ts`). A program may change the arguments
 * that it passed and the results that it received, so both are copied here.
 *
 * @module
 */

import type { Address } from "../../messages/common.ts";
import { Serialized } from "../../protocol/serialized.ts";

/** Whether payloads must be copied on links to `address`. */
export function sharesMemory(address: Address): boolean {
  return address.startsWith("inproc://");
}

/** Returns a copy of a payload. */
export function isolated<T extends Uint8Array | Serialized>(payload: T): T;
export function isolated(payload: Uint8Array | Serialized): Uint8Array | Serialized {
  if (payload instanceof Uint8Array) return payload.slice();
  return new Serialized(payload.header, payload.frames.map((frame) => frame.slice()));
}
