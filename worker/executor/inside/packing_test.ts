import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Serialized } from "../../../protocol/serialized.ts";
import { deserializeValue, serializeValue } from "../../../protocol/values.ts";
import { frameView, Packer, transferList, unpackPayload } from "./packing.ts";

const SEED = 20260801;

Deno.test("Packer and unpackPayload give back frames and headers", () => {
  const packer = new Packer();
  const frames = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 50 }),
      fc.integer({ min: 65_000, max: 70_000 }).map((n) => new Uint8Array(n).fill(n % 256)),
    ),
    { maxLength: 5 },
  );
  fc.assert(
    fc.property(fc.array(frames, { maxLength: 5 }), (payloads) => {
      const rows = payloads.map((given, i) => {
        const row: (number | string)[] = [];
        return { header: packer.payload(new Serialized({ serializer: "javascript", i }, given), row), row };
      });
      const bytes = packer.take();
      rows.forEach(({ header, row }, i) => {
        const payload = unpackPayload(bytes, header, row, 0, false);
        assertEquals(payload.header, { serializer: "javascript", i });
        assertEquals([...payload.frames], payloads[i]);
      });
    }),
    { seed: SEED, numRuns: 50 },
  );
});

Deno.test("Packer says nothing of the header of plain data", () => {
  const packer = new Packer();
  const row: (number | string)[] = [];
  const header = packer.payload(serializeValue([1, "two"]), row);
  const bytes = packer.take();
  assertEquals(bytes.headers, []);
  assertEquals(deserializeValue(unpackPayload(bytes, header, row, 0, false)), [1, "two"]);
});

Deno.test("Packer keeps the header of a frame that came compressed", () => {
  const packer = new Packer();
  const payload = new Serialized({ serializer: "msgpack", compression: ["lz4"] }, [new Uint8Array(3)]);
  packer.payload(payload, []);
  assertEquals(packer.take().headers, [payload.header]);
});

Deno.test("Packer copies: what it was given stays, and large frames are moved", () => {
  const packer = new Packer();
  const small = new Uint8Array([1, 2]);
  const large = new Uint8Array(100_000).fill(7);
  const places = [packer.frame(small), packer.frame(large)];
  const bytes = packer.take();
  const moved = structuredClone(bytes, { transfer: transferList(bytes) });
  assertEquals([small, large.byteLength], [new Uint8Array([1, 2]), 100_000]);
  assertEquals(bytes.arena.byteLength, 0);
  assertEquals(frameView(moved, places[0] as number, 2), small);
  assertEquals(frameView(moved, places[1] as number, 100_000), large);
});

Deno.test("unpackPayload gives small frames memory of their own, and large ones if copies are wanted", () => {
  const packer = new Packer();
  const row: (number | string)[] = [];
  const header = packer.payload(
    new Serialized({ serializer: "dask" }, [new Uint8Array(3), new Uint8Array(100_000)]),
    row,
  );
  const bytes = packer.take();
  const [small, large] = unpackPayload(bytes, header, row, 0, false).frames;
  const [, copied] = unpackPayload(bytes, header, row, 0, true).frames;
  assert(small !== undefined && large !== undefined && copied !== undefined);
  assertEquals(small.buffer.byteLength, 3);
  assertStrictEquals(large.buffer, bytes.buffers[0]);
  assertNotStrictEquals(copied.buffer, large.buffer);
});

Deno.test("unpackPayload refuses places and headers that a batch has not", () => {
  const bytes = new Packer().take();
  assertThrows(() => unpackPayload(bytes, 0, [], 0, false), RangeError, "no header 0");
  assertThrows(() => unpackPayload(bytes, -1, [-1, 5], 0, false), RangeError, "no buffer 0");
  assertThrows(() => frameView(bytes, 0, 1), RangeError);
});
