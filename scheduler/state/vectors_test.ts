/**
 * Replays what Dask's scheduler did (`tests/vectors/scheduler-state.json`), stimulus by stimulus, and
 * compares messages, transitions and the state afterwards.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Address, ClientId, FunctionHash, Key, WorkerStatus } from "../../messages/common.ts";
import {
  type ClientReport,
  type GraphAnnotations,
  parseClientStreamMessage,
  parseUpdateData,
  type TaskRow,
  type UpdateData,
  type UpdateGraph,
} from "../../messages/client_scheduler.ts";
import { parseWorkerStreamMessage, type WorkerCommand } from "../../messages/worker_scheduler.ts";
import { registerClient } from "./client_stimuli.ts";
import { addTasks, startTasks, wantTask } from "./graph.ts";
import { FunctionBodies } from "../extensions/functions/function_bodies.ts";
import { keySplit } from "./key_split.ts";
import { type Afterwards, SchedulerMachine } from "./machine.ts";
import { addWorker, removeWorker } from "./membership.ts";
import { occupancy, totalOccupancy } from "./placement.ts";
import type { TaskState } from "./task_state.ts";
import { handleClient, handleStimulus } from "./stimuli.ts";
import { fillSlots, runTransitions } from "./transitions.ts";
import { validateMachine } from "./validate.ts";
import type { WorkerState } from "./worker_state.ts";
import { handleWorker } from "./worker_stimuli.ts";

type Json = Readonly<Record<string, unknown>>;
/** What a step is compared by. */
type Field = "messages" | "transitions" | "after";

interface Step {
  readonly step: Json & { readonly do: string };
  readonly messages: readonly { readonly to: readonly [string, string]; readonly msg: Json }[];
  readonly transitions: readonly (readonly [string, string, string, Json, string])[];
  readonly after: Json & {
    readonly tasks?: readonly Json[];
    readonly workers?: Readonly<Record<string, Json>>;
  };
  readonly varies?: readonly { readonly field: Field; readonly kind: "order" | "content" }[];
}

interface Vector {
  readonly id: string;
  readonly description: string;
  readonly config: { readonly allowed_failures?: number; readonly saturation?: string };
  readonly steps: readonly Step[];
}

/** Scenarios of what this scheduler does not have. */
const SKIPPED: Readonly<Record<string, string>> = {
  "resources": "abstract resources",
  "generation": "tasks that submit tasks",
  "actor": "actors",
  "steal": "work stealing",
  "steal-reject": "work stealing",
  "steal-unknown-state": "work stealing",
  "amm-reduce": "active memory manager",
  "tuple-keys": "keys that are tuples",
};

/** Where we differ on purpose: what is not compared, and why. */
const DIFFERENT: Readonly<Record<string, readonly [fields: readonly Field[], why: string]>> = {
  "cancel": [["messages"], "only those who wanted a cancelled key are told"],
  "desires-unknown": [["messages"], "only the client that asks is told"],
  "memory-error": [
    ["messages", "transitions", "after"],
    "the task goes to processing before it fails, that is told once, and a known task takes no place in the order",
  ],
  "scatter-lost": [["messages"], "the reason says what was lost"],
  "resubmit-in-memory": [["messages"], "only the client that asks is told"],
};

const { vectors } = JSON.parse(
  Deno.readTextFileSync(new URL("../../tests/vectors/scheduler-state.json", import.meta.url)),
) as { readonly vectors: readonly Vector[] };

for (const vector of vectors) {
  const why = SKIPPED[vector.id];
  Deno.test({
    name: `SchedulerState does as Dask: ${vector.id}${why === undefined ? "" : ` (skipped: ${why})`}`,
    ignore: why !== undefined,
    fn: () => replay(vector),
  });
}

Deno.test("SchedulerState is compared with Dask in forty-two scenarios, and eight are skipped", () => {
  const skipped = vectors.filter((vector) => vector.id in SKIPPED);
  assertEquals([vectors.length - skipped.length, skipped.length], [42, 8]);
});

