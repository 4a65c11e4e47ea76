import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { decodeMessage, encodeMessage } from "./message.ts";
import { encodeMsgpack } from "./msgpack.ts";
import { joinFrames, splitPayload } from "./payload.ts";
import { SerializationError, Serialized } from "./serialized.ts";
import { decodeClone } from "./structured_clone_decode.ts";
import {
  deserializeArguments,
  deserializeFrame,
  deserializeValue,
  serializeArguments,
  serializeValue,
  typenameOf,
} from "./values.ts";

const seed = 20260803;

/** Encodes a value as a payload in a message, and decodes it. */
function roundTrip(value: unknown): unknown {
  const message = decodeMessage(encodeMessage({ data: serializeValue(value) })) as {
    readonly data: Serialized;
  };
  return deserializeValue(message.data);
}

function familyOf(value: unknown): unknown {
  const { header } = serializeValue(value);
  return header["type"] ?? header["serializer"];
}

Deno.test("serializeValue picks the family that docs/wire.md names", () => {
  for (const value of [null, true, 1, -0, NaN, 0.5, "text", [1, [2]], { a: { b: [] } }, [], {}]) {
    assertEquals(familyOf(value), "msgpack", String(value));
  }
  assertEquals(familyOf(new Uint8Array(3)), "bytes");
  for (
    const value of [new Float64Array(1), new Int8Array(1), new BigUint64Array(1), new Uint8ClampedArray(1)]
  ) {
    assertEquals(familyOf(value), "numpy.ndarray", typenameOf(value));
  }
  const others = [undefined, 1n, new Map(), new Set(), new Date(0), /x/, new Error("x"), new ArrayBuffer(1)];
  for (
    const value of [...others, [, 1], { a: undefined }, [new Uint8Array(1)], new DataView(new ArrayBuffer(1))]
  ) {
    assertEquals(familyOf(value), "javascript", typenameOf(value));
  }
});

Deno.test("serializeValue does not copy memory of typed arrays and buffers", () => {
  const bytes = new Uint8Array(5000).subarray(8, 4000);
  const { frames } = serializeValue(bytes);
  assertEquals(frames, [bytes]);
  assertStrictEquals(frames[0]?.buffer, bytes.buffer);
  const doubles = new Float64Array(1000);
  assertStrictEquals(serializeValue(doubles).frames[0]?.buffer, doubles.buffer);
  assertStrictEquals(serializeValue({ doubles }).frames[1]?.buffer, doubles.buffer);
  assertEquals(serializeValue(bytes).nbytes, 3992);
});

Deno.test("deserializeValue gives typed arrays of every class back, aligned or not", () => {
  const classes = [
    Int8Array,
    Uint8Array,
    Uint8ClampedArray,
    Int16Array,
    Uint16Array,
    Int32Array,
    Uint32Array,
  ];
  for (const View of [...classes, Float32Array, Float64Array]) {
    const view = new View([1, 2, 200]);
    for (const value of [view, new View(0), new View(view.buffer, View.BYTES_PER_ELEMENT, 1), { view }]) {
      const back = roundTrip(value);
      assertEquals(back, value, View.name);
      assertStrictEquals(Object.getPrototypeOf(back), Object.getPrototypeOf(value), View.name);
    }
    const { header, frames } = serializeValue(view);
    const shifted = new Uint8Array((frames[0]?.byteLength ?? 0) + 1);
    shifted.set(frames[0] ?? [], 1);
    assertEquals(deserializeValue(new Serialized(header, [shifted.subarray(1)])), view, View.name);
  }
  assertEquals(roundTrip(new BigInt64Array([-1n, 2n])), new BigInt64Array([-1n, 2n]));
  assertEquals(roundTrip(new BigUint64Array([2n ** 64n - 1n])), new BigUint64Array([2n ** 64n - 1n]));
});

Deno.test("deserializeValue gives half-precision arrays back", () => {
  const Half = Reflect.get(globalThis, "Float16Array") as new (items: readonly number[]) => ArrayBufferView;
  assertEquals(roundTrip(new Half([1.5, -2])), new Half([1.5, -2]));
});

Deno.test("deserializeValue gives arrays a buffer of their own, and large ones the memory that they came in", () => {
  for (const value of [new Uint8Array([1, 2, 3]), new Float64Array([1, 2]), [new Uint16Array(5), 1n]]) {
    const back = roundTrip(value);
    const view = (Array.isArray(back) ? back[0] : back) as Uint8Array;
    assertEquals([view.byteOffset, view.buffer.byteLength], [0, view.byteLength]);
  }
  const payload = serializeValue(new Float64Array(10_000));
  const large = deserializeValue(payload) as Float64Array;
  assertStrictEquals(large.buffer, payload.frames[0]?.buffer);
});

