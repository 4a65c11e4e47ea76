import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { encodeMsgpack } from "../../protocol/msgpack.ts";
import { FunctionLoadError, loadFunction } from "./load_function.ts";

Deno.test("loadFunction makes a function of source", () => {
  const body = encodeMsgpack({ kind: "source", name: "twice", source: "(x) => x * 2 // comment" });
  assertEquals(loadFunction(body)(4), 8);
});

Deno.test("loadFunction evaluates in strict mode, and sees globals alone", () => {
  const load = (source: string) => loadFunction(encodeMsgpack({ kind: "source", name: "f", source }));
  assertEquals(load("function () { return this }")(), undefined);
  assertThrows(() => load("() => { undeclared = 1 }")(), ReferenceError);
  assertThrows(() => load("() => evaluate")(), ReferenceError);
});

Deno.test("loadFunction refuses damaged and unknown bodies", async (t) => {
  const refused: readonly (readonly [unknown, string])[] = [
    [[1], "its body is no map"],
    [{ kind: "module", url: "x" }, `Cannot load a function of kind "module"`],
    [{ kind: "source", name: 1, source: "x" }, `"name" and "source" of its body must be texts`],
    [{ kind: "source", name: "f", source: "nope(" }, `Cannot load function "f": SyntaxError`],
    [{ kind: "source", name: "f", source: "missing" }, `Cannot load function "f": ReferenceError`],
    [{ kind: "source", name: "f", source: "1" }, "its source is no function, but number"],
  ];
  for (const [body, reason] of refused) {
    await t.step(reason, () => {
      const error = assertThrows(() => loadFunction(encodeMsgpack(body)), FunctionLoadError);
      assertStringIncludes(error.message, reason);
    });
  }
  await t.step("no MessagePack", () => {
    assertThrows(() => loadFunction(Uint8Array.of(0xc1)), FunctionLoadError, "its body is no MessagePack");
  });
});
