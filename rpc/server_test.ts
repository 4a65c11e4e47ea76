import { assert, assertEquals, assertRejects } from "@std/assert";
import type { RawMessage } from "../messages/common.ts";
import { Serialized } from "../protocol/serialized.ts";
import { LinkPair, RawPeer } from "../testing/links.ts";
import { BatchedSend } from "./batched.ts";
import type { Comm } from "../comm/comm.ts";
import { connect } from "../comm/connect.ts";
import { CommClosed } from "../comm/errors.ts";
import { RpcError } from "./errors.ts";
import { call } from "./call.ts";
import { untyped } from "../messages/operations.ts";
import { SCHEDULER_OPERATIONS } from "../messages/scheduler_operations.ts";
import { WORKER_OPERATIONS } from "../messages/worker_operations.ts";
import { served as made } from "../testing/served.ts";
import { DONT_REPLY } from "./handlers.ts";
import { Server, type ServerOptions } from "./server.ts";
import { handleStream, type StreamEnd } from "./stream.ts";

interface Exchange {
  readonly sent?: unknown;
  readonly reply?: unknown;
  readonly closed?: boolean;
  readonly silence?: boolean;
}

interface Vector {
  readonly id: string;
  readonly handshake: unknown;
  readonly exchange: readonly Exchange[];
}

const { vectors }: { readonly vectors: readonly Vector[] } = JSON.parse(
  await Deno.readTextFile(new URL("../tests/vectors/rpc-behaviour.json", import.meta.url)),
);

const refusals = {
  "register-client": SCHEDULER_OPERATIONS["register-client"].refusal,
  "register-worker": SCHEDULER_OPERATIONS["register-worker"].refusal,
};

/** A role that answers what the scheduler of the vectors does, as far as comm/ is concerned. */
const role: ServerOptions = {
  name: "Scheduler",
  operations: made({
    close: () => "OK",
    echo: (request) => {
      if (!("data" in request)) throw new TypeError("echo() misses data");
      return request["data"];
    },
    identity: () => ({
      type: "Scheduler",
      address: "",
      id: "",
      n_workers: 0,
      services: {},
      started: 0,
      total_memory: 0,
      total_threads: 0,
      workers: {},
    }),
    feed: () => null,
    get_metadata: () => {
      throw new ReferenceError("nope");
    },
    heartbeat_worker: (request) => {
      if (!("address" in request)) throw new TypeError("misses address");
      return { status: "missing" };
    },
    "register-worker": async (request, comm) => {
      if (!("metrics" in request)) throw new TypeError("misses metrics");
      await comm.write({ status: "OK" });
      await handleStream(comm, () => {});
    },
    "register-client": async (request, comm) => {
      if (!("versions" in request)) throw new TypeError("misses versions");
      const stream = new BatchedSend(comm);
      stream.send({ op: "stream-start" });
      await handleStream(comm, (messages) => {
        for (const { op, ...fields } of messages) {
          if (op !== "heartbeat-client" && op !== "close-client") throw new Error(`unknown op ${op}`);
          if (Object.keys(fields).some((field) => field !== "client")) throw new Error("unknown field");
          if (op === "heartbeat-client") stream.send({ op: "adjust-heartbeat-interval", interval: 5 });
        }
      });
    },
  }, {
    close: { endsLink: true },
    "register-client": { answer: "stream", refusal: refusals["register-client"] },
    "register-worker": { answer: "stream", refusal: refusals["register-worker"] },
  }),
  blockedHandlers: ["feed"],
};

