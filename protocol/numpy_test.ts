import { assertEquals, assertThrows } from "@std/assert";
import { ndarrayHeader, typedArrayOf } from "./numpy.ts";
import { SerializationError } from "./serialized.ts";

/** JavaScript's classes with numpy's name and the bytes per item. */
const DTYPES: readonly (readonly [name: string, dtype: string, itemBytes: number])[] = [
  ["Int8Array", "|i1", 1],
  ["Uint8Array", "|u1", 1],
  ["Uint8ClampedArray", "|u1", 1],
  ["Int16Array", "<i2", 2],
  ["Uint16Array", "<u2", 2],
  ["Int32Array", "<i4", 4],
  ["Uint32Array", "<u4", 4],
  ["BigInt64Array", "<i8", 8],
  ["BigUint64Array", "<u8", 8],
  ["Float16Array", "<f2", 2],
  ["Float32Array", "<f4", 4],
  ["Float64Array", "<f8", 8],
];

/** Codes of Python's `struct` with JavaScript's classes. */
const CODES: Readonly<Record<string, string>> = {
  b: "Int8Array",
  B: "Uint8Array",
  c: "Uint8Array",
  h: "Int16Array",
  H: "Uint16Array",
  i: "Int32Array",
  I: "Uint32Array",
  l: "BigInt64Array",
  L: "BigUint64Array",
  q: "BigInt64Array",
  Q: "BigUint64Array",
  e: "Float16Array",
  f: "Float32Array",
  d: "Float64Array",
};

function subHeader(name: string, byteLength: number): Record<string, unknown> {
  return ndarrayHeader(name, byteLength)?.["sub-header"] as Record<string, unknown>;
}

Deno.test("ndarrayHeader says what numpy needs to know, and names the class that has no dtype of its own", () => {
  for (const [name, dtype, itemBytes] of DTYPES) {
    const header = ndarrayHeader(name, 3 * itemBytes);
    assertEquals([header?.["type"], header?.["serializer"], header?.["num-sub-frames"]], [
      "numpy.ndarray",
      "dask",
      1,
    ]);
    const expected = { dtype: [0, dtype], shape: [3], strides: [itemBytes], writeable: [true] };
    const named = name === "Uint8ClampedArray" ? { ...expected, javascript: name } : expected;
    assertEquals(subHeader(name, 3 * itemBytes), named);
  }
  for (const name of ["DataView", "toString", ""]) assertEquals(ndarrayHeader(name, 8), undefined);
});

Deno.test("typedArrayOf undoes ndarrayHeader for every class", () => {
  for (const [name, , itemBytes] of DTYPES) {
    const bytes = Uint8Array.from({ length: 3 * itemBytes }, (_, i) => i);
    const view = typedArrayOf("numpy.ndarray", subHeader(name, bytes.length), bytes);
    assertEquals([view.constructor.name, view.byteLength], [name, bytes.length]);
    assertEquals(new Uint8Array(view.buffer), bytes);
  }
});

Deno.test("typedArrayOf reads memoryviews and arrays of Python by their code", () => {
  for (const [code, name] of Object.entries(CODES)) {
    for (const [type, field] of [["memoryview", "format"], ["array.array", "typecode"]] as const) {
      assertEquals(typedArrayOf(type, { [field]: code }, new Uint8Array(16)).constructor.name, name, code);
    }
  }
});

Deno.test("typedArrayOf takes an array of one item whatever its stride, and one of none", () => {
  const one = { ...subHeader("Float64Array", 8), strides: [24] };
  assertEquals(typedArrayOf("numpy.ndarray", one, new Uint8Array(8)), new Float64Array(1));
  const none = { ...subHeader("Float64Array", 0), strides: [24] };
  assertEquals(typedArrayOf("numpy.ndarray", none, new Uint8Array(0)), new Float64Array(0));
});

Deno.test("typedArrayOf refuses what has no form here, and says what it is", () => {
  const good = subHeader("Int32Array", 8);
  const refused: readonly (readonly [type: string, header: unknown, bytes: number, words: string])[] = [
    ["numpy.ndarray", { ...good, dtype: [0, ">i4"] }, 8, '[0,">i4"]'],
    ["numpy.ndarray", { ...good, dtype: [0, "toString"] }, 8, "toString"],
    ["numpy.ndarray", { ...good, dtype: [1, "<i4"] }, 8, '[1,"<i4"]'],
    ["numpy.ndarray", { ...good, dtype: [0, 4] }, 8, "[0,4]"],
    ["numpy.ndarray", { ...good, dtype: "<i4" }, 8, '"<i4"'],
    ["numpy.ndarray", { ...good, shape: [2, 1] }, 8, "shape [2,1]: only one dimension is"],
    ["numpy.ndarray", { ...good, shape: 2 }, 8, "shape 2"],
    ["numpy.ndarray", { dtype: [0, "<i4"] }, 8, "shape null"],
    ["numpy.ndarray", { ...good, shape: [3] }, 8, "not contiguous"],
    ["numpy.ndarray", { ...good, strides: [8] }, 8, "not contiguous"],
    ["numpy.ndarray", { ...good, strides: 4 }, 8, "not contiguous"],
    ["numpy.ndarray", { ...good, broadcast_to: [2] }, 8, "not contiguous"],
    ["memoryview", { format: "P" }, 8, '"P"'],
    ["memoryview", { format: 5 }, 8, "memoryview"],
    ["memoryview", { typecode: "d" }, 8, "memoryview"],
    ["array.array", { typecode: "i" }, 7, "7 bytes"],
    ["array.array", { typecode: "toString" }, 8, "array.array"],
    ["array.array", null, 8, "(null)"],
    ["array.array", "i", 8, "(null)"],
    ["pandas.DataFrame", { format: "d" }, 8, '"pandas.DataFrame"'],
  ];
  for (const [type, header, bytes, words] of refused) {
    assertThrows(() => typedArrayOf(type, header, new Uint8Array(bytes)), SerializationError, words);
  }
});
