import { assert, assertEquals, assertThrows } from "@std/assert";
import { EnumMember, Float, Pickled, Serialized } from "../../protocol/serialized.ts";
import { decodeEntry, encodeEntry, type JournalEntry } from "./journal.ts";
import type { SchedulerStimulus } from "./stimulus.ts";

/** A value in the place of stimuli. */
function written(value: unknown): string {
  return encodeEntry({ now: 1, stimuli: value as SchedulerStimulus[] });
}

Deno.test("encodeEntry writes what JSON lacks as an object with one key, which decodeEntry undoes", () => {
  const frames = [Uint8Array.of(1, 2)];
  const cases: readonly (readonly [value: unknown, json: unknown])[] = [
    ["text", "text"],
    [5, 5],
    [0, 0],
    [true, true],
    [null, null],
    [undefined, { $undefined: 0 }],
    [Infinity, { $number: "Infinity" }],
    [-Infinity, { $number: "-Infinity" }],
    [NaN, { $number: "NaN" }],
    [-0, { $number: "-0" }],
    [5n, { $bigint: "5" }],
    [Uint8Array.of(104, 105), { $bytes: "aGk=" }],
    [new Serialized({ a: 1n }, frames), { $serialized: [{ a: { $bigint: "1" } }, ["AQI="]] }],
    [new Pickled({ a: 1 }, frames), { $pickled: [{ a: 1 }, ["AQI="]] }],
    [new Float(1), { $float: 1 }],
    [new Float(NaN), { $float: { $number: "NaN" } }],
    [new EnumMember("m", "C", "x"), { $enum: ["m", "C", "x"] }],
    [new Map<unknown, unknown>([[1, 2n]]), { $map: [[1, { $bigint: "2" }]] }],
    [[1, [2n]], [1, [{ $bigint: "2" }]]],
  ];
  for (const [value, json] of cases) {
    const line = written([value]);
    assertEquals(line, JSON.stringify({ now: 1, stimuli: [json] }));
    const entry = decodeEntry(line);
    assert("stimuli" in entry);
    const [back] = entry.stimuli as unknown[];
    if (value instanceof Serialized || value instanceof Pickled) {
      assert(back instanceof value.constructor);
      const { header, frames } = back as Serialized;
      assertEquals([{ ...header }, frames], [value.header, value.frames]);
    } else {
      assertEquals(back, value);
      assert(Object.is(back, value) || typeof value === "object");
    }
  }
});

Deno.test("encodeEntry leaves out fields without a value, and marks objects whose own keys begin with $", () => {
  assertEquals(written([{ a: undefined, b: 1 }]), `{"now":1,"stimuli":[{"b":1}]}`);
  const marked = [{ "a$": 1 }, { $: 1, b: 2n }, { $bytes: "aGk=" }];
  assertEquals(
    written(marked),
    '{"now":1,"stimuli":[{"a$":1},{"$object":[["$",1],["b",{"$bigint":"2"}]]},{"$object":[["$bytes","aGk="]]}]}',
  );
  const entry = decodeEntry(written(marked));
  assert("stimuli" in entry);
  assertEquals(entry.stimuli as unknown[], marked);
});

Deno.test("decodeEntry keeps keys of any name, and objects with one key that is none of a mark's", () => {
  const line = '{"now":1,"stimuli":[{"__proto__":1},{"a":{"b":2}}]}';
  const entry = decodeEntry(line);
  assert("stimuli" in entry);
  const [odd] = entry.stimuli as unknown as object[];
  assertEquals(Object.entries(odd ?? {}), [["__proto__", 1]]);
  assertEquals(encodeEntry(entry), line);
});

Deno.test("decodeEntry reads entries of all kinds, and refuses what is none", () => {
  const entries: readonly JournalEntry[] = [
    { journal: 1, options: { workerTtl: 30 } },
    { now: 1.5, stimuli: [] },
    { digest: "abc" },
  ];
  for (const entry of entries) assertEquals({ ...decodeEntry(encodeEntry(entry)) }, entry);
  const refused: readonly (readonly [line: string, words: string])[] = [
    ["5", "no entry"],
    ["null", "no entry"],
    ["{}", "no entry"],
    ['{"now":1}', "no entry"],
    ['{"now":1,"stimuli":5}', "no entry"],
    ['{"journal":2,"options":{}}', "a journal of version 2, and this reads 1"],
    ['{"now":1,"stimuli":[{"$what":1}]}', 'no "$what"'],
  ];
  for (const [line, words] of refused) assertThrows(() => decodeEntry(line), SyntaxError, words);
});