/** What of the vectors is not about comm/, and why. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  "pickled-arg": "Python unpickles; ours passes pickles on",
  "no-handshake-fields": "Python goes silent; ours closes at once, see listen_test.ts",
  "handshake-late": "no exchange; see listen_test.ts",
  "huge-prefix": "Python allocates what the hint says; ours ignores it and waits for the rest",
};

function untag(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(untag);
  const record = value as Readonly<Record<string, unknown>>;
  if (Array.isArray(record["$tuple"])) return record["$tuple"].map(untag);
  if (typeof record["$serialize"] === "object") {
    return new Serialized({ serializer: "dask" }, [new Uint8Array(3)]);
  }
  return Object.fromEntries(Object.entries(record).map(([key, item]) => [key, untag(item)]));
}

async function replay(address: string, { id, handshake, exchange }: Vector): Promise<void> {
  using peer = await RawPeer.dial(address);
  await peer.write(untag(handshake));
  await peer.read(); // the listener speaks first
  for (const [i, step] of exchange.entries()) {
    const where = `${id}, step ${i}`;
    const raw = (step.sent as { $raw?: string } | undefined)?.$raw;
    if (raw !== undefined) await peer.send(Uint8Array.from(atob(raw), (char) => char.charCodeAt(0)));
    else if (step.sent !== undefined) await peer.write(untag(step.sent)).catch(() => {});
    if (step.silence === true) continue; // the next reply shows that nothing came before it
    const reply = await peer.read();
    if (step.closed === true) assertEquals(reply, undefined, where);
    else checkReply(reply, step.reply, where);
  }
}

function checkReply(reply: unknown, expected: unknown, where: string): void {
  const wanted = untag(expected);
  if (typeof wanted !== "object" || wanted === null) return assertEquals(reply, wanted, where);
  if ("$serialized" in wanted) return assert(reply instanceof Serialized, where);
  if (Array.isArray(wanted)) {
    assert(Array.isArray(reply) && reply.length === wanted.length, where);
    return assertEquals((reply[0] as RawMessage)["op"], (wanted[0] as RawMessage)["op"], where);
  }
  const { status, type, keys } = wanted as RawMessage;
  assertEquals((reply as RawMessage)?.["status"], status, where);
  assertEquals((reply as RawMessage)?.["type"], type, where);
  if (Array.isArray(keys)) assertEquals(Object.keys(reply as object).sort(), keys, where);
}

const GET_DATA = { keys: [], who: null };

Deno.test("Server reacts to odd input as Dask's does", async () => {
  await using server = new Server(role);
  const { contactAddress } = await server.listen("tcp://127.0.0.1:0");
  const skipped: string[] = [];
  for (const vector of vectors) {
    const why = ELSEWHERE[vector.id];
    if (why !== undefined) skipped.push(`${vector.id} (${why})`);
    else await replay(contactAddress, vector);
  }
  const text = `rpc-behaviour.json: ${vectors.length - skipped.length} of ${vectors.length}; others: ${
    skipped.join(", ")
  }\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(text));
  assertEquals(skipped.length, Object.keys(ELSEWHERE).length);
});

async function served(options: Partial<ServerOptions>) {
  const server = new Server({ name: "Worker", operations: [], ...options });
  const listener = await server.listen("inproc://");
  return { server, dial: () => connect(listener.contactAddress) };
}

Deno.test("Server tells our own peers that it does not know an operation", async () => {
  const { server, dial } = await served({});
  const comm = await dial();
  const error = await assertRejects(() => call(comm, untyped("nonsense"), {}), RpcError);
  assert(error.message.includes(`Unknown operation "nonsense" for a Worker`), error.message);
  await assertRejects(() => call(comm, untyped("constructor"), {}), RpcError, "Unknown operation");
  await server.close();
});

Deno.test("Server passes on what a handler throws, and the comm goes on", async () => {
  const { server, dial } = await served({
    operations: made({
      fails: () => Promise.reject(new RangeError("too far")),
      works: (request) => Promise.resolve(request["x"]),
    }),
  });
  const comm = await dial();
  const error = await assertRejects(() => call(comm, untyped("fails"), {}), RpcError, "RangeError: too far");
  assertEquals([error.op, error.address, error.remote.name], ["fails", comm.peerAddress, "RangeError"]);
  assertEquals(await call(comm, untyped("works"), { x: 1 }), 1);
  await server.close();
});

Deno.test("Server answers with an error if the reply can't be encoded", async () => {
  const { server, dial } = await served({ operations: made({ odd: () => () => 1 }) });
  const comm = await dial();
  await assertRejects(() => call(comm, untyped("odd"), {}), RpcError, "function");
  await server.close();
});

Deno.test("Server lets a handler write by itself: the three steps of get_data", async () => {
  const confirmed = Promise.withResolvers<unknown>();
  const { server, dial } = await served({
    operations: made({
      get_data: async (_request, comm) => {
        await comm.write({ status: "OK", data: {} });
        confirmed.resolve(await comm.read());
        return DONT_REPLY;
      },
      next: () => "next",
    }),
  });
  const comm = await dial();
  assertEquals(await call(comm, WORKER_OPERATIONS.get_data, GET_DATA), { status: "OK", data: {} });
  assertEquals(await confirmed.promise, "OK");
  assertEquals(await call(comm, untyped("next"), {}), "next");
  await server.close();
});

Deno.test("Server does not wait for OK after a busy reply", async () => {
  const { server, dial } = await served({ operations: made({ get_data: () => ({ status: "busy" }) }) });
  const comm = await dial();
  for (let i = 0; i < 2; i++) {
    assertEquals(await call(comm, WORKER_OPERATIONS.get_data, GET_DATA), { status: "busy" });
  }
  await server.close();
});

Deno.test("Server drops comms above its limit", async () => {
  const { server, dial } = await served({ limits: { links: 1 }, operations: made({ ping: () => "pong" }) });
  const first = await dial();
  const second = await dial();
  await assertRejects(() => second.read(), CommClosed);
  assertEquals(await call(first, untyped("ping"), {}), "pong");
  assertEquals(server.comms().size, 1);
  await server.close();
});

Deno.test("Server closes comms, aborts its handlers' signal and waits for them", async () => {
  const started = Promise.withResolvers<void>();
  let ended = false;
  const { server, dial } = await served({
    operations: made({
      forever: async (_request, _comm, signal) => {
        const aborted = Promise.withResolvers<void>();
        signal.addEventListener("abort", () => aborted.resolve());
        started.resolve();
        await aborted.promise;
        ended = true;
      },
    }),
  });
  const comm = await dial();
  const reply = assertRejects(() => call(comm, untyped("forever"), {}), CommClosed);
  await started.promise;
  await server.close();
  await server.close();
  assert(ended);
  await reply;
  await assertRejects(() => dial(), CommClosed);
  const late = await LinkPair.make("inproc");
  server.serve(late.server);
  assert(late.server.closed);
  await late[Symbol.asyncDispose]();
});

Deno.test("Server survives a handler whose peer goes away", async () => {
  const gone = Promise.withResolvers<void>();
  const { server, dial } = await served({
    operations: made({
      slow: async (_request, comm) => {
        await assertRejects(() => comm.read(), CommClosed);
        gone.resolve();
        return "nobody hears this";
      },
      ping: () => "pong",
    }),
  });
  const comm = await dial();
  await comm.write({ op: "slow" });
  comm.abort();
  await gone.promise;
  assertEquals(await call(await dial(), untyped("ping"), {}), "pong");
  await server.close();
});

Deno.test("call that is given up aborts its comm and rejects with the reason", async () => {
  const asked = Promise.withResolvers<void>();
  const { server, dial } = await served({
    operations: made({
      never: (_request, _comm, signal) => {
        asked.resolve();
        const { promise, resolve } = Promise.withResolvers<void>();
        signal.addEventListener("abort", () => resolve());
        return promise;
      },
    }),
  });
  const comm = await dial();
  const controller = new AbortController();
  const reply = assertRejects(() => call(comm, untyped("never"), {}, controller.signal), Error, "enough");
  await asked.promise;
  controller.abort(new Error("enough"));
  await reply;
  assert(comm.closed);
  await server.close();
});

async function stream(sent: readonly unknown[]): Promise<[RawMessage[][], StreamEnd]> {
  await using pair = await LinkPair.make("inproc");
  const batches: RawMessage[][] = [];
  for (const message of sent) await pair.client.write(message);
  await pair.client.close();
  return [batches, await handleStream(pair.server, (messages) => batches.push([...messages]))];
}

Deno.test("handleStream hands over batches and bare maps in order until the link ends", async () => {
  const [batches, end] = await stream([[{ op: "a" }, { op: "b" }], { op: "c" }, []]);
  assertEquals(batches, [[{ op: "a" }, { op: "b" }], [{ op: "c" }], []]);
  assert(!end.orderly && end.error instanceof CommClosed);
});

Deno.test("handleStream ends at close-stream and drops what follows", async () => {
  const [batches, end] = await stream([[{ op: "a" }, { op: "close-stream" }, { op: "b" }], [{ op: "c" }]]);
  assertEquals(batches, [[{ op: "a" }]]);
  assertEquals(end, { orderly: true, error: undefined });
});

Deno.test("handleStream takes OK for the end of a batch, as Dask does", async () => {
  const [batches] = await stream([[{ op: "a" }, "OK", { op: "b" }], [{ op: "c" }]]);
  assertEquals(batches, [[{ op: "a" }], [{ op: "c" }]]);
});

Deno.test("handleStream aborts the comm when a message can't be handled", async () => {
  for (const odd of [[5], ["text"], [{ no: "op" }], [{ op: 1 }], 7]) {
    await assertRejects(() => stream([odd]), Error, `must be a map with "op"`);
  }
  await using pair = await LinkPair.make("inproc");
  await pair.client.write([{ op: "bad" }]);
  const refuse = () => {
    throw new Error("unknown op");
  };
  await assertRejects(() => handleStream(pair.server, refuse), Error, "unknown op");
  assert(pair.server.closed);
  await assertRejects(() => pair.client.read(), CommClosed);
});

Deno.test("Server and call go through get_data as Python's workers do", async () => {
  const file = new URL("../tests/vectors/peer-behaviour.json", import.meta.url);
  const peers: { readonly id: string; readonly reply?: unknown }[] =
    JSON.parse(await Deno.readTextFile(file)).vectors;
  const replyOf = (id: string): unknown => peers.find((vector) => vector.id === id)?.reply;
  const missing = replyOf("get_data-missing");
  const busy = replyOf("get_data-busy");
  assert(missing !== undefined && busy !== undefined);
  const replies = [missing, busy, missing];
  const { server, dial } = await served({
    operations: made({
      get_data: async (_request, comm) => {
        const reply = replies.shift();
        if (reply !== missing) return reply;
        await comm.write(reply);
        assertEquals(await comm.read(), "OK");
        return DONT_REPLY;
      },
      identity: () => ({ type: "Worker" }),
    }),
  });
  const comm = await dial();
  for (const reply of [missing, busy, missing]) {
    assertEquals(await call(comm, WORKER_OPERATIONS.get_data, GET_DATA), reply);
  }
  const { type } = await call(comm, untyped("identity"), { n_workers: 0 }) as { type: string };
  assertEquals(type, "Worker");
  await server.close();
  const others = peers.length - 3;
  const text =
    `peer-behaviour.json: 3 of ${peers.length}; the other ${others} are about the roles above comm/\n`;
  Deno.stderr.writeSync(new TextEncoder().encode(text));
});

Deno.test("Server tells who registers without a reply that it is refused, and hangs up", async () => {
  const fail = () => Promise.reject(new TypeError("no such thing"));
  const refusing = {
    "register-client": { answer: "stream", refusal: refusals["register-client"] },
    "register-worker": { answer: "stream", refusal: refusals["register-worker"] },
  } as const;
  const { "register-client": client, "register-worker": worker } = WORKER_OPERATIONS;
  const roles: readonly [string, ServerOptions][] = [
    ["no handler", { name: "Worker", operations: [{ operation: client }, { operation: worker }] }],
    ["disallowed", {
      name: "Scheduler",
      operations: made({ "register-client": fail, "register-worker": fail }, refusing),
      blockedHandlers: ["register-client", "register-worker"],
    }],
    ["no such thing", {
      name: "Scheduler",
      operations: made({ "register-client": fail, "register-worker": fail }, refusing),
    }],
  ];
  for (const [text, options] of roles) {
    await using server = new Server(options);
    const { contactAddress } = await server.listen("tcp://127.0.0.1:0");
    const ask = async (op: string): Promise<unknown> => {
      const comm = await connect(contactAddress, {});
      await comm.write({ op, reply: false });
      const answer = await comm.read();
      await assertRejects(() => comm.read(), CommClosed);
      comm.abort();
      return answer;
    };
    const [start] = await ask("register-client") as RawMessage[];
    assertEquals(start?.["op"], "stream-start");
    assert(String(start?.["error"]).includes(text), String(start?.["error"]));
    const { status, message } = await ask("register-worker") as { status: string; message: string };
    assertEquals([status, message.includes(text)], ["error", true], message);
  }
});

Deno.test("Server makes a peer wait for large answers that it does not take, and nobody else", async () => {
  let begun = 0;
  const all = Promise.withResolvers<void>();
  await using server = new Server({
    name: "Scheduler",
    operations: made({
      much: () => {
        if (++begun === 3) all.resolve();
        return new Uint8Array(32 * 2 ** 20); // more than the sockets hold
      },
      little: () => begun,
    }, { much: { answer: "large" } }),
    limits: { answersPerPeer: 2 },
  });
  const { contactAddress } = await server.listen("tcp://127.0.0.1:0");
  await using stack = new AsyncDisposableStack();
  const links = await Promise.all(
    Array.from({ length: 5 }, async () => stack.use(await connect(contactAddress))),
  );
  for (const link of links) await link.write({ op: "much" });
  await using other = await connect(contactAddress);
  while (begun < 2) await call(other, untyped("little"), {});
  for (let i = 0; i < 5; i++) assertEquals(await call(other, untyped("little"), {}), 2);
  const [first] = links;
  assertEquals((await first?.read() as Uint8Array).length, 32 * 2 ** 20);
  await all.promise;
  for (const link of links) link.abort();
});

/**
 * A server that answers one question with as many bytes as asked for, and asked for large ones that nobody
 * reads.
 */
