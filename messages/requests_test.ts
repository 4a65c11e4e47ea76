// What rows of requests let through, and what they refuse: at the serving end, then at the asking end.
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { serializeValue } from "../protocol/values.ts";
import { MessageError, type RawMessage } from "./common.ts";
import { SCHEDULER_OPERATIONS } from "./scheduler_operations.ts";
import { WORKER_OPERATIONS } from "./worker_operations.ts";

const METRICS = { bandwidth: { total: 1, workers: {}, types: {} } };
const REGISTRATION = {
  op: "register-worker",
  address: "tcp://h:1",
  status: "init",
  nthreads: 2,
  name: "w",
  now: 1.5,
  resources: { gpu: 1 },
  metrics: METRICS,
};
const VALUE = serializeValue(1);
const S = SCHEDULER_OPERATIONS;
const W = WORKER_OPERATIONS;

interface Row {
  readonly op: string;
  request(message: RawMessage): unknown;
  reply(value: unknown): unknown;
}

type Read = readonly [what: string, row: Row, message: RawMessage, read: Readonly<Record<string, unknown>>];
const READ: readonly Read[] = [
  ["a client that does not tell its versions", S["register-client"], { client: "c" }, {
    client: "c",
    versions: { host: {}, packages: {} },
    reply: false,
  }],
  ["a client's versions", S["register-client"], {
    client: "c",
    versions: { host: { os: "x" }, packages: { p: "1" } },
  }, { client: "c", versions: { host: { os: "x" }, packages: { p: "1" } }, reply: false }],
  ["a worker that tells the least", S["register-worker"], REGISTRATION, {
    ...REGISTRATION,
    reply: false,
    memory_limit: null,
    local_directory: "",
    services: {},
    nanny: null,
    pid: 0,
    versions: { host: {}, packages: {} },
    extra: {},
    stimulus_id: "",
    server_id: "",
  }],
  ["a worker that tells all", S["register-worker"], {
    ...REGISTRATION,
    memory_limit: 5,
    local_directory: "/d",
    services: { web: 80 },
    nanny: "tcp://n:1",
    pid: 7,
    versions: { host: {}, packages: {} },
    extra: { runtime: "deno" },
    stimulus_id: "s",
    server_id: "Worker-1",
  }, {
    ...REGISTRATION,
    reply: false,
    memory_limit: 5,
    local_directory: "/d",
    services: { web: 80 },
    nanny: "tcp://n:1",
    pid: 7,
    versions: { host: {}, packages: {} },
    extra: { runtime: "deno" },
    stimulus_id: "s",
    server_id: "Worker-1",
  }],
  ["a worker whose name is a number", S["register-worker"], { ...REGISTRATION, name: 7, nthreads: 65_536 }, {
    ...S["register-worker"].request(REGISTRATION),
    name: "7",
    nthreads: 65_536,
  }],
  ["a heartbeat with the least", S.heartbeat_worker, { address: "a", metrics: METRICS, executing: {} }, {
    address: "a",
    now: 0,
    metrics: METRICS,
    executing: {},
    extensions: {},
  }],
  ["a heartbeat with all", S.heartbeat_worker, {
    address: "a",
    now: 2,
    metrics: METRICS,
    executing: { x: 1 },
    extensions: { e: 1 },
  }, { address: "a", now: 2, metrics: METRICS, executing: { x: 1 }, extensions: { e: 1 } }],
  ["a goodbye", S.unregister, { address: "a", stimulus_id: "s" }, { address: "a", stimulus_id: "s" }],
  ["a goodbye for too long a cause", S.unregister, { address: "a", stimulus_id: "s".repeat(257) }, {
    address: "a",
  }],
  ["a goodbye without a cause", S.unregister, { address: "a", stimulus_id: 1 }, { address: "a" }],
  ["a retirement of all kinds", S.retire_workers, {
    workers: ["a"],
    names: [0, "b"],
    n: 1,
    target: 2,
    minimum: 3,
    memory_ratio: 1.5,
    close_workers: true,
    remove: false,
    stimulus_id: "s",
    key: null,
  }, {
    workers: ["a"],
    names: ["0", "b"],
    n: 1,
    target: 2,
    minimum: 3,
    memory_ratio: 1.5,
    close_workers: true,
    remove: false,
    stimulus_id: "s",
  }],
  ["a retirement that leaves all open", S.retire_workers, { workers: null, n: undefined }, {
    workers: undefined,
    names: undefined,
    n: undefined,
    target: undefined,
    minimum: undefined,
    memory_ratio: undefined,
    close_workers: undefined,
    remove: undefined,
    stimulus_id: undefined,
  }],
  ["who asks for results", W.get_data, { keys: new Set(["x"]), who: "tcp://h:1" }, {
    keys: ["x"],
    who: "tcp://h:1",
  }],
  ["who asks for results without an address", W.get_data, { keys: [], who: 1 }, { keys: [], who: null }],
  ["keys to gather", S.gather, { keys: ["x"] }, { keys: ["x"] }],
  ["values to scatter", S.scatter, { client: "c", data: { x: VALUE } }, {
    client: "c",
    data: { x: VALUE },
    workers: null,
    broadcast: false,
    timeout: 2,
  }],
  ["values to scatter, and where", S.scatter, {
    client: "c",
    data: {},
    workers: ["a"],
    broadcast: 2,
    timeout: 0.5,
  }, { client: "c", data: {}, workers: ["a"], broadcast: 2, timeout: 0.5 }],
  ["values for everybody", S.scatter, { client: "c", data: {}, broadcast: true }, {
    client: "c",
    data: {},
    workers: null,
    broadcast: true,
    timeout: 2,
  }],
  ["values for a worker", W.update_data, { data: { x: VALUE } }, { data: { x: VALUE } }],
  ["failed tasks", S.retry, { keys: ["x"], client: "c" }, { keys: ["x"], client: "c" }],
  ["failed tasks of nobody", S.retry, { keys: ["x"] }, { keys: ["x"] }],
  ["some keys", S.who_has, { keys: ["x"] }, { keys: ["x"] }],
  ["all keys", S.who_has, { keys: null }, { keys: null }],
  ["all keys by leaving them out", S.who_has, {}, { keys: null }],
  ["some workers", S.has_what, { workers: ["a"] }, { workers: ["a"] }],
  ["all workers", S.has_what, { workers: null }, { workers: null }],
  ["some workers' tasks", S.processing, { workers: ["a"] }, { workers: ["a"] }],
  ["all workers' threads", S.ncores, { workers: ["a"] }, { workers: null }],
  ["a number of workers", S.identity, { n_workers: 3 }, { n_workers: 3 }],
  ["no number of workers", S.identity, { n_workers: "3" }, {}],
  ["workers to wait for", S.wait_for_workers, { n: 3, workers: ["a"], timeout: 0.5 }, {
    n: 3,
    workers: ["a"],
    timeout: 0.5,
  }],
  ["a wait without an end", S.wait_for_workers, { n: 3 }, { n: 3, workers: null, timeout: null }],
  ["nothing", W.ping, { x: 1 }, {}],
];

