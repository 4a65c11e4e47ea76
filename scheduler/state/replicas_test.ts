import { assert, assertEquals } from "@std/assert";
import type { Key } from "../../messages/common.ts";
import { A, ALICE, B, keys, SchedulerFixture } from "../../testing/scheduler_fixture.ts";
import { updateGraph } from "../../testing/scheduler_simulation.ts";

/** x of 100 bytes on A; y and z, which take it, on B. */
function fetching(): SchedulerFixture {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A, 2);
  fixture.addWorker(B, 2);
  fixture.client(ALICE, updateGraph([["x"]], { workers: [A] }));
  fixture.finish("x", 100);
  fixture.client(ALICE, updateGraph([["y", ["x"], "g"], ["z", ["x"], "g"]], { workers: [B] }));
  return fixture;
}

function accounts(fixture: SchedulerFixture): readonly unknown[] {
  const ws = fixture.state.workers.get(B);
  const ts = fixture.state.tasks.get("x" as Key);
  assert(ws !== undefined && ts !== undefined);
  return [ws.needsWhat.get(ts), ws.networkBytes, ws.pool.networkBytes];
}

Deno.test("What a worker must fetch counts once, however many of its tasks need it", () => {
  const fixture = fetching();
  assertEquals(accounts(fixture), [2, 100, 100]);
  fixture.client(ALICE, { op: "client-releases-keys", keys: keys("y") });
  assertEquals(accounts(fixture), [1, 100, 100]);
  fixture.client(ALICE, { op: "client-releases-keys", keys: keys("z") });
  assertEquals(accounts(fixture), [undefined, 0, 0]);
});

Deno.test("What a worker has fetched it need not fetch, until it drops it", () => {
  const fixture = fetching();
  fixture.worker(B, { op: "add-keys", keys: keys("x"), stimulus_id: "fetched" });
  assertEquals(accounts(fixture), [undefined, 0, 0]);
  fixture.finish("y");
  fixture.worker(B, { op: "release-worker-data", key: "x" as Key, stimulus_id: "dropped" });
  assertEquals(accounts(fixture), [1, 100, 100], "z still needs it");
  fixture.finish("z");
  assertEquals(accounts(fixture), [undefined, 0, 0]);
});

Deno.test("Work counts for its worker and its pool while a thread is busy with it", () => {
  const fixture = fetching();
  const { machine } = fixture.state;
  const [pool] = machine.pools;
  const busy = () => [...pool?.activePrefixes ?? []].map(({ name, processing }) => [name, processing]);
  assertEquals(busy(), [["y", 2]]);
  const ws = fixture.state.workers.get(B);
  assertEquals([...ws?.prefixCounts.values() ?? []], [2]);
  assertEquals(fixture.state.totalOccupancy, 2 * 0.5 + 100 / machine.bandwidth);
  fixture.finish("y", 8, 3);
  assertEquals([...ws?.prefixCounts.values() ?? []], [1]);
  assertEquals(fixture.state.totalOccupancy, 3 + 100 / machine.bandwidth);
  fixture.removeWorker(B);
  assertEquals(fixture.state.totalOccupancy, 0);
  assertEquals(busy(), []);
});

Deno.test("A worker whose task's inputs exceed its memory is not sent the task, which fails", () => {
  const fixture = new SchedulerFixture({ encodeError: ({ name, message }) => `${name}: ${message}` });
  const limit = (memory_limit: number) => ({
    address: A,
    status: "running" as const,
    nthreads: 1,
    name: A,
    memory_limit,
  });
  fixture.state.addWorker(limit(100), fixture.now++);
  fixture.client(ALICE, updateGraph([["x"], ["y"], ["fits", ["x"]], ["not", ["x", "y"]]]));
  fixture.finish("x", 60);
  fixture.finish("y", 41);
  assertEquals([fixture.stateOf("fits"), fixture.stateOf("not")], ["processing", "erred"]);
  assertEquals(
    fixture.state.tasks.get("not" as Key)?.failure?.exception,
    `MemoryError: Cannot run task "not": its inputs take 101 bytes, and worker ${A} has a memory limit of ` +
      "100 bytes. Pass smaller pieces to it, or raise the limit",
  );
});