function replay(vector: Vector): void {
  const { allowed_failures: allowedFailures, saturation } = vector.config;
  const m = new SchedulerMachine({
    validate: true,
    workerQueueTime: 0, // Dask's rule for full workers, and nothing else
    ...(allowedFailures === undefined ? {} : { allowedFailures }),
    ...(saturation === "inf" ? { workerSaturation: Infinity } : {}),
  }, [new FunctionBodies()]);
  let now = 1000;
  for (const [index, step] of vector.steps.entries()) {
    const where = `${vector.id}, step ${index} (${step.step.do} ${String(step.step["op"] ?? "")})`;
    const first = m.story.count;
    const afterwards = apply(m, vector.id, step, now++);
    runTransitions(m);
    fillSlots(m);
    afterwards?.();
    validateMachine(m);
    const isLoose = (field: Field) =>
      DIFFERENT[vector.id]?.[0].includes(field) ||
      step.varies?.some((entry) => entry.field === field && entry.kind === "content");
    const outbox = m.outbox.take();
    if (!isLoose("messages")) {
      assertEquals(messagesOf(outbox), expectedMessages(step), `messages of ${where}`);
    }
    if (!isLoose("transitions")) {
      const transitions = m.story.since(first).map(({ key, start, finish }) => [key, start, finish]);
      assertEquals(transitions.sort(), expectedTransitions(step), `transitions of ${where}`);
    }
    if (!isLoose("after")) assertEquals(stateOf(m, step), expectedState(step), `state after ${where}`);
  }
}

function apply(m: SchedulerMachine, id: string, { step }: Step, now: number): Afterwards {
  const fields = (untag(step["fields"] ?? {})) as Json;
  const raw = { ...fields, op: step["op"] };
  m.begin(String(fields["stimulus_id"] ?? step["stimulus_id"] ?? step.do), now);
  switch (step.do) {
    case "add-worker":
      addWorker(m, {
        op: "add-worker",
        ask: 0,
        worker: {
          address: step["address"] as Address,
          status: "running" satisfies WorkerStatus,
          nthreads: step["nthreads"] as number,
          name: step["name"] as string,
          memory_limit: (step["memory_limit"] as number | undefined) ?? null,
        },
      });
      assertEquals(m.takeAnswers().answers.at(-1), [0, { op: "add-worker" }]);
      return;
    case "add-client":
      return registerClient(m, { op: "add-client", ask: 0, client: step["client"] as ClientId });
    case "update-graph":
      return submit(m, step);
    case "remove-worker": {
      const ws = tied(m, id, "x") ?? m.workers.get(step["address"] as Address);
      assert(ws !== undefined);
      return removeWorker(m, ws, { expected: step["expected"] === true });
    }
    case "worker-stream": {
      const ws = tied(m, id, fields["key"]) ?? m.workers.get(step["worker"] as Address);
      assert(ws !== undefined);
      return handleWorker(m, ws, parseWorkerStreamMessage(raw));
    }
    case "client-stream":
      return clientStream(m, step["client"] as ClientId, raw);
    case "rpc":
      if (step["op"] === "update_data") return takeData(m, parseUpdateData({ ...raw, op: "update-data" }));
      assertEquals(step["op"], "retry");
      return handleStimulus(m, { op: "retry", ask: 0, keys: fields["keys"] as Key[] }, now);
    default:
      throw new Error(`No such step: ${step.do}`);
  }
}

function takeData(m: SchedulerMachine, message: UpdateData): Afterwards {
  const cs = m.clients.get(message.client);
  assert(cs !== undefined);
  return handleClient(m, cs, message);
}

/**
 * In the scenarios in which Dask tosses a coin between two workers, the steps after it go by our side of the
 * coin.
 */
function tied(m: SchedulerMachine, id: string, key: unknown): WorkerState | undefined {
  if (id !== "queue" && id !== "worker-lost-processing") return undefined;
  return m.tasks.get(key as Key)?.processingOn ?? undefined;
}

