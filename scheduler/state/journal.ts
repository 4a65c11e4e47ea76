/**
 * A scheduler's run as lines of JSON: the options of its machine, and all stimuli with their times. A new
 * machine that handles the same stimuli reaches the same state.
 *
 * JSON has no bytes and no numbers such as `Infinity`. Such values are written as an object with one key that
 * begins with `$`; so are objects that have such a key themselves.
 *
 * @module
 */

import { EnumMember, Float, Pickled, Serialized } from "../../protocol/serialized.ts";
import type { SchedulerStateOptions } from "./machine.ts";
import type { SchedulerStimulus } from "./stimulus.ts";

/** Version of the format. */
export const JOURNAL_VERSION = 1;

/** Options of a machine that can be recorded. */
export type RecordedOptions = Omit<SchedulerStateOptions, "encodeError">;

/** Content of a line. */
export type JournalEntry =
  /** First line. */
  | { readonly journal: number; readonly options: RecordedOptions }
  /** Stimuli that were handled together, and the time in seconds since the epoch. */
  | { readonly now: number; readonly stimuli: readonly SchedulerStimulus[] }
  /** Hash of the machine's snapshot after the stimuli of the lines before. */
  | { readonly digest: string };

/** Writes an entry as one line, without the line break. */
export function encodeEntry(entry: JournalEntry): string {
  return JSON.stringify(encoded(entry));
}

/**
 * Reads a line.
 *
 * @throws {SyntaxError} If the line does not belong to a journal of this version.
 */
export function decodeEntry(line: string): JournalEntry {
  const entry = decoded(JSON.parse(line)) as Partial<Record<string, unknown>>;
  if (typeof entry !== "object" || entry === null) throw new SyntaxError("It is no entry of a journal");
  if ("journal" in entry && entry["journal"] !== JOURNAL_VERSION) {
    throw new SyntaxError(
      `It is a journal of version ${entry["journal"]}, and this reads ${JOURNAL_VERSION}`,
    );
  }
  if (!("journal" in entry || "digest" in entry || Array.isArray(entry["stimuli"]))) {
    throw new SyntaxError("It is no entry of a journal");
  }
  return entry as unknown as JournalEntry;
}

function encoded(value: unknown): unknown {
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0) ? value : { $number: text(value) };
    case "bigint":
      return { $bigint: String(value) };
    case "undefined":
      return { $undefined: 0 };
    case "object":
      return value === null ? null : encodedObject(value);
    default:
      return value;
  }
}

function text(number: number): string {
  return Object.is(number, -0) ? "-0" : String(number);
}

function encodedObject(value: object): unknown {
  if (Array.isArray(value)) return value.map(encoded);
  if (value instanceof Uint8Array) return { $bytes: value.toBase64() };
  if (value instanceof Serialized) return { $serialized: payload(value) };
  if (value instanceof Pickled) return { $pickled: payload(value) };
  if (value instanceof Float) return { $float: encoded(value.value) };
  if (value instanceof EnumMember) return { $enum: [value.module, value.className, value.name] };
  if (value instanceof Map) return { $map: Array.from(value, (pair) => pair.map(encoded)) };
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  if (fields.some(([name]) => name.startsWith("$"))) {
    return { $object: fields.map(([name, field]) => [name, encoded(field)]) };
  }
  const plain: Record<string, unknown> = Object.create(null); // a key may have any name
  for (const [name, field] of fields) plain[name] = encoded(field);
  return plain;
}

function payload({ header, frames }: Serialized | Pickled): unknown {
  return [encoded(header), frames.map((frame) => frame.toBase64())];
}

function decoded(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(decoded);
  const fields = Object.entries(value);
  const [first] = fields;
  if (fields.length === 1 && first !== undefined && first[0].startsWith("$")) {
    return special(first[0], first[1]);
  }
  const plain: Record<string, unknown> = Object.create(null);
  for (const [name, field] of fields) plain[name] = decoded(field);
  return plain;
}

function special(kind: string, value: unknown): unknown {
  switch (kind) {
    case "$number":
      return Number(value);
    case "$bigint":
      return BigInt(value as string);
    case "$undefined":
      return undefined;
    case "$bytes":
      return Uint8Array.fromBase64(value as string);
    case "$serialized":
      return new Serialized(...parts(value));
    case "$pickled":
      return new Pickled(...parts(value));
    case "$float":
      return new Float(decoded(value) as number);
    case "$enum":
      return new EnumMember(...value as [string, string, string]);
    case "$map":
      return new Map((value as [unknown, unknown][]).map(([key, item]) => [decoded(key), decoded(item)]));
    case "$object":
      return Object.fromEntries(
        (value as [string, unknown][]).map(([name, field]) => [name, decoded(field)]),
      );
    default:
      throw new SyntaxError(`A journal has no "${kind}"`);
  }
}

function parts(value: unknown): [header: Readonly<Record<string, unknown>>, frames: Uint8Array[]] {
  const [header, frames] = value as [unknown, string[]];
  return [
    decoded(header) as Readonly<Record<string, unknown>>,
    frames.map((frame) => Uint8Array.fromBase64(frame)),
  ];
}
