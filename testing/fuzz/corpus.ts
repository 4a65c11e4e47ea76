/**
 * What the fuzzer damages: every message that was captured from Dask, and those of our own roles.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { encodeFrames, FrameReader } from "../../protocol/frames.ts";
import { decodeMessage, encodeMessage } from "../../protocol/message.ts";
import type { RawMessage } from "../../messages/common.ts";
import { splitPayload } from "../../protocol/payload.ts";
import { Serialized } from "../../protocol/serialized.ts";
import { serializeArguments, serializeValue } from "../../protocol/values.ts";
import { encodeError } from "../../protocol/remote_error.ts";
import { fromBase64, loadVectors } from "../vectors.ts";

/** One message. */
export interface Seed {
  /** As it is on the wire. */
  readonly wire: Uint8Array;
  /** Its frames. */
  readonly frames: readonly Uint8Array[];
  /** What it says; `undefined` for what only Python reads. */
  readonly message: unknown;
}

const FILES = ["framing", "encoding", "handshake", "errors", "transcript-inc", "transcript-more"];
/** Bytes above which a message is left out: damage to bulk finds nothing more. */
const LARGEST = 64 * 1024;

/** Messages that the fuzzer damages. */
export interface Corpus {
  /** Captured from Dask. */
  readonly captured: readonly Seed[];
  /** Of our own roles; fewer, and each gets further. */
  readonly own: readonly Seed[];
}

/** All messages, in a fixed order. */
export function corpus(): Corpus {
  const captured = FILES.flatMap((name) => loadVectors(name))
    .filter((vector) => typeof vector["wire"] === "string")
    .map((vector) => fromBase64(vector["wire"]));
  const own = ownMessages().map((message) => flat(encodeFrames(encodeMessage(message))));
  return {
    captured: captured.filter((wire) => wire.length <= LARGEST).map(seedOf),
    own: own.map(seedOf),
  };
}

function seedOf(wire: Uint8Array): Seed {
  const reader = new FrameReader();
  reader.push(wire);
  const frames = reader.next() ?? [];
  const copies = frames.map((frame) => frame.slice());
  let message: unknown;
  try {
    message = copies.length === 0 ? undefined : decodeMessage(copies);
  } catch {
    message = undefined; // a vector of something that must fail
  }
  return { wire, frames: copies, message };
}

/** Chunks as one piece. */
export function flat(chunks: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}

/** Of everything that structured clone takes. */
function oddities(): unknown {
  const shared = new Uint8Array(8);
  const odd: unknown[] = [
    new Map<unknown, unknown>([[1, { a: new Set([1n, null, undefined]) }]]),
    new Date(0),
    /a+/gi,
    new RangeError("x", { cause: new AggregateError([new TypeError("y")], "z") }),
    [shared, new DataView(shared.buffer, 2, 3), new Float64Array(2), shared.buffer],
    Object(1),
    Object("text"),
    -0,
    [1, , 3],
  ];
  odd.push(odd);
  return odd;
}

/** A payload as it comes over a link with compression, cut in two. */
function compressed(): Serialized {
  const frame = new TextEncoder().encode("the same again and again, ".repeat(1000));
  return splitPayload(new Serialized({ serializer: "bytes" }, [frame]), "lz4", 16_000);
}

const METRICS = {
  bandwidth: { total: 1, workers: {}, types: {} },
  digests_total_since_heartbeat: {},
  memory: 1,
  managed_bytes: 0,
  spilled_bytes: { memory: 0, disk: 0 },
  task_counts: {},
  time: 0,
  cpu: 0,
};

/** What a worker at `address` registers with. */
export function registration(address: string, name: string): RawMessage {
  return {
    op: "register-worker",
    reply: false,
    address,
    status: "init",
    nthreads: 1,
    name,
    now: 0,
    resources: {},
    memory_limit: null,
    local_directory: "",
    services: {},
    nanny: null,
    pid: 1,
    versions: { host: {}, packages: {} },
    metrics: METRICS,
    extra: {},
    server_id: "Worker-fuzz",
    stimulus_id: "s",
  };
}

const BODIES = [new Uint8Array([0x81, 0xa4]), new Uint8Array([0x80])] as const;
const HASHES = [hashOf(BODIES[0]), hashOf(BODIES[1])] as const;

function hashOf(body: Uint8Array): string {
  return createHash("sha256").update(body).digest("hex");
}

