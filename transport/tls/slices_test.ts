import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { type Done, SLICE_BYTES, Slices } from "./slices.ts";

function takeAll(slices: Slices): { bytes: number[]; ends: Done[] } {
  const bytes: number[] = [];
  const ends: Done[] = [];
  for (let slice = slices.next(); slice !== undefined; slice = slices.next()) {
    assert(slice[0].length > 0 && slice[0].length <= SLICE_BYTES);
    bytes.push(...slice[0].filter((byte) => byte !== 0));
    if (slice[1] !== undefined) ends.push(slice[1]);
  }
  return { bytes, ends };
}

/** `length` bytes whose first and last tell them apart. */
function marked(length: number, mark: number): Uint8Array {
  const bytes = new Uint8Array(length);
  bytes[0] = mark;
  bytes[length - 1] = mark;
  return bytes;
}

Deno.test("Slices gives every byte of every write once and in order, and each end with its last slice", () => {
  const slices = new Slices();
  const [one, two]: Done[] = [() => {}, () => {}];
  slices.push(
    [marked(3, 1), new Uint8Array(0), marked(2 * SLICE_BYTES, 2), marked(SLICE_BYTES + 1, 3)],
    one as Done,
  );
  slices.push([marked(2, 4), new Uint8Array(0)], two as Done);
  assert(!slices.isEmpty);
  const { bytes, ends } = takeAll(slices);
  assertEquals(bytes, [1, 1, 2, 2, 3, 3, 4, 4]);
  assertEquals(ends, [one, two]);
  assert(slices.isEmpty);
});

Deno.test("Slices copies nothing", () => {
  const slices = new Slices();
  const bytes = marked(SLICE_BYTES + 5, 1);
  slices.push([bytes], () => {});
  assertStrictEquals(slices.next()?.[0].buffer, bytes.buffer);
  assertEquals(slices.next()?.[0].byteOffset, SLICE_BYTES);
});

Deno.test("Slices forgets what waits when it is cleared", () => {
  const slices = new Slices();
  slices.push([marked(SLICE_BYTES * 2, 1)], () => {});
  slices.next();
  slices.clear();
  assert(slices.isEmpty);
  assertEquals(slices.next(), undefined);
});