async function withFullLanes() {
  let asked = 0;
  let reached = Promise.withResolvers<void>();
  let wanted = Infinity;
  const answer = (request: RawMessage) => {
    if (++asked >= wanted) reached.resolve();
    return new Uint8Array(Number(request["size"]));
  };
  const server = new Server({
    name: "Peer",
    operations: made({ look: answer, gather: answer }, {
      look: { answer: "question" },
      gather: { answer: "large" },
    }),
    limits: { links: 100, linksPerHost: 100, answersPerPeer: 2, stallTimeout: 300_000 },
  });
  const { contactAddress } = await server.listen("tcp://127.0.0.1:0");
  const links: Comm[] = [];
  return {
    server,
    links,
    /** Asks, and does not read. */
    async ask(op: string, size: number): Promise<void> {
      const comm = await connect(contactAddress);
      links.push(comm);
      await comm.write({ op, size });
    },
    async askedFor(count: number): Promise<void> {
      wanted = count;
      reached = Promise.withResolvers();
      if (asked < wanted) await reached.promise;
    },
    asked: () => asked,
    call: (op: string, size: number) =>
      connect(contactAddress).then(async (comm) => {
        const { length } = await call(comm, untyped(op), { size }) as Uint8Array;
        comm.abort();
        return length;
      }),
    async [Symbol.asyncDispose](): Promise<void> {
      for (const comm of links) comm.abort();
      await server.close();
    },
  };
}

