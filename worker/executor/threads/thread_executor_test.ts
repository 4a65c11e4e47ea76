import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Key } from "../../../messages/common.ts";
import { deserializeValue, serializeValue } from "../../../protocol/values.ts";
import { failure, Harness, success, waitForFile } from "../../../testing/executor_harness.ts";
import { SLOTS } from "../inside/packing.ts";
import { ThreadEndedError, ThreadExecutor } from "./thread_executor.ts";

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
  const beginAndWait = async (file: string) => {
    await Deno.writeTextFile(`${file}.1`, "begun");
    while (await Deno.readTextFile(file).catch(() => "") === "");
  };
  const first = harness.request(beginAndWait, [path], { key: "first" });
  const second = harness.request((file: string) => Deno.writeTextFile(file, "ran"), [`${path}.2`], {
    key: "second",
  });
  const third = harness.request(() => 3, [], { key: "third" });
  harness.executor.execute([first, second, third]);
  await waitForFile(`${path}.1`);
  // The first waits for the other file, so the second has not begun.
  harness.executor.withdraw(["first" as Key, "second" as Key]);
  harness.executor.withdraw(["second" as Key]);
  assert(!harness.has("second"), "it is told later");
  assertEquals(await harness.outcome("second"), { kind: "withdrawn", key: second.key, runId: second.runId });
  await Deno.writeTextFile(path, "go");
  success(await harness.outcome("first"));
  harness.executor.withdraw(["first" as Key]);
  success(await harness.outcome("third"));
  assertEquals(harness.batches.reduce((sum, size) => sum + size), 3, "each has one outcome");
  await assertRejects(() => Deno.stat(`${path}.2`), Deno.errors.NotFound);
  assertEquals(await harness.run(() => 4, [], { key: "second" }), 4, "its key can come again");
  await Deno.remove(path);
  await Deno.remove(`${path}.1`);
});

Deno.test("ThreadExecutor takes back requests that no thread has room for, all in one batch", async () => {
  await using harness = await Harness.start();
  const path = await Deno.makeTempFile();
  await Deno.remove(path);
  const first = harness.request(waitForFile, [path], { key: "first" });
  const others = Array.from({ length: SLOTS + 1 }, (_, i) => ({ ...first, key: `other-${i}` as Key }));
  harness.executor.execute([first, ...others]);
  const last = others.slice(-2).map(({ key }) => key);
  harness.executor.withdraw(last);
  for (const key of last) assertEquals((await harness.outcome(key)).kind, "withdrawn");
  assertEquals(harness.batches, [2]);
  await Deno.writeTextFile(path, "go");
  for (const { key } of others.slice(0, -2)) success(await harness.outcome(key));
  await Deno.remove(path);
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

Deno.test("ThreadExecutor runs from a remote URL, with net and read alone", async () => {
  const root = new URL("../../../", import.meta.url);
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const source = await Deno.readTextFile(new URL(new URL(request.url).pathname.slice(1), root));
    return new Response(source, { headers: { "content-type": "application/typescript" } });
  });
  const host = `127.0.0.1:${server.addr.port}`;
  const program = `
    import { ThreadExecutor } from "http://${host}/worker/executor/threads/thread_executor.ts";
    import { encodeMsgpack } from "http://${host}/protocol/msgpack.ts";
    import { deserializeValue, serializeArguments } from "http://${host}/protocol/values.ts";
    const { promise, resolve } = Promise.withResolvers();
    await using executor = await ThreadExecutor.start({ nthreads: 1, onOutcomes: resolve });
    executor.addFunction("f", encodeMsgpack({ kind: "source", name: "f", source: "(x) => x + 1" }));
    const args = serializeArguments([41]);
    executor.execute([{ key: "k", runId: 1, functionHash: "f", args, references: [], dependencies: [] }]);
    const [outcome] = await promise;
    console.log(deserializeValue(outcome.result));`;
  const cache = await Deno.makeTempDir();
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--quiet", "--no-prompt", "--no-config", "--no-lock", "--allow-net", "--allow-read"],
      ...[`--allow-import=${host}`, `data:text/javascript,${encodeURIComponent(program)}`],
    ],
    env: { DENO_DIR: cache },
  }).output();
  await Deno.remove(cache, { recursive: true });
  assertEquals([code, new TextDecoder().decode(stdout)], [0, "42\n"], new TextDecoder().decode(stderr));
});
