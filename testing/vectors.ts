/**
 * Golden vectors that Dask made (`tests/vectors/README.md`), as values of this package.
 *
 * @module
 */

import { EnumMember, Float, Serialized } from "../protocol/serialized.ts";

/** One vector, or anything inside one. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** A vector's fields. */
export type Vector = { readonly [name: string]: Json };

/** Vectors of a file in `tests/vectors/`. */
export function loadVectors(name: string): readonly Vector[] {
  const text = Deno.readTextFileSync(new URL(`../tests/vectors/${name}.json`, import.meta.url));
  return (JSON.parse(text) as { readonly vectors: readonly Vector[] }).vectors;
}

/** Bytes of base64. */
export function fromBase64(text: Json | undefined): Uint8Array {
  return Uint8Array.from(atob(String(text)), (c) => c.charCodeAt(0));
}

/** Bytes of a list of base64. */
export function framesOf(list: Json | undefined): Uint8Array[] {
  return (list as readonly Json[]).map(fromBase64);
}

/** A value of Python's that has no counterpart here. */
export class PythonOnly extends Error {
  /** Class name. */
  override readonly name = "PythonOnly";
}

/** How tagged values become values. */
export interface TagOptions {
  /** Keeps whole floats apart from integers, as an encoder needs it; a decoder gives plain numbers. */
  readonly floats: boolean;
  /** What stands for `Serialize(value)`. */
  readonly serialize?: (value: unknown) => unknown;
}

/** Reads a tagged value. Throws {@linkcode PythonOnly} for what has no counterpart. */
export function fromTagged(value: Json | undefined, options: TagOptions): unknown {
  if (value === undefined) return undefined;
  if (Array.isArray(value)) return value.map((item) => fromTagged(item as Json, options));
  if (typeof value !== "object" || value === null) return value;
  const record = value as { readonly [name: string]: Json };
  const tag = Object.keys(record).find((name) => name.startsWith("$"));
  if (tag === undefined) {
    return Object.fromEntries(
      Object.entries(record).map(([name, entry]) => [name, fromTagged(entry, options)]),
    );
  }
  return fromTag(tag, record, options);
}

function fromTag(tag: string, record: { readonly [name: string]: Json }, options: TagOptions): unknown {
  const content = record[tag];
  const list = (json: Json | undefined): unknown[] => fromTagged(json, options) as unknown[];
  switch (tag) {
    case "$bytes":
    case "$bytearray":
      return fromBase64(content);
    case "$tuple":
      return list(content);
    case "$set":
      return new Set(list(content));
    case "$map":
      return new Map(list(content) as [unknown, unknown][]);
    case "$int":
      return BigInt(String(content));
    case "$float": {
      const number = { "nan": NaN, "inf": Infinity, "-inf": -Infinity }[String(content)] ?? Number(content);
      return options.floats ? new Float(number) : number;
    }
    case "$enum": {
      const [module, className, name] = content as readonly string[];
      return new EnumMember(String(module), String(className), String(name));
    }
    case "$bytes_repeat": {
      const [text, count] = content as readonly [string, number];
      return new TextEncoder().encode(text.repeat(count));
    }
    case "$serialized": {
      const { header, frames } = content as { readonly header: Json; readonly frames: Json };
      return new Serialized(fromTagged(header, options) as Record<string, unknown>, framesOf(frames));
    }
    case "$serialize":
      if (options.serialize !== undefined) return options.serialize(fromTagged(content, options));
      throw new PythonOnly(tag);
    case "$ndarray":
      return fromNdarray(content as { readonly [name: string]: Json });
    case "$memoryview":
      return fromArray(String(record["format"]), fromBase64(content));
    default:
      throw new PythonOnly(tag);
  }
}

function fromNdarray(array: { readonly [name: string]: Json }): unknown {
  const shape = array["shape"] as readonly number[];
  if (shape.length !== 1) throw new PythonOnly("dimensions");
  return fromArray(String(array["dtype"]), fromBase64(array["data_c_order"]));
}

function fromArray(type: string, { buffer }: Uint8Array): unknown {
  switch (type) {
    case "|u1":
      return new Uint8Array(buffer);
    case "<i4":
    case "i":
      return new Int32Array(buffer);
    case "<i8":
      return new BigInt64Array(buffer);
    case "<f8":
      return new Float64Array(buffer);
    default:
      throw new PythonOnly(type);
  }
}
