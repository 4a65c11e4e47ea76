import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { runInNewContext } from "node:vm";
import { encodeMsgpack } from "./msgpack.ts";
import { SerializationError } from "./serialized.ts";
import { encodeClone, Kind } from "./structured_clone.ts";
import { decodeClone } from "./structured_clone_decode.ts";

function roundTrip(value: unknown): unknown {
  const { body, buffers } = encodeClone(value, "value");
  return decodeClone(body, buffers);
}

function refusal(value: unknown): string {
  return assertThrows(() => encodeClone(value, "value"), SerializationError).message;
}

/** Encodes nodes; the first one is the root. */
function body(...nodes: unknown[]): Uint8Array {
  return encodeMsgpack([[0], nodes]);
}

Deno.test("encodeClone names what is no data by its type and name", () => {
  function work(): void {}
  assert(refusal({ work }).includes('"value.work": a function "work" is no data'));
  assert(refusal([() => 1]).includes('"value[0]": a function is no data'));
  assert(refusal(Symbol("s")).includes('"value": a symbol is no data'));
});

Deno.test("encodeClone names every kind of place", () => {
  const nothing = Symbol("nothing");
  const places: readonly (readonly [unknown, string])[] = [
    [[nothing], "value[0]"],
    [{ a: { $b_1: nothing } }, "value.a.$b_1"],
    [{ "1": nothing }, "value[1]"],
    [{ "-1": nothing }, 'value["-1"]'],
    [{ "01": nothing }, 'value["01"]'],
    [{ "1.5": nothing }, 'value["1.5"]'],
    [{ "4294967295": nothing }, 'value["4294967295"]'],
    [{ "": nothing }, 'value[""]'],
    [{ "a-b": nothing }, 'value["a-b"]'],
    [{ "1a": nothing }, 'value["1a"]'],
    [Object.assign([1], { more: nothing }), "value.more"],
    [new Map<unknown, unknown>([[1, 1], [nothing, 2]]), "value.keys[1]"],
    [new Map<unknown, unknown>([[1, 1], [2, nothing]]), "value.values[1]"],
    [new Map<unknown, unknown>([["k", nothing]]), 'value.get("k")'],
    [new Set<unknown>([1, nothing]), "value.values[1]"],
    [new Error("e", { cause: nothing }), "value.cause"],
    [new AggregateError([nothing]), "value.errors[0]"],
  ];
  for (const [value, place] of places) {
    assert(refusal(value).includes(`"${place}"`), `${place}: ${refusal(value)}`);
  }
});

Deno.test("encodeClone writes a long array densely, and one of many holes by its entries", () => {
  const bytesOf = (value: unknown): number => encodeClone(value, "value").body.length;
  const dense = new Array<unknown>(1000).fill(1);
  assert(bytesOf([1n, ...dense]) < 1100);
  const half = dense.map((one, i) => i % 2 === 0 ? one : undefined);
  assert(bytesOf([1n, ...half]) < 1100);
  const edge: unknown[] = [1n];
  edge.length = 65; // 64 holes
  const beyond: unknown[] = [1n];
  beyond.length = 66;
  assert(bytesOf(edge) > 64 && bytesOf(beyond) < 40, `${bytesOf(edge)}, ${bytesOf(beyond)}`);
  const many: unknown[] = dense.map(() => 1n);
  many.length = 2000; // as many holes as entries
  const more = [...many];
  more.length = 2001;
  delete more[0];
  for (const value of [edge, beyond, many, more]) {
    const back = roundTrip(value) as unknown[];
    assertEquals([back.length, Object.keys(back)], [value.length, Object.keys(value)]);
    assertEquals(back, value);
  }
});

Deno.test("decodeClone gives names of arrays back, of dense and sparse ones", () => {
  const dense = Object.assign([1n, 2], { first: "a", "-1": "b", "01": "c" });
  const sparse = Object.assign([1n], { first: "a" });
  sparse.length = 1000;
  for (const value of [dense, sparse]) {
    const back = roundTrip(value) as unknown[];
    assertEquals(Object.entries(back), Object.entries(value));
    assertEquals(back.length, value.length);
  }
});

Deno.test("encodeClone takes builtins of another realm, and no class that only says it is one", () => {
  const foreign = (source: string): unknown => roundTrip([runInNewContext(source)]);
  assertEquals(foreign("new Map([[1, new Set([2])]])"), [new Map([[1, new Set([2])]])]);
  assertEquals(foreign("new Date(5)"), [new Date(5)]);
  assertEquals(foreign("new Uint8Array([1, 2]).buffer"), [Uint8Array.of(1, 2).buffer]);
  assertEquals(foreign("new Uint16Array([1, 2])"), [Uint16Array.of(1, 2)]);
  assertEquals(foreign("({ a: [1n] })"), [{ a: [1n] }]);
  assertEquals(foreign("/a/g"), [/a/g]);
  const [boxed] = foreign("Object(7n)") as [object];
  assertEquals([typeof boxed, boxed.valueOf()], ["object", 7n]);
  const [error] = foreign("new RangeError('far')") as [Error];
  assert(error instanceof RangeError);
  assertEquals(error.message, "far");
  for (const tag of ["Map", "Set", "ArrayBuffer", "BigInt"]) {
    class Fake {
      get [Symbol.toStringTag](): string {
        return tag;
      }
    }
    assert(refusal(new Fake()).includes('an instance of "Fake" would lose its class'), tag);
  }
});

