import { assert, assertEquals, assertThrows } from "@std/assert";
import { AssertionError } from "../../internal/assert.ts";
import type { Address, ClientId, FunctionHash, Key } from "../../messages/common.ts";
import type { WorkerStreamMessage } from "../../messages/worker_scheduler.ts";
import { A, ALICE, B, BOB, keys, METRICS, SchedulerFixture } from "../../testing/scheduler_fixture.ts";
import { taskErred, taskFinished, updateGraph } from "../../testing/scheduler_simulation.ts";
import { State } from "./task_state.ts";

Deno.test("SchedulerState asks for the result only if a client wants it, and passes it on but does not keep it", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.state.handleClientMessage(ALICE, updateGraph([["x"], ["y", ["x"]]]), fixture.now++);
  fixture.state.handleClientMessage(ALICE, { op: "client-releases-keys", keys: keys("x") }, fixture.now++);
  const sent = () => {
    const { toWorker, toClient } = fixture.state.takeOutbox();
    return [...[...toWorker.values()].flat(), ...[...toClient.values()].flat()];
  };
  const [, compute] = sent();
  assert(compute?.op === "compute-task" && compute.inline_result === true, "x was wanted when it was sent");
  const result = new Uint8Array([1, 2]);
  fixture.state.handleWorkerMessage(
    A,
    { ...taskFinished("x", 1), result } as WorkerStreamMessage,
    fixture.now++,
  );
  fixture.state.handleWorkerMessage(
    A,
    { ...taskFinished("y", 2), result } as WorkerStreamMessage,
    fixture.now++,
  );
  const reports = sent().filter((message) => message.op === "key-in-memory");
  assertEquals(reports, [{
    op: "key-in-memory",
    key: "y" as Key,
    type: new Uint8Array([7]),
    workers: [A],
    result,
  }]);
  fixture.state.handleClientMessage(BOB, { op: "client-desires-keys", keys: keys("y") }, fixture.now++);
  assertEquals(sent(), [{ op: "key-in-memory", key: "y" as Key, type: new Uint8Array([7]), workers: [A] }]);
});

Deno.test("SchedulerState gives a task up when too many workers died running it, unless they said goodbye", () => {
  const encodeError = (error: Error) => `${error.name}: ${error.message}`;
  const fixture = new SchedulerFixture({ allowedFailures: 1, encodeError });
  const addresses = [1, 2, 3].map((i) => `tls://10.0.0.9:${i}` as Address);
  fixture.client(ALICE, updateGraph([["x"], ["y", ["x"]]]));
  for (const [i, address] of addresses.entries()) {
    fixture.addWorker(address);
    assertEquals(fixture.stateOf("x"), "processing");
    fixture.removeWorker(address, i === 0);
  }
  assertEquals([fixture.stateOf("x"), fixture.stateOf("y")], ["erred", "erred"]);
  const failure = fixture.state.tasks.get("y" as Key)?.failure;
  assertEquals(failure?.culprit, "x" as Key);
  assert(String(failure?.exception).startsWith(`KilledWorker: Attempted to run task "x" on 2 workers`));
});

Deno.test("SchedulerState gives a doomed task up even if its input is lost with the worker", () => {
  const fixture = new SchedulerFixture({ allowedFailures: 0 });
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x"], ["y", ["x"]]]));
  fixture.finish("x");
  const lines = fixture.removeWorker(A);
  assertEquals(lines.filter((line) => line.startsWith("alice")), ["alice task-erred y", "alice lost-data x"]);
});

Deno.test("SchedulerState ignores peers and messages that it does not know", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x"]]));
  assertEquals(fixture.worker(B, taskFinished("x", 1)), []);
  assertEquals(fixture.client("eve" as ClientId, updateGraph([["z"]])), []);
  fixture.addWorker(B);
  fixture.flush();
  const strange: [WorkerStreamMessage, string[]][] = [
    [taskFinished("x", 1), [`${B} free-keys x`]],
    [taskFinished("nothing", 1), [`${B} free-keys nothing`]],
    [taskErred("x", 1), []],
    [{ op: "reschedule", key: "x" as Key, stimulus_id: "s" }, []],
    [{ op: "release-worker-data", key: "x" as Key, stimulus_id: "s" }, []],
    [{ op: "long-running", key: "x" as Key, run_id: 1, compute_duration: 1, stimulus_id: "s" }, []],
    [{ op: "add-keys", keys: keys("x"), stimulus_id: "s" }, [`${B} remove-replicas x`]],
    [{ op: "request-refresh-who-has", keys: keys("no"), stimulus_id: "s" }, [`${B} free-keys no`]],
    [{ op: "keep-alive" }, []],
    [{ op: "log-event", topic: "t", msg: 1 }, []],
    [{ op: "close-stream" }, []],
  ];
  for (const [message, answer] of strange) assertEquals(fixture.worker(B, message), answer, message.op);
  assertEquals(fixture.state.tasks.get("x" as Key)?.processingOn?.address, A);
  assertEquals(fixture.state.removeWorker("tls://nobody:1" as Address, { now: 1 }), null);
});

