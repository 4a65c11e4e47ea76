import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { parseClientReport, parseClientStreamMessage } from "./client_scheduler.ts";
import { MessageError, type RawMessage } from "./common.ts";
import { parseRetireWorkers } from "./membership.ts";
import { parseRunSpec } from "./run_spec.ts";
import { parseWorkerCommand, parseWorkerStreamMessage } from "./worker_scheduler.ts";

const ARGS = new Uint8Array([0x90]);
const GRAPH = {
  op: "update-graph",
  groups: [{ function: "aa", tasks: [["a", ARGS, []], ["b", ARGS, [["a", 0, "rows", 1]]]] }],
  functions: { aa: new Uint8Array([1]) },
  annotations: { priority: 1, retries: 2, workers: ["w"], allow_other_workers: true },
  fifo_timeout: 0.1,
};
const COMPUTE = {
  op: "compute-task",
  key: "a",
  run_id: 1,
  priority: [0, 1, 2],
  stimulus_id: "s",
  who_has: { b: ["tls://127.0.0.1:1"] },
  nbytes: { b: 8 },
  run_spec: ["aa", ARGS, []],
  resource_restrictions: null,
  actor: false,
  annotations: {},
  span_id: null,
};
const FINISHED = {
  op: "task-finished",
  status: "OK",
  key: "a",
  run_id: 1,
  nbytes: 8,
  type: new Uint8Array(),
  typename: "number",
  metadata: {},
  thread: 1,
  startstops: [{ action: "compute", start: 1, stop: 2 }],
  stimulus_id: "s",
};

Deno.test("parse functions return the message itself where nothing has to be changed", () => {
  assertEquals(parseClientStreamMessage(GRAPH) === GRAPH as unknown, true);
  assertEquals(parseWorkerCommand(COMPUTE) === COMPUTE as unknown, true);
  assertEquals(parseWorkerStreamMessage(FINISHED) === FINISHED as unknown, true);
});

Deno.test("parseClientStreamMessage checks values that workers were given", () => {
  const message = { op: "update-data", who_has: { x: ["tls://h:1"] }, nbytes: { x: 8 }, client: "c" };
  assertEquals(parseClientStreamMessage(message) === message as unknown, true);
  const damaged: RawMessage[] = [
    { ...message, who_has: { x: "tls://h:1" } },
    { ...message, who_has: { x: [1] } },
    { ...message, nbytes: { x: "8" } },
    { ...message, nbytes: null },
    { ...message, client: 1 },
  ];
  for (const one of damaged) assertThrows(() => parseClientStreamMessage(one), MessageError, "update-data");
});

Deno.test("parse functions take Python's sets of keys as lists", () => {
  const message = { op: "client-releases-keys", keys: new Set(["a", "b"]) };
  assertEquals(parseClientStreamMessage(message), { op: "client-releases-keys", keys: ["a", "b"] } as never);
});

