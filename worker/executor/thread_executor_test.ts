import { assert, assertEquals, assertRejects } from "@std/assert";
import { functionBody } from "../../client/function_source.ts";
import type { FunctionHash, Key } from "../../messages/common.ts";
import type { Reference } from "../../messages/run_spec.ts";
import { encodeMsgpack } from "../../protocol/msgpack.ts";
import { decodeError } from "../../protocol/remote_error.ts";
import { deserializeValue, serializeArguments, serializeValue } from "../../protocol/values.ts";
import type { ExecutionFailure, ExecutionOutcome, ExecutionRequest, ExecutionSuccess } from "./executor.ts";
import { ThreadEndedError, ThreadExecutor, type ThreadExecutorOptions } from "./thread_executor.ts";

type AnyFunction = (...args: never[]) => unknown;

interface Given {
  readonly key?: string;
  readonly references?: readonly (readonly [string, ...(string | number)[]])[];
  readonly results?: Readonly<Record<string, unknown>>;
}

/** A real executor, and the outcomes of its tasks by key. */
class Harness implements AsyncDisposable {
  readonly executor: ThreadExecutor;
  /** Sizes of the batches that outcomes came in. */
  readonly batches: number[];
  readonly #outcomes: Map<string, ExecutionOutcome>;
  readonly #waiting: Map<string, (outcome: ExecutionOutcome) => void>;
  #runId = 0;

  private constructor(
    executor: ThreadExecutor,
    batches: number[],
    outcomes: Map<string, ExecutionOutcome>,
    waiting: Map<string, (outcome: ExecutionOutcome) => void>,
  ) {
    this.executor = executor;
    this.batches = batches;
    this.#outcomes = outcomes;
    this.#waiting = waiting;
  }

  static async start(options: Partial<ThreadExecutorOptions> = {}): Promise<Harness> {
    const batches: number[] = [];
    const outcomes = new Map<string, ExecutionOutcome>();
    const waiting = new Map<string, (outcome: ExecutionOutcome) => void>();
    const executor = await ThreadExecutor.start({
      nthreads: 1,
      ...options,
      onOutcomes: (batch) => {
        batches.push(batch.length);
        for (const outcome of batch) {
          outcomes.set(outcome.key, outcome);
          waiting.get(outcome.key)?.(outcome);
        }
      },
    });
    return new Harness(executor, batches, outcomes, waiting);
  }

  request(fn: AnyFunction, args: readonly unknown[], given: Given = {}): ExecutionRequest {
    const { hash, body } = functionBody(fn);
    this.executor.addFunction(hash, body);
    const runId = ++this.#runId;
    return {
      key: (given.key ?? `task-${runId}`) as Key,
      runId,
      functionHash: hash,
      args: serializeArguments(args),
      references: (given.references ?? []) as unknown as readonly Reference[],
      dependencies: Object.entries(given.results ?? {}).map((
        [key, value],
      ) => [key as Key, serializeValue(value)]),
    };
  }

  /** The outcome of a task, once it is there. */
  outcome(key: string): Promise<ExecutionOutcome> {
    const known = this.#outcomes.get(key);
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve) => this.#waiting.set(key, resolve));
  }

  has(key: string): boolean {
    return this.#outcomes.has(key);
  }

  async run(fn: AnyFunction, args: readonly unknown[] = [], given: Given = {}): Promise<unknown> {
    const request = this.request(fn, args, given);
    this.executor.execute([request]);
    return deserializeValue(success(await this.outcome(request.key)).result);
  }

  async fail(fn: AnyFunction, args: readonly unknown[] = [], given: Given = {}): Promise<ExecutionFailure> {
    const request = this.request(fn, args, given);
    this.executor.execute([request]);
    return failure(await this.outcome(request.key));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.executor.close();
  }
}

function success(outcome: ExecutionOutcome): ExecutionSuccess {
  assert(outcome.kind === "success", outcome.kind === "failure" ? outcome.tracebackText : "");
  return outcome;
}

function failure(outcome: ExecutionOutcome): ExecutionFailure {
  assert(outcome.kind === "failure", `task "${outcome.key}" did not fail`);
  return outcome;
}

