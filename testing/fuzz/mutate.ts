/**
 * Seeded damage to bytes and to messages.
 *
 * @module
 */

import type { Random } from "../random.ts";

/** Numbers at which length fields and counters break. */
const EDGES = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff];

/** Damages a copy of `bytes` in one to four places. */
export function mutateBytes(bytes: Uint8Array, random: Random): Uint8Array {
  let out: Uint8Array = bytes.slice();
  const times = 1 + random.below(4);
  for (let i = 0; i < times; i++) out = mutateOnce(out, random);
  return out;
}

function mutateOnce(bytes: Uint8Array, random: Random): Uint8Array {
  if (bytes.length === 0) return Uint8Array.of(random.below(256));
  const at = random.below(bytes.length);
  switch (random.below(7)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      return bytes;
    case 1:
      bytes[at] = random.below(256);
      return bytes;
    case 2:
      return bytes.slice(0, at);
    case 3: {
      const length = 1 + random.below(8);
      return joined(bytes.subarray(0, at), bytes.subarray(Math.min(bytes.length, at + length)));
    }
    case 4:
      return joined(bytes.subarray(0, at), bytes.subarray(at, at + 1 + random.below(32)), bytes.subarray(at));
    case 5: {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      if (at + 4 <= bytes.length) view.setUint32(at, random.pick(EDGES), random.chance(0.5));
      return bytes;
    }
    default:
      return joined(bytes.subarray(0, at), Uint8Array.of(random.pick(EDGES) & 0xff), bytes.subarray(at));
  }
}

function joined(...parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const ODD: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  NaN,
  2 ** 53,
  2n ** 63n,
  "",
  "x",
  "__proto__",
  "inc-1",
  new Uint8Array(),
  new Uint8Array([0x80, 4, 0x4e, 0x2e]),
  [],
  [null],
  [["a"]],
  {},
  { op: "close" },
];

/**
 * Changes a copy of a decoded message in one to three places: odd values, fields missing, fields too many.
 */
export function mutateMessage(message: unknown, random: Random): unknown {
  let out = message;
  const times = 1 + random.below(3);
  for (let i = 0; i < times; i++) out = changed(out, random);
  return out;
}

function changed(value: unknown, random: Random): unknown {
  if (random.chance(0.15)) return random.pick(ODD);
  if (Array.isArray(value)) {
    const copy: unknown[] = [...value];
    const way = random.next();
    if (copy.length === 0 || way < 0.2) copy.push(random.pick(ODD));
    else if (way < 0.36) copy.splice(random.below(copy.length), 1);
    else {
      const at = random.below(copy.length);
      copy[at] = changed(copy[at], random);
    }
    return copy;
  }
  if (isPlain(value)) {
    const names = Object.keys(value);
    const name = names.length === 0 || random.chance(0.1) ? "extra" : random.pick(names);
    if (random.chance(0.15)) {
      return Object.fromEntries(Object.entries(value).filter(([other]) => other !== name));
    }
    return { ...value, [name]: changed(value[name], random) };
  }
  if (value instanceof Uint8Array && random.chance(0.5)) return mutateBytes(value, random);
  if (typeof value === "number" && random.chance(0.5)) return value + random.pick([-1, 1, 0.5, 1e9]);
  return random.pick(ODD);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