type Parse = (message: RawMessage) => unknown;
type Refused = readonly [what: string, parse: Parse, message: unknown, wanted: RegExp];
const REFUSED: readonly Refused[] = [
  [
    "an op that no client says",
    parseClientStreamMessage,
    { op: "format-disk" },
    /"format-disk" on a client's stream/,
  ],
  ["a graph of a Python client", parseClientStreamMessage, { ...GRAPH, expr_ser: 1 }, /Python expression/],
  ["a graph without groups", parseClientStreamMessage, { ...GRAPH, groups: 1 }, /"groups" must be an array/],
  ["a task that is no row", parseClientStreamMessage, {
    ...GRAPH,
    groups: [{ function: "a", tasks: [["a"]] }],
  }, /a task is not/],
  // What workers would refuse to run, and end for.
  ...[[1], { a: 1 }].map((args): Refused => [
    `arguments that are ${Array.isArray(args) ? "a list" : "a map"}`,
    parseClientStreamMessage,
    { ...GRAPH, groups: [{ function: "a", tasks: [["a", args, []]] }] },
    /a task is not/,
  ]),
  ["a reference that is no path", parseClientStreamMessage, {
    ...GRAPH,
    groups: [{ function: "a", tasks: [["a", ARGS, [["b"]]]] }],
  }, /a task is not/],
  [
    "a body that is no bytes",
    parseClientStreamMessage,
    { ...GRAPH, functions: { aa: "text" } },
    /body of function aa/,
  ],
  [
    "an unknown annotation",
    parseClientStreamMessage,
    { ...GRAPH, annotations: { gpu: 1 } },
    /"gpu" is not supported/,
  ],
  [
    "an annotation of a wrong type",
    parseClientStreamMessage,
    { ...GRAPH, annotations: { retries: -1 } },
    /"retries" has a wrong type/,
  ],
  [
    "an annotation named like a method",
    parseClientStreamMessage,
    { ...GRAPH, annotations: { toString: 1 } },
    /not supported/,
  ],
  ["keys that are no strings", parseClientStreamMessage, { op: "client-desires-keys", keys: [1] }, /strings/],
  [
    "a cancel without a reason",
    parseClientStreamMessage,
    { op: "cancel-keys", keys: [], force: true },
    /"reason"/,
  ],
  ["an op that no worker says", parseWorkerStreamMessage, { op: "compute-task" }, /on a worker's stream/],
  [
    "a result without a size",
    parseWorkerStreamMessage,
    { ...FINISHED, nbytes: "8" },
    /"nbytes" must be a size in bytes, got a string/,
  ],
  ["a size that is no number", parseWorkerStreamMessage, { ...FINISHED, nbytes: NaN }, /"nbytes"/],
  [
    "a result that is no bytes",
    parseWorkerStreamMessage,
    { ...FINISHED, result: "x" },
    /"result" must be bytes/,
  ],
  [
    "a report of a result that is no bytes",
    parseClientReport,
    { op: "key-in-memory", key: "a", result: 1 },
    /"result"/,
  ],
  ["steps without times", parseWorkerStreamMessage, { ...FINISHED, startstops: [{}] }, /timed steps/],
  ["steps that are null", parseWorkerStreamMessage, { ...FINISHED, startstops: [null] }, /timed steps/],
  [
    "a status that is none",
    parseWorkerStreamMessage,
    { op: "worker-status-change", status: "tired" },
    /no status is called "tired"/,
  ],
  ["an op that no scheduler says", parseWorkerCommand, { op: "steal-request" }, /on the scheduler's stream/],
  ["a task without a priority", parseWorkerCommand, { ...COMPUTE, priority: null }, /"priority"/],
  ["a task with an odd priority", parseWorkerCommand, { ...COMPUTE, priority: [0, "x"] }, /"priority"/],
  ["holders that are no lists", parseWorkerCommand, { ...COMPUTE, who_has: { b: "x" } }, /"who_has"/],
  [
    "a run spec of Python",
    parseWorkerCommand,
    { ...COMPUTE, run_spec: new Uint8Array(3) },
    /run_spec is not one/,
  ],
  ["a run spec with raw arguments", parseRunSpec as Parse, ["aa", [1], []], /run_spec is not one/],
];

for (const [what, parse, message, wanted] of REFUSED) {
  Deno.test(`parse functions refuse ${what}`, () => {
    assertMatch(assertThrows(() => parse(message as RawMessage), MessageError).message, wanted);
  });
}

Deno.test("parseClientReport passes over ops that a client may ignore, as Dask's do", () => {
  assertEquals(parseClientReport({ op: "event", topic: "x" }), undefined);
  assertThrows(
    () => parseClientReport({ op: "key-in-memory", key: 1 }),
    MessageError,
    "a key (a string of at most 10000 characters), got a number",
  );
});

Deno.test("keys that are longer than any name are refused wherever they come", () => {
  const key = "k".repeat(10_001);
  const graph = {
    op: "update-graph",
    groups: [{ function: "f", tasks: [[key, new Uint8Array([0x90]), []]] }],
    functions: {},
    annotations: {},
    fifo_timeout: 0,
  };
  assertThrows(() => parseClientStreamMessage(graph), MessageError, "a task is not [key, args, references]");
  const data = { op: "update-data", who_has: { [key]: [] }, nbytes: { [key]: 1 }, client: "c" };
  assertThrows(() => parseClientStreamMessage(data), MessageError, "longer than 10000");
  for (const op of ["client-desires-keys", "client-releases-keys"]) {
    assertThrows(
      () => parseClientStreamMessage({ op, keys: [key] }),
      MessageError,
      "at most 10000 characters",
    );
  }
  const reschedule = { op: "reschedule", key, stimulus_id: "s" };
  assertThrows(() => parseWorkerStreamMessage(reschedule), MessageError, "at most 10000 characters");
});

Deno.test("parseClientStreamMessage makes a list of hashes that came as a set", () => {
  const message = { op: "client-releases-functions", functions: new Set(["a", "b"]) };
  const parsed: unknown = parseClientStreamMessage(message);
  assertEquals(parsed, { ...message, functions: ["a", "b"] });
});

Deno.test("The cause of a retirement is noted if it is not too long", () => {
  const request = (length: number) => parseRetireWorkers({ stimulus_id: "s".repeat(length) }).stimulus_id;
  assertEquals([request(256)?.length, request(257)], [256, undefined]);
});