/** Tasks and tests wait for each other by a file that has text in it. */
const waitForFile = async (path: string): Promise<string> => {
  for (;;) {
    const text = await Deno.readTextFile(path).catch(() => "");
    if (text !== "") return text;
    await new Promise((resolve) => setImmediate(resolve));
  }
};

Deno.test("ThreadExecutor runs functions on values of every family", async () => {
  await using harness = await Harness.start();
  assertEquals(await harness.run((x: number) => x + 1, [41]), 42);
  assertEquals(await harness.run((x: unknown) => x, [{ a: [1, "é", null, true] }]), {
    a: [1, "é", null, true],
  });
  assertEquals(
    await harness.run((x: Uint8Array) => x.map((y) => y + 1), [new Uint8Array([1, 2])]),
    new Uint8Array([2, 3]),
  );
  assertEquals(
    await harness.run((n: number) => new Float64Array(n).fill(0.5), [3]),
    new Float64Array([0.5, 0.5, 0.5]),
  );
  assertEquals(
    await harness.run((m: Map<string, Date>) => m, [new Map([["d", new Date(5)]])]),
    new Map([["d", new Date(5)]]),
  );
  assertEquals(await harness.run(() => undefined), undefined);
  assertEquals(await harness.run(() => -0), -0);
  assertEquals(await harness.run(async () => typeof (await import("node:os")).EOL), "string");
});

Deno.test("ThreadExecutor reports key, run id, type, times and thread", async () => {
  await using harness = await Harness.start();
  const before = performance.timeOrigin + performance.now();
  const request = harness.request(() => new Float64Array(2), [], { key: "k" });
  harness.executor.execute([request]);
  const outcome = success(await harness.outcome("k"));
  const after = performance.timeOrigin + performance.now();
  assertEquals([outcome.key as string, outcome.runId, outcome.thread], ["k", request.runId, 1]);
  assertEquals(outcome.typename, "Float64Array");
  assertEquals(outcome.result.nbytes, 16);
  const slack = 100; // clocks of threads begin apart
  assert(
    before - slack <= outcome.start * 1000 && outcome.start <= outcome.stop,
    `${before} ${outcome.start}`,
  );
  assert(outcome.stop * 1000 <= after + slack);
});

Deno.test("ThreadExecutor hands large frames over unharmed, both ways", async () => {
  await using harness = await Harness.start();
  const given = new Uint8Array(1 << 20).map((_, i) => i % 251);
  const request = harness.request(
    (x: Uint8Array, y: Uint8Array) => [x.length, x[1000], y.buffer.byteLength],
    [null, null],
    {
      key: "large",
      references: [["a", 0], ["b", 1]],
      results: { a: given, b: new Uint8Array(3) },
    },
  );
  harness.executor.execute([request]);
  assertEquals(deserializeValue(success(await harness.outcome("large")).result), [1 << 20, 1000 % 251, 3]);
  assertEquals(request.dependencies[0]?.[1].nbytes, 1 << 20, "the frames stay with the main thread");
  assertEquals(
    await harness.run((x: unknown) => x, [null], { references: [["a", 0]], results: { a: given } }),
    given,
  );
});

Deno.test("ThreadExecutor places results in arguments, arrays, objects and Maps", async () => {
  await using harness = await Harness.start();
  const result = await harness.run((...args: unknown[]) => args, [
    null,
    [1, null],
    { p: { q: null } },
    new Map([["k", null]]),
  ], {
    references: [["a", 0], ["b", 1, 1], ["a", 2, "p", "q"], ["b", 3, 0]],
    results: { a: 7, b: "text" },
  });
  assertEquals(result, [7, [1, "text"], { p: { q: 7 } }, new Map([["k", "text"]])]);
});