for (const [what, row, message, read] of READ) {
  Deno.test(`Rows read ${what}: ${row.op}`, () => {
    assertEquals(row.request({ op: row.op, ...message }), { op: row.op, ...read });
  });
}

Deno.test("Rows read values that a scheduler is told of as the stream's message", () => {
  const message = { op: "update_data", who_has: { x: ["a"] }, nbytes: { x: 1 }, client: "c" };
  assertEquals(S.update_data.request(message).op, "update-data");
  assertEquals(S.update_data.request(message).who_has, { x: ["a"] } as never);
});

type Refused = readonly [what: string, row: Row, message: RawMessage, text: RegExp];
const REFUSED: readonly Refused[] = [
  ["a client without a name", S["register-client"], { client: 1 }, /"client" must be a string/],
  ...["address", "status", "nthreads", "now", "resources", "metrics", "name"].map((field): Refused => [
    `a worker without ${field}`,
    S["register-worker"],
    { ...REGISTRATION, [field]: undefined },
    new RegExp(field),
  ]),
  ["a status that is none", S["register-worker"], { ...REGISTRATION, status: "tired" }, /no status.*"tired"/],
  ...[0, 1.5, 65_537, -1].map((nthreads): Refused => [
    `a worker of ${nthreads} threads`,
    S["register-worker"],
    { ...REGISTRATION, nthreads },
    /threads/,
  ]),
  ["a limit that is no number", S["register-worker"], { ...REGISTRATION, memory_limit: "1" }, /memory_limit/],
  ["metrics without bandwidth", S["register-worker"], { ...REGISTRATION, metrics: {} }, /no bandwidth/],
  ["a heartbeat of nobody", S.heartbeat_worker, { metrics: METRICS, executing: {} }, /"address"/],
  ["a heartbeat without tasks", S.heartbeat_worker, { address: "a", metrics: METRICS }, /"executing"/],
  ["a heartbeat without metrics", S.heartbeat_worker, { address: "a", executing: {} }, /"metrics"/],
  ["a goodbye of nobody", S.unregister, {}, /"address"/],
  ...[
    { key: "x" },
    { attribute: "host" },
    { workers: [1] },
    { workers: "a" },
    { names: [null] },
    { n: 1.5 },
    { target: "2" },
    { minimum: NaN },
    { memory_ratio: "2" },
    { close_workers: 1 },
    { remove: "no" },
    { stimulus_id: 5 },
  ].map((fields): Refused => [
    `a retirement by ${JSON.stringify(fields)}`,
    S.retire_workers,
    fields,
    new RegExp(`"retire_workers": field "${Object.keys(fields)[0]}"`),
  ]),
  ["results without keys", W.get_data, {}, /"get_data": field "keys"/],
  ["a gathering of no keys", S.gather, { keys: [1] }, /"gather": field "keys"/],
  [
    "a value that is not serialized",
    S.scatter,
    { client: "c", data: { x: 1 } },
    /value of "x" is not serialized/,
  ],
  ["values of nobody", S.scatter, { data: {} }, /"client"/],
  ["values that are no map", S.scatter, { client: "c", data: [] }, /"data"/],
  ["a time that is none", S.scatter, { client: "c", data: {}, timeout: "1" }, /"timeout"/],
  [
    "a worker's value that is not serialized",
    W.update_data,
    { data: { x: 1 } },
    /"update_data": value of "x"/,
  ],
  ["holders that are no lists", S.update_data, { who_has: { x: 1 }, nbytes: {}, client: "c" }, /"x"/],
  ["a retry without keys", S.retry, {}, /"retry": field "keys"/],
  ["a wait for no number", S.wait_for_workers, { timeout: 1 }, /"wait_for_workers": field "n"/],
  ["a wait that is no time", S.wait_for_workers, { n: 1, timeout: "1" }, /field "timeout"/],
  ["a wait for no names", S.wait_for_workers, { n: 1, workers: ["a", 1] }, /field "workers"/],
  ["keys that are none", S.who_has, { keys: 5 }, /"who_has": field "keys"/],
];