function clientStream(m: SchedulerMachine, client: ClientId, raw: Json): Afterwards {
  const cs = m.clients.get(client);
  assert(cs !== undefined);
  return handleClient(m, cs, parseClientStreamMessage(raw));
}

/** Dask's clients want some keys of a graph, ours all of them. */
function submit(m: SchedulerMachine, step: Json): void {
  const cs = m.clients.get(step["client"] as ClientId);
  assert(cs !== undefined);
  const tasks = step["tasks"] as readonly (readonly [Key, readonly Key[]])[];
  const groups = tasks.map(([key, dependencies]) => ({
    function: keySplit(key) as FunctionHash,
    tasks: [[key, new Uint8Array(), dependencies.map((dependency) => [dependency, 0] as const)]] as TaskRow[],
  }));
  const message: UpdateGraph = {
    op: "update-graph",
    groups,
    functions: Object.fromEntries(groups.map((group) => [group.function, new Uint8Array()])),
    annotations: annotationsOf(step),
    fifo_timeout: 0,
  };
  const graph = addTasks(m, cs, message);
  const wanted = new Set(step["keys"] as readonly string[]);
  for (const ts of [...graph.created, ...graph.known]) if (wanted.has(ts.key)) wantTask(cs, ts);
  startTasks(m, cs, graph);
}

function annotationsOf(step: Json): GraphAnnotations {
  const priority = step["user_priority"] as number | undefined;
  return { ...step["annotations"] as Json, ...(priority === undefined ? {} : { priority }) };
}

/** Messages by receiver, sorted, without what is ours and what is different with every run. */
function messagesOf(
  outbox: {
    readonly toWorker: Map<Address, WorkerCommand[]>;
    readonly toClient: Map<ClientId, ClientReport[]>;
  },
): unknown[] {
  const lines: unknown[] = [];
  for (const [to, messages] of [...outbox.toWorker, ...outbox.toClient]) {
    for (const message of messages) lines.push(...comparable(to, message as unknown as Json));
  }
  return lines.sort();
}

function expectedMessages(step: Step): unknown[] {
  return step.messages.flatMap(({ to, msg }) => comparable(to[1], msg)).sort();
}

function comparable(to: string, message: Json): string[] {
  const line = (value: Json) => JSON.stringify({ to, op: message["op"], ...value });
  const each = (value: (key: string) => Json) => (message["keys"] as string[]).map((key) => line(value(key)));
  switch (message["op"]) {
    case "stream-start": // the shell's
    case "register-functions": // ours
    case "free-functions":
      return [];
    case "compute-task":
      return [line({
        key: message["key"],
        run_id: message["run_id"],
        priority: untag(message["priority"]),
        who_has: untag(message["who_has"]),
        nbytes: untag(message["nbytes"]),
        workers: (message["annotations"] as Json)["workers"],
      })];
    case "key-in-memory":
    case "task-erred":
      return [line({ key: message["key"] })];
    case "free-keys":
    case "remove-replicas":
      return each((key) => ({ key }));
    case "cancelled-keys":
      return each((key) => ({ key, reason: message["reason"] ?? "unknown key" }));
    case "refresh-who-has":
      return [line({ who_has: untag(message["who_has"]) })];
    default:
      return [line({ ...message, stimulus_id: null })];
  }
}

function untag(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(untag);
  if (typeof value !== "object" || value === null) return value;
  if ("$tuple" in value) return untag(value.$tuple);
  if ("$float" in value) return Number(value.$float);
  if ("$set" in value) return untag(value.$set);
  return Object.fromEntries(Object.entries(value).sort().map(([key, inner]) => [key, untag(inner)]));
}

function expectedTransitions(step: Step): unknown[] {
  return step.transitions.map(([key, start, finish]) => [key, start, finish]).sort();
}

