import { assert, assertEquals } from "@std/assert";
import type { Address, Key } from "../../messages/common.ts";
import { A, ALICE, B, keys, SchedulerFixture, status } from "../../testing/scheduler_fixture.ts";
import { type GraphRowSpec, updateGraph } from "../../testing/scheduler_simulation.ts";
import type { SchedulerStateOptions } from "./machine.ts";
import { isRootish, isWorkerFull, occupancy } from "./placement.ts";
import type { TaskState } from "./task_state.ts";
import type { WorkerState } from "./worker_state.ts";

/** A worker's address; they sort as their numbers do. */
function address(i: number): Address {
  return `tls://10.0.1.1:${1000 + i}` as Address;
}

/** As many workers as numbers, with so many threads each. */
function cluster(nthreads: readonly number[], options: SchedulerStateOptions = {}): SchedulerFixture {
  const fixture = new SchedulerFixture(options);
  for (const [i, threads] of nthreads.entries()) fixture.addWorker(address(i), threads);
  return fixture;
}

function workerAt(fixture: SchedulerFixture, i: number): WorkerState {
  const ws = fixture.state.workers.get(address(i));
  assert(ws !== undefined);
  return ws;
}

function task(fixture: SchedulerFixture, key: string): TaskState {
  const ts = fixture.state.tasks.get(key as Key);
  assert(ts !== undefined, key);
  return ts;
}

/** Number of the worker that runs a task. */
function placeOf(fixture: SchedulerFixture, key: string): number | undefined {
  const at = task(fixture, key).processingOn?.address;
  return at === undefined ? undefined : Number(at.split(":").at(-1)) - 1000;
}

/** Tasks of one function. */
function alike(count: number, name: string, dependencies: readonly string[] = []): GraphRowSpec[] {
  return Array.from({ length: count }, (_, i) => [`${name}-${i}`, dependencies, name] as const);
}

/** Tasks of a function each, which are never root-ish. */
function unlike(count: number, name: string, dependencies: readonly string[] = []): GraphRowSpec[] {
  return Array.from({ length: count }, (_, i) => [`${name}${i}`, dependencies, `${name}${i}`] as const);
}

/** Has a worker run tasks of a function that take `seconds` each. */
function occupy(fixture: SchedulerFixture, i: number, name: string, count: number): void {
  fixture.client(ALICE, updateGraph(alike(count, name), { workers: [address(i)] }));
}

Deno.test("isRootish holds for tasks with many siblings and few inputs", () => {
  const rootish = (tasks: readonly GraphRowSpec[], key: string, workers?: readonly string[]): boolean => {
    const fixture = cluster([1, 1]);
    fixture.client(ALICE, updateGraph(tasks, workers === undefined ? {} : { workers }));
    return isRootish(task(fixture, key));
  };
  assertEquals(rootish(alike(4, "f"), "f-0"), false, "two for each thread are no more than they can take");
  assertEquals(rootish(alike(5, "f"), "f-0"), true);
  assertEquals(rootish(alike(5, "f"), "f-0", [address(0)]), false);
  const below = (
    inputs: readonly GraphRowSpec[],
  ) => [...inputs, ...alike(5, "f", inputs.map(([key]) => key))];
  assertEquals(rootish(below(unlike(4, "in")), "f-0"), true);
  assertEquals(rootish(below(unlike(5, "in")), "f-0"), false);
  assertEquals(rootish(below(alike(4, "in")), "f-0"), true);
  assertEquals(rootish(below(alike(5, "in")), "f-0"), false);
});

Deno.test("isWorkerFull follows Dask's rule where queues may take no time", () => {
  const given = (nthreads: number, workerSaturation: number): number | undefined => {
    const fixture = cluster([nthreads], { workerSaturation, workerQueueTime: 0 });
    fixture.client(ALICE, updateGraph(alike(100, "f")));
    return workerAt(fixture, 0).processing.size;
  };
  assertEquals([given(1, 1), given(1, 1.1), given(10, 1.1), given(3, 1.5)], [1, 2, 11, 5]);
  assertEquals([given(1, 0.1), given(4, 0.5)], [1, 2]);
  assertEquals(given(1, Infinity), 100);
});

Deno.test("isWorkerFull lets a worker have more short tasks, and no task that left its thread counts", () => {
  const fixture = cluster([1], { defaultTaskDurations: { f: 0.02 } });
  fixture.client(ALICE, updateGraph(alike(100, "f")));
  const ws = workerAt(fixture, 0);
  assertEquals([ws.processing.size, isWorkerFull(fixture.state.machine, ws)], [5, true]);
  const [first] = ws.processing;
  fixture.worker(address(0), {
    op: "long-running",
    key: first?.key ?? ("" as Key),
    run_id: first?.runId ?? 0,
    compute_duration: null,
    stimulus_id: "s",
  });
  assertEquals([ws.processing.size, ws.busy], [6, 5]);
});

