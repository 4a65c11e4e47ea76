import { assert, assertEquals } from "@std/assert";
import { TRANSITION } from "../../internal/story.ts";
import type { Address, FunctionHash, Key } from "../../messages/common.ts";
import type { RunSpec } from "../../messages/run_spec.ts";
import { Serialized } from "../../protocol/serialized.ts";
import type { Instruction } from "./instruction.ts";
import type { Stimulus } from "./stimulus.ts";
import { VIA_RELEASED } from "./transitions.ts";
import { WorkerState } from "./worker_state.ts";

// Traces of Dask's own state machine: what each stimulus made it do, and the whole state afterwards.

type Json = Record<string, unknown>;

interface Step {
  readonly event: string;
  readonly fields: Json;
  readonly instructions: readonly Json[];
  readonly log: readonly (readonly unknown[])[];
  readonly after: Json;
  readonly varies?: readonly { readonly field: string; readonly kind: string }[];
}

interface Vector {
  readonly id: string;
  readonly description: string;
  readonly worker: Json;
  readonly steps: readonly Step[];
}

const SKIPPED: Readonly<Record<string, string>> = {
  "long-running": "no message of this package has a task secede",
  "long-running-cancel-resume": "no message of this package has a task secede",
  "steal-ready": "work stealing is not part of this package",
  "steal-executing": "work stealing is not part of this package",
  "steal-unknown": "work stealing is not part of this package",
  "steal-waiting": "work stealing is not part of this package",
  "cancel-compute": "cancel-compute is Python's; here free-keys does it",
  "actor": "actors are Python's",
  "tuple-keys": "keys of this package are strings",
  "gather-failure": "ours asks another holder, where Dask leaves the dependents waiting for ever",
  "gather-busy-other-replica": "depends on the hash seed of the Python process",
  "gather-message-limit": "a tie between tasks, which Python breaks by memory address",
  "gather-bytes-limit": "a tie between peers, which Python breaks by its random numbers",
};

// The same happens in another order, because of such a tie.
const UNORDERED = new Set(["gather-batch", "gather-count-limit"]);

const { vectors } = JSON.parse(
  await Deno.readTextFile(new URL("../../tests/vectors/worker-state.json", import.meta.url)),
) as { vectors: readonly Vector[] };

for (const vector of vectors) {
  if (vector.id in SKIPPED) continue;
  Deno.test(`WorkerState does as Dask does: ${vector.id}, ${vector.description}`, () => replay(vector));
}

Deno.test("WorkerState replays all of Dask's traces but the named ones", () => {
  const skipped = vectors.filter(({ id }) => id in SKIPPED);
  assertEquals(skipped.length, Object.keys(SKIPPED).length);
  assertEquals(vectors.length - skipped.length, 32);
});

function replay(vector: Vector): void {
  const { worker } = vector;
  const state = new WorkerState({
    address: worker["address"] as Address,
    nthreads: worker["nthreads"] as number,
    validate: true,
    resources: (worker["resources"] ?? {}) as Record<string, number>,
    transferIncomingCountLimit: (worker["transfer_incoming_count_limit"] ?? 9999) as number,
    transferMessageBytesLimit: (worker["transfer_message_bytes_limit"] ?? Infinity) as number,
    transferIncomingBytesLimit: (worker["transfer_incoming_bytes_limit"] ?? Infinity) as number,
    logLength: 100_000,
  });
  let told = 0;
  let now = 0;
  let nextDeadline = Infinity;
  vector.steps.forEach((step, index) => {
    const at = `step ${index}, ${step.event}`;
    const varies = (field: string): boolean =>
      UNORDERED.has(vector.id) || (step.varies?.some((entry) => entry.field === field) ?? false);
    const busy = state.snapshot().busy_workers;
    // What Dask has events for is due now.
    now = step.event in DUE && nextDeadline < Infinity ? nextDeadline : now + 0.001;
    const effects = state.handle([stimulusOf(step)], now);
    nextDeadline = effects.nextDeadline;
    const rests = state.snapshot().busy_workers.filter((worker) => !busy.includes(worker))
      .map((worker): Json => ({ instruction: "RetryBusyWorkerLater", worker }));
    const ours = [...rests, ...effects.instructions.flatMap(normaliseOurs)];
    const theirs = mergeAddKeys(step.instructions.map(plain).map(normaliseTheirs));
    assertEquals(order(ours, varies("instructions")), order(theirs, varies("instructions")), at);

    const story = state.story().slice(told);
    told += story.length;
    const transitions = story.filter((entry) => isTransition(entry.event))
      .map(({ key, start, recommended, finish }) => [key, start, recommended, finish].join(" "));
    const log = step.log.filter((entry) => entry.length === 6).map((entry) => entry.slice(0, 4).join(" "));
    for (const isTransfer of [false, true]) {
      // Transfers begin in another order here, and together.
      const some = (lines: string[]) =>
        order(lines.filter((line) => line.endsWith("flight") === isTransfer), isTransfer || varies("log"));
      assertEquals(some(transitions), some(log), at);
    }
    assertEquals(comparable(state.snapshot()), comparable(step.after), at);
  });
}

const RUN_SPEC: RunSpec = ["f".repeat(64) as FunctionHash, Uint8Array.of(0x90), []];