/** More than the sockets hold. */
const LARGE = 32 * 2 ** 20;

for (const op of ["look", "gather"]) {
  Deno.test(`Server answers small questions although nobody takes large answers of "${op}"`, async () => {
    await using busy = await withFullLanes();
    for (let i = 0; i < 2; i++) {
      await busy.ask(op, LARGE);
      await busy.askedFor(i + 1);
    }
    for (let i = 0; i < 5; i++) assertEquals(await busy.call("look", 1000), 1000);
    await busy.ask("look", LARGE);
    await busy.askedFor(8); // it waits for its turn now
    assertEquals(await busy.call("look", 1000), 1000);
    assertEquals(busy.asked(), 9);
    await busy.links[0]?.read(); // which makes a turn free
    const { length } = await busy.links[2]?.read() as Uint8Array;
    assertEquals([length, busy.asked()], [LARGE, 10]);
  });
}

Deno.test("Server gives the turn of a peer that is gone to the next, also if that is gone", async () => {
  await using busy = await withFullLanes();
  for (let i = 0; i < 4; i++) {
    await busy.ask("look", LARGE);
    await busy.askedFor(i + 1);
  }
  const last = busy.call("look", LARGE);
  await busy.askedFor(5);
  for (const comm of busy.links) comm.abort();
  assertEquals(await last, LARGE);
});

