import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { PyGlobal, PyObject, PyTuple } from "./pickle.ts";
import { plainFromPython, pythonNameOf } from "./python_values.ts";
import { SerializationError } from "./serialized.ts";

function call(path: string, ...args: unknown[]): PyObject {
  const at = path.lastIndexOf(".");
  return new PyObject(new PyGlobal(path.slice(0, at), path.slice(at + 1)), args);
}

Deno.test("plainFromPython reads the builtins that older protocols write as calls", () => {
  const bytes = Uint8Array.of(1, 2);
  const read: readonly (readonly [PyObject, unknown])[] = [
    [call("builtins.bytearray"), new Uint8Array(0)],
    [call("builtins.bytearray", bytes), bytes],
    [call("builtins.bytes", bytes), bytes],
    [call("__builtin__.bytearray", bytes), bytes],
    [call("_codecs.encode", "\u00e9a", "latin1"), Uint8Array.of(0xe9, 0x61)],
    [call("builtins.set", [1, new PyTuple([2])]), new Set<unknown>([1, [2]])],
    [call("builtins.frozenset", [1]), new Set([1])],
    [call("__builtin__.set", [1]), new Set([1])],
    [call("__builtin__.frozenset", [1]), new Set([1])],
  ];
  for (const [value, expected] of read) {
    assertEquals(plainFromPython(value), expected, pythonNameOf(value));
    assertEquals(plainFromPython([value]), [expected], pythonNameOf(value));
  }
});

Deno.test("plainFromPython refuses other calls, and those builtins with strange arguments, by name", () => {
  for (
    const value of [
      call("_codecs.encode", 5),
      call("builtins.set", 5),
      call("builtins.frozenset"),
      call("os.system", "true"),
      new PyGlobal("builtins", "int"),
    ]
  ) {
    const error = assertThrows(() => plainFromPython(value), SerializationError);
    assert(error.message.includes(`"${pythonNameOf(value)}"`), error.message);
  }
});

Deno.test("plainFromPython makes objects of dicts with string keys, __proto__ included, and Maps of others", () => {
  const record = plainFromPython(new Map<string, unknown>([["a", 1], ["__proto__", new PyTuple([2])]]));
  assertEquals(Object.entries(record as object), [["a", 1], ["__proto__", [2]]]);
  assertStrictEquals(Object.getPrototypeOf(record), Object.prototype);
  const descriptor = Object.getOwnPropertyDescriptor(record, "a");
  assertEquals(descriptor, { value: 1, writable: true, enumerable: true, configurable: true });
  const mixed = new Map<unknown, unknown>([["a", 1], [new PyTuple([1, 2]), new PyTuple([3])]]);
  assertEquals(plainFromPython(mixed), new Map<unknown, unknown>([["a", 1], [[1, 2], [3]]]));
});

Deno.test("plainFromPython keeps what is one object one object, also inside itself", () => {
  const dict = new Map<unknown, unknown>([[1, "x"]]);
  dict.set(2, dict);
  const record = new Map<string, unknown>([["a", 1]]);
  record.set("self", record);
  const set = new Set([1]);
  const tuple = new PyTuple([1]);
  const plain = plainFromPython([dict, dict, record, record, set, set, tuple, tuple]) as unknown[];
  for (let i = 0; i < plain.length; i += 2) assertStrictEquals(plain[i], plain[i + 1], `${i}`);
  assertStrictEquals((plain[0] as Map<unknown, unknown>).get(2), plain[0]);
  assertStrictEquals((plain[2] as Record<string, unknown>)["self"], plain[2]);
});

Deno.test("plainFromPython gives bytes memory of their own", () => {
  const bytes = Uint8Array.of(1, 2, 3, 4).subarray(1, 3);
  const own = plainFromPython(bytes) as Uint8Array;
  assertEquals([own, own.buffer.byteLength], [bytes, 2]);
});

Deno.test("plainFromPython takes values as deep as 500 levels", () => {
  const nested = (depth: number): unknown => {
    let value: unknown[] = [];
    for (let i = 0; i < depth; i++) value = [value];
    return value;
  };
  assertEquals(plainFromPython(nested(500)), nested(500));
  assertThrows(() => plainFromPython(nested(501)), SerializationError, "deeper than 500");
  let dict: unknown = 1;
  for (let i = 0; i < 502; i++) dict = new Map<unknown, unknown>([[i % 2 === 0 ? "k" : 1, dict]]);
  assertThrows(() => plainFromPython(dict), SerializationError, "deeper than 500");
  let set: unknown = 1;
  for (let i = 0; i < 502; i++) set = new Set([set]);
  assertThrows(() => plainFromPython(set), SerializationError, "deeper than 500");
});

Deno.test("pythonNameOf names classes, and what a call of one would return", () => {
  assertEquals(pythonNameOf(new PyGlobal("m.n", "C")), "m.n.C");
  assertEquals(pythonNameOf(call("m.C")), "m.C");
  assertEquals(pythonNameOf(5), "object");
});
