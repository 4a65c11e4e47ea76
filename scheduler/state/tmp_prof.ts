import type { ClientId, FunctionHash, Key } from "../../messages/common.ts";
import type { TaskRow, UpdateGraph } from "../../messages/client_scheduler.ts";
import type { ComputeTask, TaskFinished } from "../../messages/worker_scheduler.ts";
import { SchedulerState } from "./scheduler_state.ts";

const CLIENT = "client" as ClientId;
const ARGUMENTS = new Uint8Array(16);
const TYPE = new Uint8Array(8);
let graphs = 0;

/** `count` tasks, each on the task `distance` before it, if any. */
function graphOf(count: number, distance: number): UpdateGraph {
  const name = `bench-${graphs++}`;
  const tasks: TaskRow[] = [];
  for (let i = 0; i < count; i++) {
    const other = `${name}-${i - distance}` as Key;
    tasks.push([`${name}-${i}` as Key, ARGUMENTS, distance > 0 && i >= distance ? [[other, 0]] : []]);
  }
  return {
    op: "update-graph",
    groups: [{ function: "f" as FunctionHash, tasks }],
    functions: { ["f" as FunctionHash]: ARGUMENTS },
    annotations: {},
    fifo_timeout: 0.1,
  };
}

function finished(task: ComputeTask): TaskFinished {
  return {
    op: "task-finished",
    status: "OK",
    key: task.key,
    run_id: task.run_id,
    nbytes: 28,
    type: TYPE,
    typename: "number",
    metadata: {},
    thread: 1,
    startstops: [{ action: "compute", start: 1, stop: 1.00001 }],
    stimulus_id: "task-finished-1",
  };
}

/** The whole life of all tasks of a graph: submitted, run, reported, released, forgotten. */
function live(scheduler: SchedulerState, graph: UpdateGraph): void {
  let now = 2000;
  scheduler.handleClientMessage(CLIENT, graph, now);
  for (;;) {
    const { toWorker } = scheduler.takeOutbox();
    let ran = false;
    for (const [address, commands] of toWorker) {
      for (const command of commands) {
        if (command.op !== "compute-task") continue;
        scheduler.handleWorkerMessage(address, finished(command), now += 1e-5);
        ran = true;
      }
    }
    if (!ran) break;
  }
  const keys = graph.groups.flatMap((group) => group.tasks.map((row) => row[0]));
  scheduler.handleClientMessage(CLIENT, { op: "client-releases-keys", keys }, now);
  scheduler.takeOutbox();
  if (scheduler.tasks.size > 0) throw new Error(`${scheduler.tasks.size} tasks are left`);
}

function schedulerWith(workers: number): SchedulerState {
  const scheduler = new SchedulerState();
  scheduler.addClient(CLIENT, 1000);
  for (let i = 0; i < workers; i++) {
    const address = `tls://10.0.0.${i}:8788` as Parameters<SchedulerState["removeWorker"]>[0];
    scheduler.addWorker({ address, status: "running", nthreads: 4, name: address, memory_limit: null }, 1000);
  }
  return scheduler;
}

const scheduler = schedulerWith(2); for (let r = 0; r < 60; r++) { const t0 = performance.now(); live(scheduler, graphOf(10000, Number(Deno.args[0]))); if (r % 6 === 5) console.log(((performance.now() - t0) / 10).toFixed(2), "us per task"); }
for (const workers of []) {
  const scheduler = schedulerWith(workers);
  Deno.bench(`10,000 independent tasks, whole life, ${workers} workers`, () => {
    live(scheduler, graphOf(10_000, 0));
  });
  Deno.bench(`10,000 tasks in 100 chains, whole life, ${workers} workers`, () => {
    live(scheduler, graphOf(10_000, 100));
  });
  Deno.bench(`10 tasks of one submit each, whole life, ${workers} workers`, () => {
    for (let i = 0; i < 10; i++) live(scheduler, graphOf(1, 0));
  });
}
