import { assert, assertEquals } from "@std/assert";
import type { FunctionHash } from "../../../messages/common.ts";
import { encodeMsgpack } from "../../../protocol/msgpack.ts";
import { decodeError } from "../../../protocol/remote_error.ts";
import { deserializeValue } from "../../../protocol/values.ts";
import { type AnyFunction, failure, Harness, success } from "../../../testing/executor_harness.ts";

Deno.test("ThreadExecutor reports what a task threw", async () => {
  await using harness = await Harness.start();
  const outcome = await harness.fail(function explode(x: number) {
    throw new RangeError(`no ${x}`, { cause: new TypeError("inner") });
  }, [5]);
  const info = decodeError(outcome.error);
  assertEquals([info.name, info.message, info.cause?.name], ["RangeError", "no 5", "TypeError"]);
  assertEquals(outcome.exceptionText, `RangeError("no 5")`);
  assert(/explode \(task:explode\b.*:2:\d+\)/.test(outcome.tracebackText), outcome.tracebackText);
  assertEquals(
    decodeError((await harness.fail(async () => await Promise.reject(new Error("later")))).error).message,
    "later",
  );
  assertEquals(
    decodeError(
      (await harness.fail(() => {
        throw "a text";
      })).error,
    ).message,
    "a text",
  ); // deno-fmt-ignore-line
});

Deno.test("ThreadExecutor fails a task whose result is no data, with the path to it", async () => {
  await using harness = await Harness.start();
  const outcome = await harness.fail(() => ({ rows: [1, () => 1] }));
  assertEquals(decodeError(outcome.error).name, "SerializationError");
  assert(outcome.exceptionText.includes("result.rows[1]"), outcome.exceptionText);
  assert(
    (await harness.fail(async () => await Promise.resolve(Symbol("s")))).exceptionText.includes("result"),
  );
  assertEquals(await harness.run(() => 1), 1, "the thread goes on");
});

Deno.test("ThreadExecutor fails a task whose arguments, references or function are not there", async () => {
  await using harness = await Harness.start();
  const noResult = await harness.fail((x: unknown) => x, [null], { key: "k", references: [["gone", 0]] });
  assert(
    noResult.exceptionText.includes(`the result of task \\"gone\\" was not given`),
    noResult.exceptionText,
  );
  const noPlace = await harness.fail((x: unknown) => x, [null], {
    references: [["a", 3]],
    results: { a: 1 },
  });
  assert(noPlace.exceptionText.includes("there is no args[3]"), noPlace.exceptionText);
  const request = { ...harness.request(() => 1, [], { key: "f" }), functionHash: "unknown" as FunctionHash };
  harness.executor.execute([request]);
  assert(failure(await harness.outcome("f")).exceptionText.includes("was not given its function unknown"));
  const broken = { ...harness.request(() => 1, [], { key: "b" }), functionHash: "broken" as FunctionHash };
  harness.executor.addFunction(
    "broken" as FunctionHash,
    encodeMsgpack({ kind: "source", name: "b", source: "nope(" }),
  );
  harness.executor.execute([broken]);
  assert(
    failure(await harness.outcome("b")).exceptionText.includes(`Cannot load function \\"b\\": SyntaxError`),
  );
});

Deno.test("ThreadExecutor fails the task that ended its thread, and runs the others on a new one", async (t) => {
  const ends: Readonly<Record<string, AnyFunction>> = {
    "Deno.exit": () => Deno.exit(3),
    "process.exit": () => process.exit(3),
  };
  for (const [name, end] of Object.entries(ends)) {
    await t.step(name, async () => {
      await using harness = await Harness.start();
      const batch = [
        harness.request(() => "before", [], { key: "before" }),
        harness.request(end, [], { key: "end" }),
        harness.request(() => "after", [], { key: "after" }),
      ];
      harness.executor.execute(batch);
      const outcome = failure(await harness.outcome("end"));
      assertEquals(decodeError(outcome.error).name, "ThreadEndedError");
      assertEquals(
        decodeError(outcome.error).message,
        `Cannot finish task "end": its thread ended (code 3): a task must not call Deno.exit, process.exit or close`,
      );
      for (const key of ["before", "after"]) {
        assertEquals(deserializeValue(success(await harness.outcome(key)).result), key);
      }
    });
  }
});

Deno.test("ThreadExecutor fails a task that runs out of memory alone", async () => {
  await using harness = await Harness.start({ heapMib: 32 });
  const hog = (n: number) => {
    const kept: unknown[] = [];
    for (let i = 0; i < n; i++) kept.push({ i, text: `text ${i}` });
    return kept.length;
  };
  const outcome = await harness.fail(hog, [1e9], { key: "hog" });
  assert(
    decodeError(outcome.error).message.includes("its thread ran out of memory (JavaScript heap of 32 MiB)"),
  );
  assertEquals(await harness.run(hog, [10]), 10);
});

Deno.test("ThreadExecutor fails an asynchronous task that runs out of memory after an await", async () => {
  await using harness = await Harness.start({ heapMib: 32 });
  const hog = async (n: number) => {
    await Promise.resolve();
    const kept: unknown[] = [];
    for (let i = 0; i < n; i++) kept.push({ i, text: `text ${i}` });
    return kept.length;
  };
  const outcome = await harness.fail(hog, [1e9], { key: "hog" });
  assert(
    decodeError(outcome.error).message.includes("its thread ran out of memory (JavaScript heap of 32 MiB)"),
  );
  assertEquals(await harness.run(hog, [10]), 10);
});

Deno.test("ThreadExecutor survives what a task leaves behind", async () => {
  await using harness = await Harness.start();
  const outcome = await harness.run(() => {
    setTimeout(() => {
      throw new Error("late");
    }, 0);
    Promise.reject(new Error("unhandled"));
    return 1;
  });
  assertEquals(outcome, 1);
  const threads = await harness.run(async () => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return 2;
  });
  assertEquals(threads, 2);
});