Deno.test("Root-ish tasks go to the worker with the least load per thread", () => {
  const fixture = cluster([1, 3], { workerQueueTime: 0, workerSaturation: 4 });
  fixture.client(ALICE, updateGraph(alike(9, "f")));
  assertEquals([workerAt(fixture, 0).processing.size, workerAt(fixture, 1).processing.size], [3, 6]);
  const loaded = cluster([2, 2], { workerQueueTime: 0 });
  occupy(loaded, 0, "g", 2);
  loaded.client(ALICE, updateGraph(alike(9, "f")));
  assertEquals([workerAt(loaded, 0).processing.size, workerAt(loaded, 1).processing.size], [3, 3]);
});

Deno.test("Without queues, siblings follow each other to one worker, then to the next", () => {
  const fixture = cluster([1, 1], { workerSaturation: Infinity });
  fixture.client(ALICE, updateGraph(alike(8, "f")));
  const places = Array.from({ length: 8 }, (_, i) => placeOf(fixture, `f-${i}`));
  const order = [...fixture.state.tasks.values()].toSorted((a, b) => a.runId - b.runId);
  const inTurn = order.map(({ key }) => placeOf(fixture, key));
  assertEquals(new Set(inTurn.slice(0, 4)).size, 1);
  assertEquals(new Set(inTurn.slice(4)).size, 1);
  assertEquals([places.filter((at) => at === 0).length, places.filter((at) => at === 1).length], [4, 4]);
  assertEquals(task(fixture, "f-0").group.lastWorker, null, "the last one has no followers");
  const none = new SchedulerFixture({ workerSaturation: Infinity });
  none.client(ALICE, updateGraph(alike(8, "f")));
  assertEquals(none.stateOf("f-0"), "no-worker");
  none.addWorker(address(0));
  assertEquals(workerAt(none, 0).processing.size, 8);
});

Deno.test("Without queues, siblings leave a worker that pauses", () => {
  const fixture = cluster([1, 1], { workerSaturation: Infinity });
  fixture.client(ALICE, updateGraph([["go", [], "go"], ...alike(6, "f", ["go"])]));
  const paused = placeOf(fixture, "go") ?? 0;
  fixture.worker(address(paused), status("paused"));
  fixture.finish("go");
  assertEquals(workerAt(fixture, 1 - paused).processing.size, 6);
});

Deno.test("Idle workers without work take turns, and one with less work goes before others", () => {
  const fixture = cluster([1, 1, 1]);
  for (let i = 0; i < 3; i++) fixture.client(ALICE, updateGraph([[`t${i}`, [], `t${i}`]]));
  assertEquals([0, 1, 2].map((i) => placeOf(fixture, `t${i}`)), [0, 2, 1]);
  fixture.finish("t1");
  fixture.client(ALICE, updateGraph([["t3", [], "t3"]]));
  assertEquals(placeOf(fixture, "t3"), 2, "it alone is idle");
  const busy = cluster([1, 1], { defaultTaskDurations: { long: 10, short: 1 } });
  occupy(busy, 0, "long", 1);
  occupy(busy, 1, "short", 1);
  busy.client(ALICE, updateGraph([["next", [], "next"]]));
  assertEquals(placeOf(busy, "next"), 1);
});

Deno.test("Many workers take turns whatever they do, idle ones first", () => {
  const fixture = cluster(new Array(20).fill(1));
  const keysOf = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `t${from + i}`);
  for (const key of keysOf(0, 20)) fixture.client(ALICE, updateGraph([[key, [], key]]));
  assertEquals(keysOf(0, 20).map((key) => placeOf(fixture, key)), Array.from({ length: 20 }, (_, i) => i));
  for (const key of keysOf(20, 23)) fixture.client(ALICE, updateGraph([[key, [], key]]));
  assertEquals(keysOf(20, 23).map((key) => placeOf(fixture, key)), [0, 1, 2]);
  fixture.finish("t7");
  fixture.client(ALICE, updateGraph([["t23", [], "t23"]]));
  assertEquals(placeOf(fixture, "t23"), 7);
});

Deno.test("A task goes to a holder of its inputs, and among several where it begins first", () => {
  const fixture = cluster([1, 1, 1], { bandwidth: 1000, defaultTaskDurations: { long: 10 } });
  for (const [key, at] of [["small", 0], ["large", 1]] as const) {
    fixture.client(ALICE, updateGraph([[key, [], key]], { workers: [address(at)] }));
  }
  fixture.finish("small", 100, 0);
  fixture.finish("large", 1000, 0);
  fixture.client(ALICE, updateGraph([["one", ["small"], "one"]]));
  assertEquals(placeOf(fixture, "one"), 0);
  fixture.client(ALICE, updateGraph([["both", ["small", "large"], "both"]]));
  assertEquals(placeOf(fixture, "both"), 1, "less is to be fetched");
  occupy(fixture, 1, "long", 1);
  fixture.client(ALICE, updateGraph([["again", ["small", "large"], "again"]]));
  assertEquals(placeOf(fixture, "again"), 0, "the other is busy for longer than the fetch takes");
  fixture.client(ALICE, updateGraph([["named", ["small"], "named"]], { workers: [address(2)] }));
  assertEquals(placeOf(fixture, "named"), 2, "a restriction counts more");
});