function stateOf(m: SchedulerMachine, { after }: Step): unknown {
  const tasks = [...m.tasks.values()].map(taskOf).sort((a, b) => a.key < b.key ? -1 : 1);
  const pool = m.pool("deno");
  const workers = pool.workers.map((ws) => ({
    address: ws.address,
    status: ws.status,
    processing: keysOf(ws.processing),
    has_what: keysOf(ws.hasWhat),
    long_running: keysOf(ws.longRunning),
    occupancy: rounded(occupancy(m, ws)),
    nbytes: ws.nbytes,
  }));
  return {
    tasks,
    workers,
    idle: [...pool.idle].map((ws) => ws.address).sort(),
    idle_task_count: [...pool.notFull].map((ws) => ws.address).sort(),
    saturated: [...pool.saturated].map((ws) => ws.address).sort(),
    queued: keysOf(new Set(pool.queued.values())),
    unrunnable: keysOf(pool.unrunnable),
    durations: Object.fromEntries(
      Object.keys(after["task_prefix_durations"] ?? {}).map((name) => [name, durationOf(m, name)]),
    ),
    total_occupancy: rounded(totalOccupancy(m, pool)),
    n_tasks: pool.placements,
    generation: m.generation,
  };

  function taskOf(ts: TaskState) {
    return {
      key: ts.key as string,
      state: ts.stateName,
      priority: ts.runSpec === null ? null : ts.priority, // a value is never run
      processing_on: ts.processingOn?.address,
      who_has: [...ts.whoHas].map((ws) => ws.address).sort(),
      waiters: keysOf(ts.waiters),
      waiting_on: keysOf(ts.waitingOn),
      dependencies: keysOf(ts.dependencies),
      dependents: keysOf(ts.dependents),
      who_wants: [...ts.whoWants].map((cs) => cs.id).sort(),
      nbytes: ts.nbytes < 0 ? undefined : ts.nbytes,
      suspicious: ts.suspicious,
      retries: ts.retries,
      exception_blame: ts.failure?.culprit,
    };
  }
}

/** Also that of a function that no task names. */
function durationOf(m: SchedulerMachine, name: string): number {
  const group = m.groups.ofFunction(name as FunctionHash, name as Key);
  if (group.taskCount === 0) m.groups.drop(group);
  return group.prefix.durationAverage;
}

function expectedState({ after }: Step): unknown {
  const list = (value: unknown): string[] => ((value ?? []) as string[]).toSorted();
  const tasks = (after.tasks ?? []).map((task) => ({
    key: task["key"] as string,
    state: task["state"],
    priority: untag(task["priority"]),
    processing_on: task["processing_on"],
    who_has: list(task["who_has"]),
    waiters: list(task["waiters"]),
    waiting_on: list(task["waiting_on"]),
    dependencies: list(task["dependencies"]),
    dependents: list(task["dependents"]),
    who_wants: list(task["who_wants"]),
    nbytes: task["nbytes"],
    suspicious: task["suspicious"] ?? 0,
    retries: task["retries"] ?? 0,
    exception_blame: task["exception_blame"],
  }));
  const workers = Object.entries(after.workers ?? {}).sort().map(([address, worker]) => ({
    address,
    status: worker["status"],
    processing: list(worker["processing"]),
    has_what: list(worker["has_what"]),
    long_running: list(worker["long_running"]),
    occupancy: rounded(Number(untag(worker["occupancy"] ?? 0))),
    nbytes: worker["nbytes"] ?? 0,
  }));
  return {
    tasks: tasks.sort((a, b) => a.key < b.key ? -1 : 1),
    workers,
    idle: list(after["idle"]),
    idle_task_count: list(after["idle_task_count"]),
    saturated: list(after["saturated"]),
    queued: list(after["queued"]),
    unrunnable: list(after["unrunnable"]),
    durations: untag(after["task_prefix_durations"] ?? {}),
    total_occupancy: rounded(Number(untag(after["total_occupancy"]))),
    n_tasks: after["n_tasks"],
    generation: after["generation"],
  };
}

function keysOf(tasks: ReadonlySet<TaskState>): string[] {
  return [...tasks].map((ts) => ts.key as string).sort();
}

function rounded(seconds: number): number {
  return Math.round(seconds * 1e6) / 1e6;
}
