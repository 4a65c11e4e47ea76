import type { Address, ClientId, FunctionHash, Key } from "../../messages/common.ts";
import type { TaskRow, UpdateGraph } from "../../messages/client_scheduler.ts";
import type { ComputeTask, TaskFinished } from "../../messages/worker_scheduler.ts";
import { FunctionBodies } from "../extensions/functions/function_bodies.ts";
import { machineOf, SchedulerState } from "./scheduler_state.ts";
import type { SchedulerStimulus } from "./stimulus.ts";

const CLIENT = "client" as ClientId;
const ARGUMENTS = new Uint8Array(16);
const TYPE = new Uint8Array(8);
let graphs = 0;

/** Returns a graph of `count` tasks. Each depends on the task `distance` before it, if there is one. */
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

/** Takes all tasks of a graph through their whole life: submitted, run, reported, released, forgotten. */
function live(scheduler: SchedulerState, graph: UpdateGraph): void {
  let now = 2000;
  let { toWorker } = scheduler.handle([{ op: "client-messages", client: CLIENT, messages: [graph] }], now);
  for (;;) {
    const stimuli: SchedulerStimulus[] = [];
    for (const [worker, commands] of toWorker) {
      const messages: TaskFinished[] = [];
      for (const command of commands) if (command.op === "compute-task") messages.push(finished(command));
      if (messages.length > 0) stimuli.push({ op: "worker-messages", worker, messages });
    }
    if (stimuli.length === 0) break;
    ({ toWorker } = scheduler.handle(stimuli, now += 1e-5));
  }
  const keys = graph.groups.flatMap((group) => group.tasks.map((row) => row[0]));
  const release = { op: "client-releases-keys", keys } as const;
  scheduler.handle([{ op: "client-messages", client: CLIENT, messages: [release] }], now);
  const { size } = machineOf(scheduler).tasks;
  if (size > 0) throw new Error(`${size} tasks are left`);
}

function schedulerWith(workers: number): SchedulerState {
  const scheduler = new SchedulerState({}, [new FunctionBodies()]);
  const stimuli: SchedulerStimulus[] = [{ op: "add-client", ask: 0, client: CLIENT }];
  for (let i = 0; i < workers; i++) {
    const address = `tls://10.0.0.${i}:8788` as Address;
    const worker = { address, status: "running", nthreads: 4, name: address, memory_limit: null } as const;
    stimuli.push({ op: "add-worker", ask: 1 + i, worker });
  }
  scheduler.handle(stimuli, 1000);
  return scheduler;
}

for (const workers of [2, 50]) {
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