Deno.test("Among workers that begin a task at the same time the one that holds least gets it", () => {
  const fixture = cluster([1, 1, 1]);
  for (const [i, nbytes] of [300, 100, 200].entries()) {
    fixture.client(ALICE, updateGraph([[`ballast${i}`, [], `b${i}`]], { workers: [address(i)] }));
    fixture.finish(`ballast${i}`, nbytes, 0);
  }
  const any = { workers: [0, 1, 2].map(address) };
  fixture.client(ALICE, updateGraph([["x", [], "x"]], any));
  assertEquals(placeOf(fixture, "x"), 1);
});

Deno.test("A restriction to workers that do not run waits, a loose one does not", () => {
  const fixture = cluster([1, 1]);
  fixture.worker(address(1), status("paused"));
  fixture.client(ALICE, updateGraph([["strict"]], { workers: [address(1)] }));
  const loose = { workers: [address(1)], allow_other_workers: true };
  fixture.client(ALICE, updateGraph([["in"]]));
  fixture.finish("in");
  fixture.client(ALICE, updateGraph([["loose", ["in"], "g"]], loose));
  assertEquals([fixture.stateOf("strict"), placeOf(fixture, "loose")], ["no-worker", 0]);
});

Deno.test("Workers are idle, busy or saturated by their work beside that of the others", () => {
  const durations = { defaultTaskDurations: { long: 10, short: 0.1 } };
  const sorted = (fixture: SchedulerFixture) => {
    const [pool] = fixture.state.machine.pools;
    const numbers = (set: Iterable<WorkerState> = []) =>
      [...set].map((ws) => Number(ws.address.split(":").at(-1)) - 1000).toSorted();
    return [numbers(pool?.idle), numbers(pool?.saturated)];
  };
  const lone = cluster([1], durations);
  occupy(lone, 0, "long", 1);
  assertEquals(sorted(lone), [[], []], "a busy one is not idle");
  const four = cluster([1, 1, 1, 1], durations);
  occupy(four, 0, "long", 2);
  assertEquals(sorted(four), [[1, 2, 3], [0]], "it has 10 s too much, and the average is 5 s");
  const three = cluster([1, 1, 1], durations);
  occupy(three, 0, "long", 2);
  assertEquals(sorted(three), [[1, 2], []], "the average is almost 7 s");
  occupy(three, 1, "short", 1);
  assertEquals(sorted(three), [[1, 2], []], "with a short task it is as good as idle");
  const small = cluster([1, 1, 1, 1], durations);
  occupy(small, 0, "short", 4);
  assertEquals(sorted(small), [[1, 2, 3], []], "0.3 s are not worth a thought");
  occupy(small, 0, "more-short", 2);
  assertEquals(sorted(small)[1], [0]);
  const wide = cluster([2, 1], durations);
  occupy(wide, 0, "long", 2);
  assertEquals(sorted(wide), [[1], []], "a task for each thread is none too many");
  assertEquals(occupancy(wide.state.machine, workerAt(wide, 0)), 20);
});

Deno.test("Queued tasks are sent as soon as there is room, the most urgent first", () => {
  const fixture = cluster([1], { workerQueueTime: 0, workerSaturation: 1 });
  fixture.client(ALICE, updateGraph(alike(3, "f")));
  fixture.client(ALICE, updateGraph(alike(3, "u"), { priority: 5 }));
  assertEquals(fixture.state.queuedCount, 5);
  const ran: string[] = [];
  for (let i = 0; i < 6; i++) {
    const [running] = workerAt(fixture, 0).processing;
    ran.push(running?.key ?? "none");
    fixture.finish(running?.key ?? "");
  }
  assertEquals(ran, ["f-0", "u-0", "u-1", "u-2", "f-1", "f-2"]);
  assertEquals([fixture.state.queuedCount, fixture.state.isIdle], [0, true]);
});

Deno.test("A fetch counts as work, by the bandwidth between workers", () => {
  const fixture = new SchedulerFixture({ bandwidth: 100 });
  fixture.addWorker(A);
  fixture.addWorker(B);
  fixture.client(ALICE, updateGraph([["x"]], { workers: [A] }));
  fixture.finish("x", 1000, 0);
  fixture.client(ALICE, updateGraph([["y", ["x"], "g"]], { workers: [B] }));
  assertEquals(fixture.state.totalOccupancy, 10.5);
  fixture.client(ALICE, { op: "client-releases-keys", keys: keys("y") });
  assertEquals(fixture.state.totalOccupancy, 0);
});