function stimulusOf({ event, fields: raw }: Step): Stimulus {
  const fields = plain(raw) as Json;
  switch (event) {
    case "ComputeTaskEvent":
      return { op: "compute-task", run_spec: RUN_SPEC, ...fields } as unknown as Stimulus;
    case "ExecuteSuccessEvent":
      return {
        op: "execute-success",
        ...fields,
        type: new Uint8Array(),
        typename: "NoneType",
        thread: null,
      } as unknown as Stimulus;
    case "ExecuteFailureEvent":
      return {
        op: "execute-failure",
        ...fields,
        exception: new Serialized({ serializer: "pickle" }, []),
        thread: null,
      } as unknown as Stimulus;
    case "UpdateDataEvent": {
      const data = new Map(Object.keys(fields["data"] as Json).map((key) => [key as Key, 16]));
      return { ...fields, op: "update-data", data } as unknown as Stimulus;
    }
    case "GatherDepSuccessEvent": {
      const data = new Map(Object.keys(fields["data"] as Json).map((key) => [key as Key, 1]));
      return { ...fields, op: "gather-success", data } as unknown as Stimulus;
    }
    default: {
      const op = OPS[event];
      assert(op !== undefined, `No stimulus for ${event}`);
      return { op, ...fields } as unknown as Stimulus;
    }
  }
}

const OPS: Readonly<Record<string, Stimulus["op"]>> = {
  FreeKeysEvent: "free-keys",
  RemoveReplicasEvent: "remove-replicas",
  AcquireReplicasEvent: "acquire-replicas",
  RefreshWhoHasEvent: "refresh-who-has",
  RemoveWorkerEvent: "remove-worker",
  RescheduleEvent: "execute-reschedule",
  GatherDepBusyEvent: "gather-busy",
  GatherDepNetworkFailureEvent: "gather-network-failure",
  RetryBusyWorkerEvent: "tick",
  FindMissingEvent: "tick",
  PauseEvent: "pause",
  UnpauseEvent: "unpause",
};

/** Events that Dask's worker makes itself when some time has passed. */
const DUE = { RetryBusyWorkerEvent: true, FindMissingEvent: true };

/** Dask logs a transition by way of `released`, too. */
function isTransition(event: string): boolean {
  return event === TRANSITION || event === VIA_RELEASED;
}

/** Replaces tagged values; a set becomes a sorted array. */
function plain(value: unknown): Json {
  return plainValue(value) as Json;
}

function plainValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainValue);
  if (typeof value !== "object" || value === null) return value;
  const record = value as Json;
  if ("$tuple" in record) return plainValue(record["$tuple"]);
  if ("$set" in record) return (plainValue(record["$set"]) as string[]).toSorted();
  if ("$float" in record) return Number(record["$float"]);
  return Object.fromEntries(Object.entries(record).map(([key, item]) => [key, plainValue(item)]));
}

function normaliseOurs(instruction: Instruction): Json[] {
  switch (instruction.op) {
    case "execute":
      return [{ instruction: "Execute", key: instruction.key }];
    case "gather-dep": {
      const { worker, keys, totalNbytes } = instruction;
      return [{ instruction: "GatherDep", worker, to_gather: keys.toSorted(), total_nbytes: totalNbytes }];
    }
    case "withdraw":
    case "drop-data":
      return [];
    default:
      return [comparableMessage({ ...instruction })];
  }
}

function normaliseTheirs(instruction: Json): Json {
  if ("send" in instruction) return comparableMessage(instruction["send"] as Json);
  const { stimulus_id: _, ...rest } = instruction;
  return rest;
}

function comparableMessage({ type: _, typename: _t, exception: _e, ...message }: Json): Json {
  if (Array.isArray(message["keys"])) message["keys"] = message["keys"].toSorted();
  return message;
}

/** Dask sends a message per key, we one for all keys that came at once. */
function mergeAddKeys(instructions: readonly Json[]): Json[] {
  const merged: Json[] = [];
  let addKeys: Json | undefined;
  for (const instruction of instructions) {
    if (instruction["op"] !== "add-keys") merged.push(instruction);
    else if (addKeys === undefined) merged.push(addKeys = { ...instruction });
    else addKeys["keys"] = [...addKeys["keys"] as string[], ...instruction["keys"] as string[]].toSorted();
  }
  return merged;
}

function order<T>(items: readonly T[], sorted: boolean): T[] {
  return sorted ? items.toSorted((a, b) => JSON.stringify(a) < JSON.stringify(b) ? -1 : 1) : [...items];
}

const ORDERED = new Set(["priority", "ready", "constrained"]);
// The recorder shows the total under this name.
const INCOMPARABLE = new Set(["available_resources", "resource_restrictions"]);

/** Drops what is empty, and sorts what has no order. */
function comparable(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(comparable).toSorted((a, b) => JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
  }
  if (typeof value !== "object" || value === null) return value;
  const record: Json = {};
  for (const [name, item] of Object.entries(value)) {
    if (INCOMPARABLE.has(name) || item === null) continue;
    if (name === "done" && item === false) continue;
    const compared = ORDERED.has(name) ? item : comparable(item);
    const size = typeof compared === "object" && compared !== null ? Object.keys(compared).length : 1;
    if (size > 0) record[name] = compared;
  }
  return record;
}
