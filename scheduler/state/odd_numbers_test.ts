/** Numbers of peers that can't be true: they must not spoil the sums that decide where tasks of others go. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseClientStreamMessage } from "../../messages/client_scheduler.ts";
import type { Address, Key } from "../../messages/common.ts";
import { MessageError } from "../../messages/common.ts";
import { parseWorkerStreamMessage, type WorkerStreamMessage } from "../../messages/worker_scheduler.ts";
import { A, ALICE, B, METRICS, SchedulerFixture } from "../../testing/scheduler_fixture.ts";
import { SchedulerDriver } from "../../testing/scheduler_driver.ts";
import { type GraphRowSpec, taskFinished, updateGraph } from "../../testing/scheduler_simulation.ts";

for (const odd of [NaN, Infinity, -Infinity, 1e300, -1]) {
  Deno.test(`SchedulerState goes on with what it knew when a worker says that a task took ${odd} seconds`, () => {
    const fixture = new SchedulerFixture();
    fixture.addWorker(A, 2);
    fixture.addWorker(B, 2);
    fixture.client(ALICE, updateGraph(Array.from({ length: 20 }, (_, i) => [`x-${i}`, [], "f"] as const)));
    fixture.finish("x-0", 8, 2);
    const [key] = fixture.state.workers.get(A)?.processing ?? [];
    assert(key !== undefined);
    const message = {
      ...taskFinished(key.key, key.runId),
      startstops: [{ action: "compute", start: 0, stop: odd }],
    };
    fixture.state.handleWorkerMessage(A, message as WorkerStreamMessage, fixture.now++);
    fixture.state.heartbeat(A, METRICS, { "x-1": odd, "x-2": odd }, fixture.now++);
    const { totalOccupancy } = fixture.state;
    assert(totalOccupancy >= 0 && totalOccupancy < 1e12, String(totalOccupancy));
  });

  Deno.test(`SchedulerState takes no worker's bandwidth for ${odd}`, () => {
    const fixture = new SchedulerFixture();
    fixture.addWorker(A);
    fixture.addWorker(B);
    fixture.client(ALICE, updateGraph([["x"], ["y"]]));
    fixture.finish("x", 1_000_000);
    fixture.finish("y", 1_000_000);
    const metrics = { ...METRICS, bandwidth: { ...METRICS.bandwidth, total: odd } };
    for (let i = 0; i < 100; i++) fixture.state.heartbeat(A, metrics, {}, fixture.now++);
    fixture.state.handleClientMessage(ALICE, updateGraph([["z", ["x", "y"]]]), fixture.now++);
    const { totalOccupancy } = fixture.state;
    assert(totalOccupancy > 0.01 && totalOccupancy < 0.1, `${totalOccupancy}: a transfer takes 10 ms`);
  });
}

Deno.test("SchedulerState takes nothing but numbers for a worker's bandwidth", () => {
  const { state } = new SchedulerFixture();
  state.addWorker({ address: A, status: "running", nthreads: 1, name: "a", memory_limit: null }, 1);
  const before = state.machine.bandwidth;
  for (const odd of [{ valueOf: 1, toString: 1 }, Object.create(null), [5], "5", 5n, null]) {
    const bandwidth = { ...METRICS.bandwidth, total: odd as unknown as number };
    assertEquals(state.heartbeat(A, { ...METRICS, bandwidth }, {}, 2).status, "OK");
  }
  assertEquals(state.machine.bandwidth, before);
});

Deno.test("parseWorkerStreamMessage and parseClientStreamMessage refuse sizes that no result has", () => {
  for (const nbytes of [NaN, Infinity, 1e300, 0.5, 2 ** 50, -2]) {
    const finished = { ...taskFinished("x", 1), nbytes };
    assertThrows(() => parseWorkerStreamMessage(finished), MessageError, "nbytes");
    const data = { op: "update-data", who_has: { x: [A] }, nbytes: { x: nbytes }, client: "c" };
    assertThrows(() => parseClientStreamMessage(data), MessageError, "size");
  }
  for (const nbytes of [0, 1, 2 ** 43]) parseWorkerStreamMessage({ ...taskFinished("x", 1), nbytes });
  const state = new SchedulerFixture().state;
  assertEquals(state.tasks.get("x" as Key), undefined);
});

Deno.test("SchedulerState goes on when results are said to be larger together than numbers are exact", () => {
  const state = new SchedulerDriver();
  let now = 1000;
  const holder = "tls://10.0.0.3:1003" as Address;
  state.addClient(ALICE, now++);
  for (const address of [A, B, holder]) {
    state.addWorker({ address, status: "running", nthreads: 1, name: address, memory_limit: null }, now++);
  }
  const names = Array.from({ length: 3000 }, (_, i) => `data-${i}`);
  const data = {
    op: "update-data",
    client: ALICE,
    who_has: Object.fromEntries(names.map((name) => [name, [holder]])),
    nbytes: Object.fromEntries(names.map((name, i) => [name, 2 ** 43 - 1 - i % 7])),
  };
  state.handleClientMessage(ALICE, parseClientStreamMessage(data), now++);
  const rows = (round: number) =>
    Array.from({ length: 6 }, (_, i): GraphRowSpec => {
      const first = (round * 37 + i * 101) % 1500;
      return [`sum-${round}-${i}`, names.slice(first, first + 1500), `f-${i}`];
    });
  for (let round = 0; round < 8; round++) {
    const specs = rows(round);
    state.handleClientMessage(ALICE, updateGraph(specs, { workers: [A, B] }), now++);
    state.handleClientMessage(ALICE, {
      op: "client-releases-keys",
      keys: specs.map(([key]) => key as Key),
    }, now++);
    const { totalOccupancy } = state;
    assert(totalOccupancy >= 0 && totalOccupancy < 1, `${totalOccupancy} s of work, and nothing to do`);
  }
});