Deno.test("Server closes although requests wait for their turn", async () => {
  await using busy = await withFullLanes();
  for (const op of ["look", "gather"]) {
    await busy.ask(op, LARGE);
    await busy.ask(op, LARGE);
  }
  await busy.askedFor(2);
  await busy.server.close();
  for (const comm of busy.links.slice(2)) await assertRejects(() => comm.read(), CommClosed);
});

for (const scheme of ["tcp", "inproc"] as const) {
  Deno.test(`Server gives a request up that may wait when its link ends: ${scheme}`, async () => {
    const waiting = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<unknown>();
    await using server = new Server({
      name: "Test",
      operations: made({
        wait: async (_request, _comm, signal) => {
          waiting.resolve();
          await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        },
        brief: () => "brief",
      }, { wait: { mayWait: true }, brief: { mayWait: true } }),
    });
    const listener = await server.listen(scheme === "tcp" ? "tcp://127.0.0.1:0" : "inproc://");
    const comm = await connect(listener.contactAddress);
    // Requests that come while another is answered wait for their turn.
    const brief = { op: "brief" };
    await Promise.all([comm.write(brief), comm.write(brief), comm.write({ op: "wait" })]);
    assertEquals([await comm.read(), await comm.read()], ["brief", "brief"]);
    await waiting.promise;
    comm.abort();
    const timer = setInterval(() => server.comms().size === 0 && gone.resolve(undefined), 5);
    await gone.promise;
    clearInterval(timer);
  });
}
