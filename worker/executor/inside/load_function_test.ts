import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { encodeMsgpack } from "../../../protocol/msgpack.ts";
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

Deno.test("loadFunction imports a module at the first call, and calls directly afterwards", async () => {
  const url = `data:text/javascript,let n = 0; export const next = (x) => x + ++n; export default 3;`;
  const load = (name: string) =>
    loadFunction(encodeMsgpack({ kind: "module", name: "f", url, export: name }));
  const next = load("next");
  assertEquals(await next(10), 11);
  assertEquals(next(10), 12);
  await assertRejects(async () => await load("default")(), FunctionLoadError, "no function by that name");
  await assertRejects(async () => await load("other")(), FunctionLoadError, "it has default, next");
  const broken = { kind: "module", name: "f", url: "data:text/javascript,%7B", export: "f" };
  await assertRejects(
    async () => await loadFunction(encodeMsgpack(broken))(),
    FunctionLoadError,
    'Cannot import "data:text/javascript,%7B" on this worker: SyntaxError',
  );
});

Deno.test("loadFunction refuses damaged and unknown bodies", async (t) => {
  const refused: readonly (readonly [unknown, string])[] = [
    [[1], "its body is no map"],
    [{ kind: "pickle" }, `Cannot load a function of kind "pickle"`],
    [{ kind: "module", url: "data:," }, `"url" and "export" of its body must be texts`],
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
