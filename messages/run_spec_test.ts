import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Serialized } from "../protocol/serialized.ts";
import { type FunctionHash, MessageError } from "./common.ts";
import { isNative, parseRunSpec, runtimeOf } from "./run_spec.ts";

Deno.test("parseRunSpec takes a task of this package's clients", () => {
  const spec = parseRunSpec(["f", new Uint8Array([0x90]), [["x", 0]]]);
  assertEquals(isNative(spec) ? spec[0] : undefined, "f" as FunctionHash);
  assertEquals(runtimeOf(spec), "deno");
});

Deno.test("parseRunSpec takes what is serialized for another runtime as it is", () => {
  const pickle = new Serialized({ serializer: "pickle" }, [new Uint8Array([0x80, 5, 0x2e])]);
  const spec = parseRunSpec(pickle);
  assertStrictEquals(spec, pickle);
  assertEquals([isNative(spec), runtimeOf(spec)], [false, "python"]);
});

Deno.test("parseRunSpec refuses an opaque task that is too large", () => {
  const mebibyte = new Uint8Array(2 ** 20);
  const parse = (frames: readonly Uint8Array[]) => parseRunSpec(new Serialized({}, frames));
  parse(new Array(64).fill(mebibyte));
  assertThrows(
    () => parse([...new Array(64).fill(mebibyte), new Uint8Array(1)]),
    MessageError,
    "67108865 bytes",
  );
  parse(new Array(4096).fill(new Uint8Array()));
  assertThrows(() => parse(new Array(4097).fill(new Uint8Array())), MessageError, "4097 frames");
});

Deno.test("parseRunSpec refuses what is neither", () => {
  const args = new Uint8Array();
  for (
    const odd of [null, "f", ["f", args], [1, args, []], ["f", [], []], ["f", args, [["x"]]], ["f", args, [[
      1,
      0,
    ]]], {}]
  ) {
    assertThrows(() => parseRunSpec(odd), MessageError, "nor serialized");
  }
});