for (const [what, row, message, text] of REFUSED) {
  Deno.test(`Rows refuse ${what}: ${row.op}`, () => {
    assertMatch(assertThrows(() => row.request({ op: row.op, ...message }), MessageError).message, text);
  });
}

type Replies = readonly [row: Row, good: readonly unknown[], bad: readonly unknown[]];
const HOLDERS: readonly unknown[] = [{}, { x: [] }, { x: ["a", "b"] }];
const NO_HOLDERS: readonly unknown[] = [null, [], { x: "a" }, { x: [1] }];
const REPLIES: readonly Replies[] = [
  [S["register-client"], [[{ op: "stream-start" }], [{ op: "stream-start", warning: "w", error: "e" }]], [
    null,
    [],
    { op: "stream-start" },
    [{ op: "stream" }],
    [{ op: "stream-start", error: 1 }],
    [{ op: "stream-start", warning: 1 }],
  ]],
  [
    S["register-worker"],
    [{ status: "OK", time: 1, "heartbeat-interval": 1 }, { status: "error", message: "m", time: 1 }],
    [null, "OK", {}, { status: "no" }, { status: "error", message: 1 }, {
      status: "OK",
      "heartbeat-interval": "1",
    }],
  ],
  [S.heartbeat_worker, [{ status: "OK", "heartbeat-interval": 1 }, { status: "missing" }], [null, {}, {
    status: "error",
  }, { status: "OK", "heartbeat-interval": null }]],
  [S.identity, [{ type: "Scheduler", workers: {} }], [null, {}, { type: "Worker", workers: {} }, {
    type: "Scheduler",
  }]],
  [W.identity, [{ type: "Worker" }], [null, { type: "Scheduler" }]],
  [W.get_data, [{ status: "busy" }, { status: "OK", data: {} }], [null, { status: "OK" }, { data: {} }, {
    status: "OK",
    data: [],
  }]],
  [S.gather, [{ status: "OK", data: { x: VALUE } }, { status: "error", keys: ["x"] }], [
    null,
    { status: "error" },
    { status: "error", keys: [1] },
    { status: "busy", data: {} },
  ]],
  [W.update_data, [{ status: "OK", nbytes: { x: 1 } }], [null, { status: "OK" }, { nbytes: {} }, {
    status: "OK",
    nbytes: { x: "1" },
  }]],
  [S.scatter, [[], ["x"]], [null, "x", [1]]],
  [S.retry, [["x"]], [{}, [1]]],
  [W.keys, [["x"]], [null]],
  [S.who_has, HOLDERS, NO_HOLDERS],
  [S.has_what, HOLDERS, NO_HOLDERS],
  [S.processing, HOLDERS, NO_HOLDERS],
  [S.ncores, [{ a: 1 }], [null, { a: "1" }]],
  [S.get_task_prefix_states, [{ inc: { memory: 1 } }], [null, { inc: 1 }, { inc: { memory: "1" } }]],
  [S.links, [[], [{ peer: "a" }]], [null, {}, ["a"]]],
  [S.retire_workers, [{}, { a: { type: "Worker" } }], [null, { a: 1 }]],
  [S.terminate, ["OK"], [null, 1]],
  [W.ping, [new Uint8Array(4)], ["pong", null]],
  [S.wait_for_workers, [null, [], ["tcp://h:1"]], ["OK", [1], {}]],
  [S.close, ["OK"], [null]],
];

for (const [row, good, bad] of REPLIES) {
  Deno.test(`Rows read the reply and no other thing: ${row.op}`, () => {
    for (const reply of good) assertEquals(row.reply(reply), reply);
    for (const reply of bad) assertThrows(() => row.reply(reply), MessageError, "it must be ");
  });
}

Deno.test("get_data is confirmed when there is data", () => {
  assertEquals(W.get_data.isConfirmed({ status: "OK", data: {} }), true);
  assertEquals(W.get_data.isConfirmed({ status: "busy" }), false);
});

Deno.test("Refusals of registrations read as the first message that was waited for", () => {
  const client = S["register-client"];
  assertEquals(client.reply(client.refusal("no")), [{ op: "stream-start", error: "no" }]);
  const worker = S["register-worker"];
  assertEquals(worker.reply(worker.refusal("no", 5)), { status: "error", message: "no", time: 5 });
  assert(W["register-worker"].refusal === worker.refusal);
});