Deno.test("SchedulerState cancels a key and what depends on it, and tells who wanted it", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x"], ["y", ["x"]], ["z", ["y"]]]));
  fixture.client(ALICE, { op: "client-releases-keys", keys: keys("y") });
  const cancel = { op: "cancel-keys", keys: keys("x"), force: false, reason: "no more", msg: null } as const;
  assertEquals(fixture.client(ALICE, cancel), [`${A} free-keys x`, "alice cancelled-keys x z: no more"]);
  assertEquals(fixture.state.tasks.size, 0);
});

Deno.test("SchedulerState goes on with a cancelled key for another client, unless forced", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x"]]));
  fixture.client(BOB, { op: "client-desires-keys", keys: keys("x") });
  const cancel = { op: "cancel-keys", keys: keys("x"), force: false, reason: "no", msg: null } as const;
  assertEquals(fixture.client(ALICE, cancel), ["alice cancelled-keys x: no"]);
  assertEquals(fixture.stateOf("x"), "processing");
  assertEquals(fixture.client(ALICE, { ...cancel, force: true }), [
    `${A} free-keys x`,
    "bob cancelled-keys x: no",
  ]);
  assertEquals(fixture.stateOf("x"), "unknown");
});

Deno.test("SchedulerState.retry runs what failed again, from its cause on", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["a"], ["b", ["a"]], ["c", ["a", "b"]], ["ok"]]));
  fixture.finish("ok");
  assertEquals(fixture.fail("a").toSorted(), [
    "alice task-erred a",
    "alice task-erred b",
    "alice task-erred c",
  ]);
  assertEquals(
    new Set(fixture.state.retry(keys("c", "ok", "unknown"), fixture.now++)),
    new Set(keys("c", "b", "a")),
  );
  fixture.flush();
  for (const key of ["a", "b", "c"]) fixture.finish(key);
  assertEquals(["a", "b", "c"].map((key) => fixture.stateOf(key)), ["memory", "memory", "memory"]);
});

Deno.test("SchedulerState tries a failing task as often as asked for", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x"]], { retries: 2 }));
  assertEquals([fixture.fail("x"), fixture.fail("x"), fixture.fail("x")].map((lines) => lines.at(-1)), [
    `${A} compute-task x`,
    `${A} compute-task x`,
    "alice task-erred x",
  ]);
});

Deno.test("SchedulerState.addWorker refuses an address or a name that is taken", () => {
  const fixture = new SchedulerFixture();
  assertEquals(fixture.addWorker(A, 1, "running", "one"), "OK");
  assertEquals(fixture.addWorker(A, 1, "running", "two"), `Worker already exists ${A}`);
  assertEquals(fixture.addWorker(B, 1, "running", "one"), "name taken, one");
  fixture.removeWorker(A);
  assertEquals(fixture.addWorker(B, 1, "running", "one"), "OK");
});

Deno.test("SchedulerState fetches again for a worker that dropped a replica it was to use", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.addWorker(B);
  fixture.client(ALICE, updateGraph([["x"]], { workers: [A] }));
  fixture.finish("x");
  fixture.worker(B, { op: "add-keys", keys: keys("x"), stimulus_id: "s" });
  fixture.client(ALICE, updateGraph([["y", ["x"]]], { workers: [B] }));
  assertEquals(fixture.state.workers.get(B)?.networkBytes, 0);
  fixture.worker(B, { op: "release-worker-data", key: "x" as Key, stimulus_id: "s" });
  assertEquals(fixture.state.workers.get(B)?.networkBytes, 8);
  assertEquals(fixture.state.whoHas(keys("x", "y")), new Map([["x" as Key, [A]], ["y" as Key, []]]));
  assertEquals(fixture.state.hasWhat(), new Map([[A, keys("x")], [B, []]]));
});

