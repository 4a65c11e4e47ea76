import { assertEquals, assertThrows } from "@std/assert";
import { AssertionError } from "./assert.ts";
import { type Recommendable, Recommendations } from "./recommendations.ts";

function taskNamed(name: string): Recommendable<number> & { readonly name: string } {
  return { name, recommended: 0 };
}

Deno.test("Recommendations gives the last one first, and a second one for a task the place of the first", () => {
  const recommendations = new Recommendations<number, ReturnType<typeof taskNamed>>();
  const [x, y] = [taskNamed("x"), taskNamed("y")];
  recommendations.add(x, 1);
  recommendations.add(y, 2);
  recommendations.add(x, 3);
  assertEquals(recommendations.pop()?.name, "y");
  assertEquals(recommendations.take(y), 2);
  assertEquals(recommendations.pop()?.name, "x");
  assertEquals(recommendations.take(x), 3);
  assertEquals(recommendations.take(x), 0);
  assertEquals(recommendations.pop(), undefined);
});

Deno.test("Recommendations leaves out what was taken back", () => {
  const recommendations = new Recommendations<number, ReturnType<typeof taskNamed>>();
  const [x, y] = [taskNamed("x"), taskNamed("y")];
  recommendations.add(x, 1);
  recommendations.add(y, 1);
  recommendations.take(y);
  assertEquals(recommendations.pop()?.name, "x");
});

Deno.test("Recommendations refuses the state that is none", () => {
  assertThrows(() => new Recommendations().add(taskNamed("x"), 0), AssertionError, "names no state");
});
