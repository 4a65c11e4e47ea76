import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { decodePickle, PyObject, PyTuple } from "./pickle.ts";
import { encodePickle } from "./pickle_encode.ts";
import { plainFromPython } from "./python_values.ts";
import { SerializationError } from "./serialized.ts";

const seed = 20260804;

Deno.test("plainFromPython gives back what encodePickle wrote", () => {
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 3 },
      fc.constant(null),
      fc.boolean(),
      fc.integer(),
      fc.maxSafeInteger(),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 300n }),
      fc.bigInt({ min: -(2n ** 300n), max: -(2n ** 53n) }),
      fc.double(),
      fc.string({ unit: "grapheme", maxLength: 300 }),
      fc.uint8Array({ maxLength: 300 }),
      fc.array(tie("any")),
      fc.dictionary(fc.string(), tie("any"), { noNullPrototype: true }),
    ),
  })).any;
  fc.assert(
    fc.property(value, (any) => assertEquals(plainFromPython(decodePickle(encodePickle(any))), any)),
    { seed, numRuns: 300 },
  );
});

Deno.test("decodePickle never fails but with a SerializationError, whatever the bytes", () => {
  const bytes = fc.array(
    fc.constantFrom(
      ...Uint8Array.from(
        [
          0x28,
          0x29,
          0x2e,
          0x4b,
          0x52,
          0x5d,
          0x61,
          0x62,
          0x65,
          0x68,
          0x73,
          0x74,
          0x75,
          0x7d,
          0x81,
          0x85,
          0x8a,
          0x8c,
        ],
      ),
      0x8f,
      0x90,
      0x91,
      0x92,
      0x93,
      0x94,
      0x95,
      0x96,
      0x97,
      0,
      1,
      2,
    ),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(bytes, (list) => {
      try {
        plainFromPython(decodePickle(Uint8Array.from(list)));
      } catch (error) {
        assert(error instanceof SerializationError, `${list}: ${error}`);
      }
    }),
    { seed, numRuns: 5000 },
  );
});

Deno.test("decodePickle refuses lengths that the bytes can't hold, and integers without end", () => {
  for (const opcode of [0x58, 0x42, 0x8b]) {
    assertThrows(
      () => decodePickle(Uint8Array.of(opcode, 255, 255, 255, 255)),
      SerializationError,
      "Cannot read",
    );
  }
  assertThrows(
    () => decodePickle(Uint8Array.of(0x8e, 0, 0, 0, 0, 0, 0, 0, 255)),
    SerializationError,
    "too early",
  );
});

Deno.test("plainFromPython refuses a list inside itself a thousand times over", () => {
  // ]  (EMPTY_LIST)  then  0x85 (TUPLE1) again and again
  const nested = Uint8Array.from([0x5d, ...new Array<number>(1000).fill(0x85), 0x2e]);
  assert(decodePickle(nested) instanceof PyTuple);
  assertThrows(() => plainFromPython(decodePickle(nested)), SerializationError, "deeper");
});

Deno.test("plainFromPython keeps a list that holds itself", () => {
  const list = plainFromPython(decodePickle(Uint8Array.of(0x5d, 0x94, 0x68, 0, 0x61, 0x2e))) as unknown[];
  assert(list[0] === list);
});

Deno.test("plainFromPython names the class that it can't read", () => {
  const frame = new PyObject(decodePickle(encodePickle("x")), []);
  assertThrows(() => plainFromPython(frame), SerializationError, "Python's class");
  // ccollections\nCounter\n)R.
  const counter = Uint8Array.from("ccollections\nCounter\n)R.", (c) => c.charCodeAt(0));
  assertThrows(() => plainFromPython(decodePickle(counter)), SerializationError, '"collections.Counter"');
});

Deno.test("encodePickle refuses what it has no form for", () => {
  assertThrows(() => encodePickle(() => 1), SerializationError, "a function");
  const cycle: unknown[] = [];
  cycle.push(cycle);
  assertThrows(() => encodePickle(cycle), SerializationError, "deeper");
  assertThrows(() => encodePickle(2n ** 3000n), SerializationError, "too large");
});