Deno.test("ThreadExecutor gives each task its own copy of a shared dependency", async () => {
  await using harness = await Harness.start();
  const value = serializeValue(new Uint8Array([1, 2, 3]));
  const fill = (x: Uint8Array) => [...x, x.fill(9).length];
  const batch = [1, 2, 3].map((i) => ({
    ...harness.request(fill, [null], { key: `fill-${i}`, references: [["d", 0]] }),
    dependencies: [["d" as Key, value] as const],
  }));
  harness.executor.execute(batch);
  for (const { key } of batch) {
    assertEquals(deserializeValue(success(await harness.outcome(key)).result), [1, 2, 3, 3]);
  }
});

Deno.test("ThreadExecutor awaits asynchronous tasks, one at a time per thread", async () => {
  await using harness = await Harness.start();
  const enter = async () => {
    const state = globalThis as unknown as { inside?: number };
    state.inside = (state.inside ?? 0) + 1;
    const inside = state.inside;
    await new Promise((resolve) => setTimeout(resolve, 1));
    state.inside--;
    return inside;
  };
  const batch = Array.from({ length: 5 }, (_, i) => harness.request(enter, [], { key: `enter-${i}` }));
  harness.executor.execute(batch);
  for (const { key } of batch) assertEquals(deserializeValue(success(await harness.outcome(key)).result), 1);
});

Deno.test("ThreadExecutor runs as many tasks at a time as it has threads", async () => {
  await using harness = await Harness.start({ nthreads: 2 });
  const path = await Deno.makeTempFile();
  await Deno.remove(path);
  // The first task ends only if the second runs beside it.
  const wait = harness.request(waitForFile, [path], { key: "wait" });
  const write = harness.request(async (file: string) => await Deno.writeTextFile(file, "seen"), [path], {
    key: "write",
  });
  harness.executor.execute([wait, write]);
  const waited = success(await harness.outcome("wait"));
  assertEquals(deserializeValue(waited.result), "seen");
  assert(waited.thread !== success(await harness.outcome("write")).thread);
  await Deno.remove(path);
});

Deno.test("ThreadExecutor gives what waits behind a long task to an idle thread", async () => {
  await using harness = await Harness.start({ nthreads: 2 });
  const path = await Deno.makeTempFile();
  await Deno.remove(path);
  const long = harness.request(waitForFile, [path], { key: "long" });
  const short = Array.from(
    { length: 9 },
    (_, i) => harness.request((x: number) => x, [i], { key: `short-${i}` }),
  );
  harness.executor.execute([long, ...short]);
  for (const { key } of short) success(await harness.outcome(key));
  assert(!harness.has("long"));
  await Deno.writeTextFile(path, "go");
  success(await harness.outcome("long"));
  await Deno.remove(path);
});

Deno.test("ThreadExecutor runs every task of a batch that is larger than its slots", async () => {
  await using harness = await Harness.start();
  const batch = Array.from(
    { length: 10_000 },
    (_, i) => harness.request((x: number) => x * 2, [i], { key: `t-${i}` }),
  );
  harness.executor.execute(batch);
  await harness.outcome("t-9999");
  for (let i = 0; i < batch.length; i += 999) {
    assertEquals(deserializeValue(success(await harness.outcome(`t-${i}`)).result), i * 2);
  }
  assert(harness.batches.length < 5000, `outcomes came in ${harness.batches.length} batches`);
});

Deno.test("ThreadExecutor reports an outcome before a long synchronous task begins", async () => {
  await using harness = await Harness.start();
  const path = await Deno.makeTempFile();
  await Deno.remove(path);
  const quick = (x: number) => x;
  const blocks = (file: string) => {
    for (;;) {
      try {
        if (Deno.readTextFileSync(file) !== "") return;
      } catch {
        // not there yet
      }
    }
  };
  await harness.run(quick, [0]); // from now on it is known to be quick
  harness.executor.execute([
    harness.request(quick, [1], { key: "quick" }),
    harness.request(blocks, [path], { key: "blocks" }),
  ]);
  success(await harness.outcome("quick"));
  assert(!harness.has("blocks"));
  await Deno.writeTextFile(path, "go");
  success(await harness.outcome("blocks"));
  await Deno.remove(path);
});

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

