/**
 * What the state machine costs per task, without a shell.
 *
 * Measured with Deno 2.9.6 on a shared machine with two cores: 1 µs for the whole life of a trivial task,
 * from `compute-task` to `free-keys`, in batches of 32; 4 µs with three dependencies that peers hold.
 *
 * @module
 */

import type { Address, FunctionHash, Key } from "../../messages/common.ts";
import type { RunSpec } from "../../messages/run_spec.ts";
import type { ComputeTask } from "../../messages/worker_scheduler.ts";
import type { Instruction } from "./instruction.ts";
import type { ExecuteSuccess, Stimulus } from "./stimulus.ts";
import { WorkerState } from "./worker_state.ts";

const TASKS = 1000;
const HERE = "tls://10.0.0.1:1" as Address;
const PEERS = ["tls://10.0.0.2:2", "tls://10.0.0.3:3", "tls://10.0.0.4:4"] as Address[];
const RUN_SPEC: RunSpec = ["f".repeat(64) as FunctionHash, Uint8Array.of(0x91, 1), []];
const TYPE = new Uint8Array(11);

function compute(index: number, dependencies: number): ComputeTask {
  const who_has: Record<string, Address[]> = {};
  const nbytes: Record<string, number> = {};
  for (let i = 0; i < dependencies; i++) {
    const name = `data-${(index + i * 7) % TASKS}`;
    who_has[name] = [PEERS[(index + i * 7) % PEERS.length] as Address];
    nbytes[name] = 100;
  }
  return {
    op: "compute-task",
    key: `inc-${index}-0123456789abcdef` as Key,
    run_id: index,
    priority: [0, 1, index],
    stimulus_id: "update-graph-1",
    who_has,
    nbytes,
    run_spec: RUN_SPEC,
    resource_restrictions: null,
    actor: false,
    annotations: {},
    span_id: null,
  };
}

/** Runs tasks to their end as a shell would, and frees them. */
function live(commands: readonly ComputeTask[]): void {
  const state = new WorkerState({ address: HERE, nthreads: 4 });
  let queue: Stimulus[] = [];
  const perform = (instructions: readonly Instruction[]): void => {
    for (const instruction of instructions) {
      if (instruction.op === "execute") queue.push(success(instruction.key, instruction.run_id));
      else if (instruction.op === "gather-dep") {
        const data = new Map(instruction.keys.map((key) => [key, 100]));
        queue.push({ op: "gather-success", worker: instruction.worker, data, stimulus_id: "gather-1" });
      }
    }
  };
  perform(state.handle(commands, 0).instructions);
  while (queue.length > 0) {
    const batch = queue.slice(0, 32);
    queue = queue.slice(32);
    perform(state.handle(batch, 0).instructions);
  }
  const keys = commands.flatMap(({ key, who_has }) => [key, ...Object.keys(who_has) as Key[]]);
  state.handle([{ op: "free-keys", keys, stimulus_id: "free-1" }], 0);
  if (state.memoryCount > 0 || state.executedCount !== commands.length) throw new Error("Tasks are left");
}

function success(key: Key, run_id: number): ExecuteSuccess {
  return {
    op: "execute-success",
    key,
    run_id,
    nbytes: 8,
    type: TYPE,
    typename: "number",
    start: 1,
    stop: 1.0003, // so that 64 are handed out at a time
    thread: 1,
    stimulus_id: "executed-1",
  };
}

const trivial = Array.from({ length: TASKS }, (_, index) => compute(index, 0));
const dependent = Array.from({ length: TASKS }, (_, index) => compute(index, 3));

Deno.bench("WorkerState: life of 1000 tasks without dependencies", () => live(trivial));
Deno.bench("WorkerState: life of 1000 tasks with 3 dependencies each on 3 peers", () => live(dependent));