Deno.test("deserializeValue gives back any plain data", () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: "binary" }), (value) => assertEquals(roundTrip(value), value)),
    { seed, numRuns: 300 },
  );
});

Deno.test("deserializeValue gives back any value that structured clone takes", () => {
  const anything = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withSparseArray: true,
    withNullPrototype: false,
    stringUnit: "binary",
  });
  fc.assert(
    fc.property(anything, (value) => assertEquals(roundTrip([value, undefined]), [value, undefined])),
    { seed, numRuns: 500 },
  );
});

Deno.test("deserializeValue gives back what JSON can't say", () => {
  const date = new Date(86400000.5);
  const invalid = roundTrip(new Date(NaN)) as Date;
  assert(Number.isNaN(invalid.getTime()));
  for (
    const value of [
      undefined,
      10n ** 50n,
      -5n,
      date,
      /a\/b/giu,
      "\ud800x",
      new Map([[{ a: 1 }, "x"]]),
      -0,
      NaN,
    ]
  ) {
    assertEquals(roundTrip(value), value);
    assertEquals(roundTrip({ value }), { value });
  }
  assert(Object.is(roundTrip(-0), -0));
  assert(Object.is((roundTrip(new Map([[1, -0]])) as Map<number, number>).get(1), -0));
  for (const boxed of [new Number(3), new String("x"), new Boolean(false), Object(7n)]) {
    const back = roundTrip(boxed) as object;
    assertEquals([typeof back, back.valueOf()], ["object", boxed.valueOf()]);
  }
});

Deno.test("deserializeValue gives holes, names of arrays and sparse arrays back", () => {
  const holes = [1, , undefined, , 4];
  const back = roundTrip(holes) as unknown[];
  assertEquals(Object.keys(back), ["0", "2", "4"]);
  assertEquals(back.length, 5);
  const sparse: unknown[] = [];
  sparse[4_000_000_000] = new Date(1);
  const large = roundTrip(sparse) as unknown[];
  assertEquals([large.length, Object.keys(large).length], [4_000_000_001, 1]);
  assert(serializeValue(sparse).nbytes < 100);
  const matched = roundTrip([new Date(0), ..."a"]) as unknown[];
  assertEquals(matched, [new Date(0), "a"]);
  const named = Object.assign([1n, 2], { index: 3 });
  assertEquals((roundTrip(named) as unknown as { readonly index: number }).index, 3);
});

Deno.test("deserializeValue keeps identity and cycles", () => {
  const shared = { date: new Date(1) };
  const value: Record<string, unknown> = { a: shared, b: [shared], m: new Map([[shared, shared]]) };
  value["self"] = value;
  const back = roundTrip(value) as { a: object; b: object[]; m: Map<object, object>; self: unknown };
  assertStrictEquals(back.self, back);
  assertStrictEquals(back.b[0], back.a);
  assertStrictEquals(back.m.get(back.a), back.a);
  const list: unknown[] = [];
  list.push(list, list);
  const again = roundTrip(list) as unknown[];
  assertStrictEquals(again[1], again);
});

Deno.test("deserializeValue keeps which views share a buffer, and sends of a buffer only what is used", () => {
  const buffer = new ArrayBuffer(100_000);
  new Uint8Array(buffer).fill(1);
  const value = { a: new Uint8Array(buffer, 10, 20), b: new DataView(buffer, 20, 8), n: 1n };
  const back = roundTrip(value) as typeof value;
  assertStrictEquals(back.a.buffer, back.b.buffer);
  back.a[10] = 99;
  assertEquals(back.b.getUint8(0), 99);
  assert(serializeValue(value).nbytes < 1000);
  const whole = roundTrip({ ...value, buffer }) as typeof value & { readonly buffer: ArrayBuffer };
  assertStrictEquals(whole.a.buffer, whole.buffer);
  assertEquals([whole.buffer.byteLength, whole.a.byteOffset], [100_000, 10]);
  const first = roundTrip({ buffer, ...value }) as typeof whole;
  assertEquals([first.buffer.byteLength, first.b.byteOffset], [100_000, 20]);
});

Deno.test("deserializeValue gives errors back with class, stack, cause and errors", () => {
  const error = new RangeError("outer", { cause: new TypeError("inner", { cause: 5n }) });
  const back = roundTrip({ error }) as { readonly error: RangeError };
  assert(back.error instanceof RangeError && back.error.cause instanceof TypeError);
  assertEquals(back.error.stack, error.stack);
  assertEquals([back.error.message, back.error.cause.message, back.error.cause.cause], [
    "outer",
    "inner",
    5n,
  ]);
  assertEquals(Object.keys(back.error), []);
  class OwnError extends Error {
    override readonly name = "OwnError";
  }
  const own = roundTrip(new OwnError("x")) as Error;
  assertEquals([own.name, own.message, own instanceof Error], ["OwnError", "x", true]);
  const many = roundTrip(new AggregateError([new SyntaxError("s")], "many")) as AggregateError;
  assert(many instanceof AggregateError && many.errors[0] instanceof SyntaxError);
});

