import { assertEquals, assertThrows } from "@std/assert";
import { assert, AssertionError, unreachable } from "./assert.ts";

Deno.test("assert throws an AssertionError with the message, and makes it only then", () => {
  let made = 0;
  const message = (): string => `made ${++made}`;
  assert(true, message);
  assertEquals(made, 0);
  assertThrows(() => assert(false, message), AssertionError, "made 1");
  assertThrows(() => assert(0, "text"), AssertionError, "text");
});

Deno.test("unreachable throws an AssertionError that names the value", () => {
  assertThrows(() => unreachable("surprise" as never), AssertionError, "surprise");
});