Deno.test("ThreadExecutor forgets a removed function, after the tasks that it had before", async () => {
  await using harness = await Harness.start();
  const fn = (x: number) => x + 1000;
  const before = harness.request(fn, [1], { key: "before" });
  harness.executor.execute([before]);
  harness.executor.removeFunction(before.functionHash);
  assertEquals(deserializeValue(success(await harness.outcome("before")).result), 1001);
  harness.executor.execute([{ ...before, key: "after" as Key }]);
  assert(failure(await harness.outcome("after")).exceptionText.includes("was not given its function"));
  assertEquals(await harness.run(fn, [2]), 1002, "a body that comes again is taken");
});

Deno.test("ThreadExecutor takes back a request that has not begun, and no other", async () => {
  await using harness = await Harness.start();
  const path = await Deno.makeTempFile();
  await Deno.remove(path);
  const first = harness.request(waitForFile, [path], { key: "first" });
  const second = harness.request((file: string) => Deno.writeTextFile(file, "ran"), [`${path}.2`], {
    key: "second",
  });
  const third = harness.request(() => 3, [], { key: "third" });
  harness.executor.execute([harness.request(() => 0, [], { key: "zeroth" }), first, second, third]);
  await harness.outcome("zeroth");
  // The first waits for the file, so the second has not begun.
  assert(harness.executor.withdraw("second" as Key));
  assert(!harness.executor.withdraw("second" as Key), "once");
  await Deno.writeTextFile(path, "go");
  success(await harness.outcome("first"));
  assert(!harness.executor.withdraw("first" as Key), "it has ended");
  success(await harness.outcome("third"));
  assert(!harness.has("second"));
  await assertRejects(() => Deno.stat(`${path}.2`), Deno.errors.NotFound);
  assertEquals(await harness.run(() => 4, [], { key: "second" }), 4, "its key can come again");
  await Deno.remove(path);
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

Deno.test("ThreadExecutor closes twice, without outcomes of what had not ended", async () => {
  const harness = await Harness.start();
  harness.executor.execute([
    harness.request(async () => await new Promise<void>(() => {}), [], { key: "never" }),
  ]);
  await Promise.all([harness.executor.close(), harness.executor.close()]);
  harness.executor.execute([harness.request(() => 1, [], { key: "late" })]);
  assert(!harness.has("never") && !harness.has("late"));
  assertEquals(harness.executor.stuckThreads, 0);
});

Deno.test("ThreadExecutor counts a thread that a synchronous call keeps from ending", async () => {
  const harness = await Harness.start({ closeGraceMs: 20 });
  const path = await Deno.makeTempFile();
  await Deno.remove(path);
  const spin = (file: string) => {
    Deno.writeTextFileSync(file, "begun");
    const end = Date.now() + 1500; // longer than the grace, not for ever: nothing can stop it
    while (Date.now() < end);
  };
  harness.executor.execute([harness.request(spin, [path], { key: "spin" })]);
  await waitForFile(path);
  await harness.executor.close();
  assertEquals(harness.executor.stuckThreads, 1);
  await Deno.remove(path);
});

Deno.test("ThreadExecutor.start fails if its entry can't be loaded", async () => {
  const error = await assertRejects(
    () =>
      ThreadExecutor.start({ nthreads: 1, onOutcomes: () => {}, entry: import.meta.resolve("./missing.ts") }),
    ThreadEndedError,
  );
  assert(error.message.startsWith("Cannot start an executor thread: "), error.message);
});

Deno.test("ThreadExecutor.start refuses a number of threads that is none", async () => {
  for (const nthreads of [0, -1, 1.5, NaN]) {
    await assertRejects(() => ThreadExecutor.start({ nthreads, onOutcomes: () => {} }), RangeError);
  }
});

Deno.test("ThreadExecutor starts its threads from a remote URL", async () => {
  const root = new URL("../../", import.meta.url);
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const path = new URL(request.url).pathname.slice(1);
    const source = await Deno.readTextFile(new URL(path, root));
    return new Response(source, { headers: { "content-type": "application/typescript" } });
  });
  const entry = `http://127.0.0.1:${server.addr.port}/worker/executor/entry.ts`;
  await using harness = await Harness.start({ entry });
  assertEquals(await harness.run((x: number) => x + 1, [1]), 2);
});