Deno.test("serializeValue takes values of any depth", () => {
  let deep: unknown = new Date(3);
  for (let i = 0; i < 50_000; i++) deep = [deep];
  let back = roundTrip(deep);
  for (let i = 0; i < 50_000; i++) back = (back as unknown[])[0];
  assertEquals(back, new Date(3));
});

Deno.test("serializeValue names the place of what is no data", () => {
  class Registry {
    size = 1;
  }
  const at = (value: unknown): string => {
    const error = assertThrows(() => serializeArguments([0, value]), SerializationError);
    assert(error.message.includes(`"${error.path}"`), error.message);
    return error.path;
  };
  assertEquals(at({ rows: [1, 2, 3, { callback() {} }] }), "args[1].rows[3].callback");
  assertEquals(at(() => 1), "args[1]");
  assertEquals(at({ "a b": { "x": Symbol("s") } }), 'args[1]["a b"].x');
  assertEquals(at(new Map<unknown, unknown>([["k", new WeakMap()]])), 'args[1].get("k")');
  assertEquals(at(new Set([1, new Registry()])), "args[1].values[1]");
  assertEquals(at([new Error("x", { cause: { f: Math.max } })]), "args[1][0].cause.f");
  assertEquals(at(Promise.resolve()), "args[1]");
  assertEquals(at(new Uint8Array(new SharedArrayBuffer(1))), "args[1]");
  const named = assertThrows(() => serializeValue({ r: new Registry() }, "result"), SerializationError);
  assert(named.message.startsWith('Cannot serialize "result.r": an instance of "Registry"'), named.message);
  const typed = assertThrows(
    () => serializeValue(new Uint8Array(new SharedArrayBuffer(1))),
    SerializationError,
  );
  assert(typed.message.includes("shared memory"));
});

Deno.test("serializeArguments writes plain arguments as one frame, and deserializeArguments reads all of them", () => {
  const plain = serializeArguments([1, "two", { three: [null] }]);
  assert(plain instanceof Uint8Array);
  assertEquals(deserializeArguments(plain), [1, "two", { three: [null] }]);
  assertEquals(deserializeFrame(plain), [1, "two", { three: [null] }]);
  const other = serializeArguments([new Date(5), undefined]);
  assert(other instanceof Serialized);
  assertEquals(deserializeArguments(other), [new Date(5), undefined]);
  assertThrows(
    () => deserializeArguments(encodeMsgpack({ a: 1 })),
    SerializationError,
    "no array, but Object",
  );
});

Deno.test("deserializeValue reads payloads that were cut and compressed on their way", () => {
  const value = { text: "dask ".repeat(20_000), when: new Date(7), bytes: new Uint8Array(50_000) };
  for (const compression of ["lz4", null] as const) {
    for (const shardBytes of [20_000, 2 ** 26]) {
      const frames = encodeMessage({ x: serializeValue(value) }, { compression, shardBytes });
      const { x } = decodeMessage(frames) as { readonly x: Serialized };
      assertEquals(deserializeValue(x), value);
      assert(compression === null || x.nbytes < 20_000, `${x.nbytes}`);
      assertEquals(encodeMessage({ x }, { compression, shardBytes }), frames); // forwarded unchanged
    }
  }
});

Deno.test("joinFrames refuses headers that don't fit", () => {
  const good = splitPayload(serializeValue(new Uint8Array(100)), null, 30);
  assertEquals(joinFrames(good).length, 1);
  const bad: Record<string, unknown>[] = [
    { "compression": [null] },
    { "compression": ["zstd", null, null, null] },
    { "split-num-sub-frames": [5] },
    { "split-num-sub-frames": [-1] },
    { "split-num-sub-frames": [2, 2] },
    { "split-offsets": [1] },
    { "split-offsets": "x" },
  ];
  for (const fields of bad) {
    const payload = new Serialized({ ...good.header, ...fields }, good.frames);
    assertThrows(() => joinFrames(payload), SerializationError, "Cannot read", JSON.stringify(fields));
  }
});

Deno.test("deserializeValue refuses unknown families and damaged payloads", () => {
  const refused = [
    new Serialized({ serializer: "cuda" }, []),
    new Serialized({ serializer: "javascript" }, []),
    new Serialized({ serializer: "dask", type: "pandas.DataFrame" }, []),
    new Serialized({ "is-collection": true, "sub-headers": [1], "frame-lengths": [1] }, []),
  ];
  for (const payload of refused) {
    assertThrows(() => deserializeValue(payload), SerializationError, "Cannot read");
  }
});

