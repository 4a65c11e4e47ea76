/**
 * What the fuzzer damages: every message that was captured from Dask, and those of our own roles.
 *
 * @module
 */

import { encodeFrames, FrameReader } from "../../protocol/frames.ts";
import { decodeMessage, encodeMessage } from "../../protocol/message.ts";
import { Serialized } from "../../protocol/serialized.ts";
import { serializeArguments, serializeValue } from "../../protocol/values.ts";
import { encodeError } from "../../protocol/remote_error.ts";
import { fromBase64, loadVectors } from "../../testing/vectors.ts";

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

/** At least one of everything that our roles say and Dask's don't, or say otherwise. */
function ownMessages(): unknown[] {
  const args = serializeArguments([1, { rows: [null] }]);
  const stimulus = { stimulus_id: "s" };
  return [
    [{
      op: "update-graph",
      groups: [{ function: "aa", tasks: [["inc-1", args, []], ["inc-2", args, [["inc-1", 1, "rows", 0]]]] }],
      functions: { aa: new Uint8Array([0x81, 0xa4]) },
      annotations: { priority: 1 },
      fifo_timeout: 0.1,
    }],
    [{ op: "client-releases-keys", keys: ["inc-1"] }, { op: "client-desires-keys", keys: ["inc-2"] }],
    [{ op: "client-releases-functions", functions: ["aa"] }, { op: "report-key", key: "inc-1" }],
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
      functions: ["aa"],
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
    {
      op: "register-worker",
      reply: false,
      address: "tcp://127.0.0.1:9",
      status: "init",
      nthreads: 1,
      name: "fuzz",
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
      ...stimulus,
    },
    {
      op: "heartbeat_worker",
      address: "tcp://127.0.0.1:9",
      now: 0,
      metrics: METRICS,
      executing: {},
      extensions: {},
    },
    { op: "identity", n_workers: -1 },
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