Deno.test("SchedulerState frees the keys of a stimulus in one message, and those of the next in another", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x"], ["y"], ["z"]]));
  for (const key of ["x", "y", "z"]) fixture.finish(key);
  fixture.state.handleClientMessage(ALICE, { op: "client-releases-keys", keys: keys("x", "y") }, 1);
  fixture.state.handleClientMessage(ALICE, { op: "client-releases-keys", keys: keys("z") }, 2);
  assertEquals(fixture.flush(), [`${A} free-keys y x`, `${A} free-keys z`]);
});

Deno.test("SchedulerState answers heartbeats, and learns the bandwidth from them", () => {
  const fixture = new SchedulerFixture();
  fixture.addWorker(A);
  assertEquals(fixture.state.heartbeat(B, METRICS, {}, 5), { status: "missing" });
  assertEquals(fixture.state.heartbeat(A, METRICS, {}, 5), {
    status: "OK",
    time: 5,
    "heartbeat-interval": 0.5,
  });
  assertEquals(fixture.state.workers.get(A)?.metrics, METRICS);
  fixture.state.handleClientMessage(ALICE, { op: "heartbeat-client" }, 6);
  assertEquals(fixture.state.takeOutbox().toClient.get(ALICE), [{
    op: "adjust-heartbeat-interval",
    interval: 5,
  }]);
  assertEquals(fixture.state.clients.get(ALICE)?.lastSeen, 6);
});

Deno.test("SchedulerState.isIdle tells whether anything waits or runs", () => {
  const fixture = new SchedulerFixture();
  const idle = [fixture.state.isIdle];
  fixture.client(ALICE, updateGraph([["x"]]));
  idle.push(fixture.state.isIdle);
  fixture.addWorker(A);
  idle.push(fixture.state.isIdle);
  fixture.finish("x");
  idle.push(fixture.state.isIdle);
  assertEquals(idle, [true, false, false, true]);
});

Deno.test("SchedulerState.story tells what happened to a task, and by which stimulus", () => {
  const fixture = new SchedulerFixture({ transitionLogLength: 3 });
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x"]]));
  fixture.finish("x");
  const steps = fixture.state.story("x").map((step) => `${step.start} ${step.finish} ${step.stimulusId}`);
  const graph = fixture.state.story()[0]?.stimulusId;
  assertEquals(steps, [
    `released waiting ${graph}`,
    `waiting processing ${graph}`,
    "processing memory done-x",
  ]);
  fixture.client(ALICE, { op: "client-releases-keys", keys: keys("x") });
  assertEquals(fixture.state.story().map((step) => step.finish), ["processing", "memory", "forgotten"]);
  assertEquals(fixture.state.story("done-x").length, 1);
});

Deno.test("SchedulerState fails with the story of a task when there are too many transitions", () => {
  const fixture = new SchedulerFixture({ transitionCounterMax: 4 });
  fixture.addWorker(A);
  fixture.client(ALICE, updateGraph([["x"]]));
  const error = assertThrows(() => fixture.fail("x") && fixture.state.retry(keys("x"), 1), AssertionError);
  assert(error.message.includes("released → waiting"), error.message);
});

Deno.test("SchedulerState.validateState finds what does not fit together", () => {
  const corruptions: ((fixture: SchedulerFixture) => void)[] = [
    (fixture) => fixture.state.workers.get(A)?.processing.clear(),
    (fixture) => fixture.state.clients.get(ALICE)?.wantsWhat.clear(),
    (fixture) => fixture.state.tasks.get("x" as Key)?.whoWants.clear(),
    (fixture) => {
      for (const group of fixture.state.groups.values()) group.moveTask(State.PROCESSING, State.MEMORY);
    },
    (fixture) => {
      for (const group of fixture.state.groups.values()) group.prefix.processing++;
    },
    (fixture) => fixture.state.functions.bodies.get("f" as FunctionHash)?.owners.clear(),
    (fixture) => {
      const worker = fixture.state.workers.get(A);
      if (worker !== undefined) worker.nbytes++;
    },
  ];
  for (const corrupt of corruptions) {
    const fixture = new SchedulerFixture();
    fixture.addWorker(A);
    fixture.client(ALICE, updateGraph([["x"]]));
    corrupt(fixture);
    assertThrows(() => fixture.state.validateState(), AssertionError);
  }
});