Deno.test("decodeClone never fails but with its own error, whatever was changed in the bytes", () => {
  const value = {
    a: [1, , new Date(1)],
    m: new Map([[1n, new Set(["x"])]]),
    e: new Error("x"),
    b: new Float32Array(300),
  };
  const { frames } = serializeValue(value);
  const body = frames[0] ?? new Uint8Array();
  fc.assert(
    fc.property(fc.nat(body.length - 1), fc.nat(255), (at, byte) => {
      const damaged = body.slice();
      damaged[at] = byte;
      try {
        decodeClone(damaged, frames.slice(1));
      } catch (error) {
        const name = error instanceof Error ? error.name : "";
        assert(name === "SerializationError" || name === "MsgpackError", `${at} ${byte} ${error}`);
      }
    }),
    { seed, numRuns: 3000 },
  );
});

Deno.test("typenameOf names types", () => {
  const named = [null, 1, "x", undefined, [], {}, new Map(), new Float64Array(0), new (class Point {})()].map(
    typenameOf,
  );
  assertEquals(named, [
    "null",
    "number",
    "string",
    "undefined",
    "Array",
    "Object",
    "Map",
    "Float64Array",
    "Point",
  ]);
});

Deno.test("deserializeValue reads the collections that Dask makes of lists, sets and dicts", () => {
  const collection = (
    type: string,
    items: readonly Serialized[],
    keys: readonly unknown[] = [],
  ): Serialized =>
    new Serialized({
      "is-collection": true,
      "sub-headers": items.map(({ header }, i) =>
        keys[i] === undefined ? header : { ...header, key: keys[i] }
      ),
      "frame-lengths": items.map(({ frames }) => frames.length),
      "type-serialized": type,
    }, items.flatMap(({ frames }) => frames));
  const [one, two] = [serializeValue(1), serializeValue(new Date(2))];
  assertEquals(deserializeValue(collection("list", [one, two])), [1, new Date(2)]);
  assertEquals(deserializeValue(collection("tuple", [two, one])), [new Date(2), 1]);
  assertEquals(deserializeValue(collection("set", [one, two])), new Set([1, new Date(2)]));
  assertEquals(deserializeValue(collection("dict", [one, two], ["a", "b"])), { a: 1, b: new Date(2) });
  assertEquals(
    deserializeValue(collection("dict", [one, two], ["a", 5])),
    new Map<unknown, unknown>([["a", 1], [5, new Date(2)]]),
  );
  assertEquals(deserializeValue(collection("list", [])), []);
  const nested = (depth: number): Serialized => {
    let payload = one;
    for (let i = 0; i < depth; i++) payload = collection("list", [payload, two]);
    return payload;
  };
  assertEquals(deserializeValue(nested(2)), [[1, new Date(2)], new Date(2)]);
  deserializeValue(nested(65));
  assertThrows(() => deserializeValue(nested(66)), SerializationError, "does not fit");
});

Deno.test("deserializeValue refuses collections whose header does not fit, and what the sender could not write", () => {
  const good = { "is-collection": true, "sub-headers": [{ serializer: "msgpack" }], "frame-lengths": [1] };
  for (
    const fields of [
      { "sub-headers": 5 },
      { "frame-lengths": 5 },
      { "frame-lengths": [] },
      { "frame-lengths": ["1"] },
      { "sub-headers": [null] },
      { "sub-headers": ["msgpack"] },
    ]
  ) {
    const payload = new Serialized({ ...good, ...fields }, [encodeMsgpack(1)]);
    assertThrows(() => deserializeValue(payload), SerializationError, "does not fit", JSON.stringify(fields));
  }
  const lines = ["no", "way"].map((line) => new TextEncoder().encode(line));
  assertThrows(
    () => deserializeValue(new Serialized({ serializer: "error" }, lines)),
    SerializationError,
    "The sender could not serialize the value: no\nway",
  );
  for (const serializer of ["pickle", "javascript"]) {
    assertThrows(
      () => deserializeValue(new Serialized({ serializer }, [])),
      SerializationError,
      "has no frames",
    );
  }
});

Deno.test("serializeValue says how many frames there are, and deserializeValue joins those of bytes", () => {
  const value = { a: new Uint8Array(5000), b: new Float64Array(1000), c: 1n };
  const { header, frames } = serializeValue(value);
  assertEquals([header["num-sub-frames"], frames.length], [3, 3]);
  const halves = [Uint8Array.of(1, 2), Uint8Array.of(3)];
  for (const type of ["bytes", "bytearray"]) {
    assertEquals(
      deserializeValue(new Serialized({ serializer: "dask", type }, halves)),
      Uint8Array.of(1, 2, 3),
    );
  }
  const text = encodeMsgpack(["text"]);
  const cut = new Serialized({ serializer: "msgpack" }, [text.subarray(0, 2), text.slice(2)]);
  assertEquals(deserializeValue(cut), ["text"]);
});