Deno.test("encodeClone takes whatever is an error, such as a DOMException, and objects without a prototype", () => {
  const back = roundTrip(new DOMException("stopped", "AbortError")) as Error;
  assert(back instanceof Error);
  assertEquals(back.name, "AbortError");
  assertEquals(roundTrip(Object.assign(Object.create(null), { d: new Date(1) })), { d: new Date(1) });
});

Deno.test("decodeClone gives errors back as builtins have them", () => {
  for (const Class of [EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, Error]) {
    const back = roundTrip(new Class("m")) as Error;
    assertStrictEquals(Object.getPrototypeOf(back), Class.prototype);
    assertEquals([back.name, Object.hasOwn(back, "name"), Object.keys(back)], [Class.name, false, []]);
  }
  const named = Object.assign(new TypeError("m"), { name: "OwnError", extra: 1 });
  const back = roundTrip(named) as Error;
  assertEquals([back.name, back.message, back.stack], ["OwnError", "m", named.stack ?? ""]);
  assertEquals(Object.keys(back), []);
  assertEquals(Object.getOwnPropertyDescriptor(back, "message"), {
    value: "m",
    writable: true,
    enumerable: false,
    configurable: true,
  });
  const none = roundTrip(new Error("m")) as Error;
  assertEquals([Object.hasOwn(none, "cause"), Object.hasOwn(none, "errors")], [false, false]);
});

Deno.test("encodeClone sends small buffers inside the body, and large ones beside it", () => {
  const framesOf = (bytes: number): number[] =>
    encodeClone([new Uint8Array(bytes), 1n], "value").buffers.map(({ byteLength }) => byteLength);
  assertEquals([framesOf(1023), framesOf(1024)], [[], [1024]]);
  const buffer = new ArrayBuffer(10_000);
  const { buffers } = encodeClone([new Uint8Array(buffer, 5003, 2000), 1n], "value");
  assertEquals(buffers.map(({ byteOffset, byteLength }) => [byteOffset, byteLength]), [[5000, 2003]]);
  assertStrictEquals(buffers[0]?.buffer, buffer);
});

Deno.test("decodeClone refuses damaged values, and says what is wrong with them", () => {
  const buffer = [Kind.Buffer, 0, new Uint8Array(8)];
  const damaged: readonly (readonly [body: Uint8Array, words: string])[] = [
    [encodeMsgpack(5), "no list of nodes"],
    [encodeMsgpack([[0]]), "no list of nodes"],
    [encodeMsgpack([[0], 5]), "no list of nodes"],
    [encodeMsgpack([[0], [], 5]), "no list of nodes"],
    [encodeMsgpack([[0], [5]]), "a node that is no list"],
    [encodeMsgpack([[0], []]), "no node 0"],
    [encodeMsgpack([[-1], []]), "no node -1"],
    [encodeMsgpack([[-2, 5], []]), "no node -2"],
    [encodeMsgpack([[-2, "5x"], []]), "no node -2"],
    [encodeMsgpack([[-3, "text"], []]), "no node -3"],
    [encodeMsgpack([[-4], []]), "an index that is none"],
    [encodeMsgpack([[0.5], []]), "an index that is none"],
    [encodeMsgpack([["0"], []]), "an index that is none"],
    [body([99]), "no kind 99"],
    [body([Kind.Array, 5]), "a node that is no list"],
    [body([Kind.Array, [], ["length", 5]]), "a length as a property"],
    [body([Kind.Sparse, 2 ** 32, []]), "an array that is too long"],
    [body([Kind.Sparse, -1, []]), "an index that is none"],
    [body([Kind.Sparse, 5, ["length", 9]]), "a length as a property"],
    [body([Kind.Map, 5]), "a node that is no list"],
    [body([Kind.Set, 5]), "a node that is no list"],
    [body([Kind.Date, "now"]), "a time that is no number"],
    [body([Kind.RegExp, "(", ""]), "a RegExp that there is not here"],
    [body([Kind.RegExp, "a", "gg"]), "a RegExp that there is not here"],
    [body([Kind.Error, "Error", ["name", "x"]]), "an error's field"],
    [body([Kind.Error, "Error", [5, "x"]]), "an error's field"],
    [body([Kind.Buffer, 0, 5]), "a missing buffer"],
    [body([Kind.Buffer, -1, new Uint8Array(1)]), "an index that is none"],
    [body([Kind.View, "Map", [1], 0, 8], buffer), 'no views are called "Map" here'],
    [body([Kind.View, "Uint8Array", [2], 0, 8], buffer, [Kind.Object, []]), "a view of no buffer"],
    [body([Kind.View, "Uint8Array", [1], 0, 9], buffer), "a view beyond its buffer"],
    [body([Kind.View, "Uint8Array", [1], 9, 0], buffer), "a view beyond its buffer"],
    [body([Kind.View, "Float64Array", [1], 1, 0], buffer), "a view beyond its buffer"],
  ];
  for (const [bytes, words] of damaged) {
    const error = assertThrows(() => decodeClone(bytes, []), SerializationError, words);
    assert(error.message.startsWith('Cannot read a value of the family "javascript": '), error.message);
  }
});

Deno.test("decodeClone takes the longest array, and leaves out half of a pair", () => {
  assertEquals((decodeClone(body([Kind.Sparse, 2 ** 32 - 1, []]), []) as unknown[]).length, 2 ** 32 - 1);
  assertEquals(decodeClone(body([Kind.Map, [1, 2, 3]]), []), new Map([[1, 2]]));
  assertEquals(decodeClone(body([Kind.Object, ["a", 1, "b"]]), []), { a: 1 });
});