/** At least one of everything that our roles understand; a test compares it with the tables of operations. */
function ownMessages(): unknown[] {
  const args = serializeArguments([1, { rows: [null] }]);
  const stimulus = { stimulus_id: "s" };
  return [
    [{
      op: "update-graph",
      groups: [{
        function: HASHES[0],
        tasks: [["inc-1", args, []], ["inc-2", args, [["inc-1", 1, "rows", 0]]]],
      }],
      functions: { [HASHES[0]]: BODIES[0] },
      annotations: { priority: 1 },
      fifo_timeout: 0.1,
    }],
    [{ op: "client-releases-keys", keys: ["inc-1"] }, { op: "client-desires-keys", keys: ["inc-2"] }],
    [{ op: "client-releases-functions", functions: [HASHES[0]] }, { op: "report-key", key: "inc-1" }],
    [{ op: "cancel-keys", keys: ["inc-1"], force: true, reason: "r", msg: null }, { op: "heartbeat-client" }],
    [{ op: "close-client" }, { op: "close-stream" }],
    [{
      op: "task-finished",
      status: "OK",
      key: "inc-1",
      run_id: 1,
      nbytes: 8,
      type: new Uint8Array([0x4e, 0x2e]),
      typename: "number",
      metadata: {},
      thread: 1,
      startstops: [{ action: "compute", start: 1, stop: 2 }],
      result: new Uint8Array([1]),
      ...stimulus,
    }],
    [{
      op: "task-erred",
      status: "error",
      key: "inc-1",
      run_id: 1,
      exception: encodeError(new RangeError("x")),
      traceback: null,
      exception_text: "x",
      traceback_text: "",
      thread: 1,
      startstops: [],
      ...stimulus,
    }],
    [{ op: "add-keys", keys: ["inc-1"], ...stimulus }, {
      op: "release-worker-data",
      key: "inc-1",
      ...stimulus,
    }],
    [{ op: "reschedule", key: "inc-1", ...stimulus }, {
      op: "request-refresh-who-has",
      keys: ["inc-1"],
      ...stimulus,
    }],
    [{ op: "worker-status-change", status: "paused", ...stimulus }, { op: "keep-alive" }],
    [{
      op: "compute-task",
      key: "inc-1",
      run_id: 1,
      priority: [0, 1, 2],
      who_has: { "inc-0": ["tcp://127.0.0.1:1"] },
      nbytes: { "inc-0": 8 },
      run_spec: ["aa", args, [["inc-0", 0]]],
      resource_restrictions: null,
      actor: false,
      annotations: {},
      span_id: null,
      ...stimulus,
    }],
    [{ op: "register-functions", functions: { aa: new Uint8Array([1]) } }, {
      op: "free-functions",
      functions: [HASHES[0]],
    }],
    [{ op: "free-keys", keys: ["inc-1"], ...stimulus }, {
      op: "remove-replicas",
      keys: ["inc-1"],
      ...stimulus,
    }],
    [{ op: "acquire-replicas", who_has: { a: ["tcp://127.0.0.1:1"] }, nbytes: { a: 1 }, ...stimulus }],
    [{ op: "refresh-who-has", who_has: { a: [] }, ...stimulus }, {
      op: "remove-worker",
      worker: "tcp://h:1",
      ...stimulus,
    }],
    [{ op: "key-in-memory", key: "inc-1", workers: ["tcp://127.0.0.1:1"], result: new Uint8Array([1]) }],
    [{ op: "lost-data", key: "inc-1" }, { op: "cancelled-keys", keys: ["inc-1"], reason: "r", msg: null }],
    { op: "register-client", client: "Client-fuzz", versions: { host: {}, packages: {} }, reply: false },
    registration("tcp://127.0.0.1:9", "fuzz"),
    {
      op: "heartbeat_worker",
      address: "tcp://127.0.0.1:9",
      now: 0,
      metrics: METRICS,
      executing: {},
      extensions: {},
    },
    [{
      op: "update-graph",
      groups: [{
        function: HASHES[1],
        tasks: [["inc-3", args, [["inc-4", 0]]], ["inc-4", args, [["inc-5", 0], ["inc-1", 1]]], [
          "inc-5",
          args,
          [],
        ]],
      }, { function: HASHES[0], tasks: [["inc-6", args, [["inc-7", 0]]], ["inc-7", args, [["inc-6", 0]]]] }],
      functions: { [HASHES[1]]: BODIES[1] },
      annotations: { workers: ["fuzz"], allow_other_workers: true, retries: 1 },
      fifo_timeout: 60,
    }],
    [{
      op: "update-data",
      who_has: { "inc-8": ["tcp://127.0.0.1:8"] },
      nbytes: { "inc-8": 8 },
      client: "Client-fuzz",
    }],
    [{ op: "long-running", key: "inc-1", run_id: 1, compute_duration: 0.5, ...stimulus }, {
      op: "log-event",
      topic: "x",
      msg: {},
    }],
    { op: "identity", n_workers: -1 },
    { op: "ncores", workers: null },
    { op: "processing", workers: ["tcp://127.0.0.1:8"] },
    { op: "get_task_prefix_states" },
    { op: "links" },
    { op: "retry", keys: ["inc-1"], client: "Client-fuzz" },
    {
      op: "scatter",
      data: { "inc-9": serializeValue([1]) },
      client: "Client-fuzz",
      broadcast: true,
      timeout: 0.01,
    },
    { op: "update_data", data: { "inc-9": serializeValue(new Date(0)) }, client: "Client-fuzz" },
    { op: "keys" },
    { op: "ping" },
    { op: "wait_for_workers", n: 1, timeout: 0.01 },
    { op: "retire_workers", names: ["nobody"], close_workers: false, remove: true, ...stimulus },
    { op: "terminate" },
    { op: "close" },
    [{ op: "close", reason: "r" }, { op: "stream-closed" }],
    [{ op: "task-retried", key: "inc-1" }, { op: "adjust-heartbeat-interval", interval: 5 }],
    { op: "unregister", address: "tcp://127.0.0.1:9", ...stimulus },
    { status: "OK", data: { a: serializeValue(oddities()), b: compressed() } },
    { op: "who_has", keys: ["inc-1"] },
    { op: "has_what", workers: null },
    { op: "gather", keys: ["inc-1"] },
    { op: "get_data", keys: ["inc-1"], who: null },
    { status: "OK", data: { a: serializeValue(new Map([[1, new Float64Array(3)]])) } },
    {
      status: "OK",
      data: { a: new Serialized({ serializer: "pickle" }, [new Uint8Array([0x80, 4, 0x4e, 0x2e])]) },
    },
  ];
}
