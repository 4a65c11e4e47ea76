import { assertEquals, assertThrows } from "@std/assert";
import { AssertionError } from "./assert.ts";
import { InvalidTransition, Story } from "./story.ts";

const NAMES = ["none", "new", "old"] as const;

function told(length: number): Story<typeof NAMES[number]> {
  const story = new Story(NAMES, length);
  story.add("x", 1, 2, 2, "first", 0.5);
  story.add("y", 1, 2, 1, "second", 1);
  story.add("x", 2, 0, 2, "second", 1.5, "was looked at");
  return story;
}

Deno.test("Story tells of a task, of a stimulus, or all, oldest first", () => {
  const story = told(10);
  assertEquals(story.of("x").map((entry) => entry.stimulusId), ["first", "second"]);
  assertEquals(story.of("second").map((entry) => entry.key), ["y", "x"]);
  assertEquals(story.of().map((entry) => entry.time), [0.5, 1, 1.5]);
  assertEquals(story.since(2).map((entry) => entry.event), ["was looked at"]);
  assertEquals(story.count, 3);
});

Deno.test("Story keeps the latest entries", () => {
  const story = told(2);
  assertEquals(story.of().map((entry) => entry.time), [1, 1.5]);
  assertEquals(story.since(0).length, 2);
  assertEquals(story.count, 3);
  assertThrows(() => new Story(NAMES, 0), AssertionError, "room for one entry");
});

Deno.test("Story tells where a task was to go and went", () => {
  const [entry] = told(10).of("y");
  assertEquals([entry?.start, entry?.recommended, entry?.finish], ["new", "old", "new"]);
  assertEquals(told(10).text("y"), "  1 transition: new → new, not old (second)");
  assertEquals(
    told(10).text("x"),
    "  0.5 transition: new → old (first)\n  1.5 was looked at: old → old (second)",
  );
});

Deno.test("InvalidTransition tells the story", () => {
  const error = new InvalidTransition("x", "new", "old", "there is no such transition", told(10).text("y"));
  assertEquals(
    error.message,
    `Cannot move task "x" from "new" to "old": there is no such transition. Story:\n` +
      "  1 transition: new → new, not old (second)",
  );
});
