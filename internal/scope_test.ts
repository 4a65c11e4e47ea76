import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { Scope } from "./scope.ts";

/** Ends when its signal is aborted, by throwing its reason. */
function untilAborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  if (signal.aborted) reject(signal.reason);
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  return promise;
}

Deno.test("Scope knows what runs and waits for it, also for what is added meanwhile", async () => {
  const group = new Scope();
  const order: string[] = [];
  group.add(async () => {
    await Promise.resolve();
    order.push("first");
    group.add(async () => {
      await Promise.resolve();
      order.push("second");
    });
  });
  assertEquals(group.size, 1);
  await group.idle();
  assertEquals([order, group.size], [["first", "second"], 0]);
});

Deno.test("Scope reports failures, keeps the first, and lets the others run", async () => {
  const errors: unknown[] = [];
  const group = new Scope({ onError: (error) => errors.push(error) });
  const first = new Error("first");
  const second = new Error("second");
  let finished = false;
  group.add(() => Promise.reject(first));
  group.add(async () => {
    await Promise.resolve();
    throw second;
  });
  group.add(async () => {
    for (let i = 0; i < 10; i++) await Promise.resolve();
    finished = true;
  });
  await group.idle();
  assertEquals(errors, [first, second]);
  assertStrictEquals(group.firstFailure, first);
  assert(group.failed && finished);
  assert(!group.signal.aborted);
});

Deno.test("Scope reports a task that throws before its first wait", async () => {
  const errors: unknown[] = [];
  const group = new Scope({ onError: (error) => errors.push(error) });
  group.add(() => {
    throw new Error("at once");
  });
  await group.idle();
  assertEquals(errors.length, 1);
});

Deno.test("Scope close aborts, waits, and does not take its own end for a failure", async () => {
  const errors: unknown[] = [];
  const group = new Scope({ onError: (error) => errors.push(error) });
  let cleaned = false;
  group.add(async (signal) => {
    try {
      await untilAborted(signal);
    } finally {
      await Promise.resolve();
      cleaned = true;
    }
  });
  await group.close();
  await group.close();
  assert(cleaned && !group.failed);
  assertEquals(errors, []);
});

Deno.test("Scope takes nothing after its end", async () => {
  const group = new Scope();
  group.abort();
  let started = false;
  const added = group.add(() => {
    started = true;
    return Promise.resolve();
  });
  assertEquals([added, started, group.size], [false, false, 0]);
  await group.close();
});

Deno.test("Scope ends with its parent's signal, with the same reason", async () => {
  const parent = new AbortController();
  const group = new Scope({ signal: parent.signal });
  let reason: unknown;
  group.add((signal) => untilAborted(signal).catch((error) => reason = error));
  parent.abort("over");
  await group.idle();
  assertEquals(reason, "over");
  const late = new Scope({ signal: parent.signal });
  assert(late.signal.aborted);
});

Deno.test("Scope is closed by leaving its scope", async () => {
  let ended = false;
  {
    await using group = new Scope();
    group.add((signal) => untilAborted(signal).catch(() => ended = true));
  }
  assert(ended);
});
