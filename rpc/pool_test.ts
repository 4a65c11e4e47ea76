import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Operation, untyped } from "../messages/operations.ts";
import { served } from "../testing/served.ts";
import type { Address, RawMessage } from "../messages/common.ts";
import { SCHEMES, sidesOf } from "../testing/links.ts";
import type { Comm } from "../comm/comm.ts";
import { CommClosed, CommTimeoutError } from "../comm/errors.ts";
import { RpcError } from "./errors.ts";
import { ConnectionPool } from "./pool.ts";
import { Server } from "./server.ts";

/** A server whose `hold` answers when the test says so. */
class Peer implements AsyncDisposable {
  readonly held: PromiseWithResolvers<unknown>[] = [];
  readonly #server: Server;
  #address = "" as Address;
  #onHeld: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Comms as the peer sees them. */
  readonly comms = new Set<Comm>();

  private constructor() {
    this.#server = new Server({
      name: "Peer",
      operations: served({
        echo: (request, comm) => {
          this.comms.add(comm);
          return request["x"];
        },
        fails: () => Promise.reject(new RangeError("no")),
        hold: async (_request, comm, signal) => {
          this.comms.add(comm);
          const held = Promise.withResolvers<unknown>();
          signal.addEventListener("abort", () => held.resolve(null));
          this.held.push(held);
          this.#onHeld.resolve();
          this.#onHeld = Promise.withResolvers();
          return await held.promise;
        },
      }),
    });
  }

  static async start(scheme: keyof typeof SCHEMES = "tcp"): Promise<Peer> {
    const peer = new Peer();
    const { server } = await sidesOf(scheme);
    peer.#address = (await peer.#server.listen(SCHEMES[scheme], server)).contactAddress;
    return peer;
  }

  get address(): Address {
    return this.#address;
  }

  async holding(count: number): Promise<void> {
    while (this.held.length < count) await this.#onHeld.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.close();
  }
}

type Ask = readonly [operation: Operation<RawMessage>, request: RawMessage];
const echo = (x: unknown): Ask => [untyped("echo"), { x }];
const hold: Ask = [untyped("hold"), {}];

for (const scheme of ["tcp", "tls", "inproc"] as const) {
  Deno.test(`ConnectionPool over ${scheme} asks one after the other over one link`, async () => {
    await using peer = await Peer.start(scheme);
    await using pool = new ConnectionPool((await sidesOf(scheme)).client);
    for (let i = 0; i < 5; i++) assertEquals(await pool.call(peer.address, ...echo(i)), i);
    assertEquals([pool.open, pool.active, peer.comms.size, pool.openComms.length], [1, 0, 1, 1]);
  });
}

Deno.test("ConnectionPool uses several links for concurrent requests, and keeps them", async () => {
  await using peer = await Peer.start();
  await using pool = new ConnectionPool();
  const replies = [1, 2, 3].map(() => pool.call(peer.address, ...hold));
  await peer.holding(3);
  assertEquals([pool.open, pool.active], [3, 3]);
  for (const [i, held] of peer.held.entries()) held.resolve(i);
  assertEquals((await Promise.all(replies)).sort(), [0, 1, 2]);
  assertEquals([pool.open, pool.active], [3, 0]);
  assertEquals(await pool.call(peer.address, ...echo("again")), "again");
  assertEquals(pool.open, 3);
});

Deno.test("ConnectionPool serves a hundred requests at once over TLS", async () => {
  await using peer = await Peer.start("tls");
  await using pool = new ConnectionPool((await sidesOf("tls")).client);
  const numbers = Array.from({ length: 100 }, (_, x) => x);
  assertEquals(await Promise.all(numbers.map((x) => pool.call(peer.address, ...echo(x)))), numbers);
  assertEquals([pool.open, pool.active, peer.comms.size], [100, 0, 100]);
});

Deno.test("ConnectionPool closes idle links to make room for others", async () => {
  await using one = await Peer.start();
  await using two = await Peer.start();
  await using pool = new ConnectionPool({ limit: 1 });
  for (const peer of [one, two, one]) {
    assertEquals(await pool.call(peer.address, ...echo(1)), 1);
    assertEquals(pool.open, 1);
  }
  assertEquals(one.comms.size, 2);
});

Deno.test("ConnectionPool lets requests wait at its limit", async () => {
  await using peer = await Peer.start();
  await using pool = new ConnectionPool({ limit: 2 });
  const held = [pool.call(peer.address, ...hold), pool.call(peer.address, ...hold)];
  await peer.holding(2);
  const waiting = [1, 2, 3].map((x) => pool.call(peer.address, ...echo(x)));
  const controller = new AbortController();
  const givenUp = assertRejects(
    () => pool.call(peer.address, ...echo(4), controller.signal),
    Error,
    "enough",
  );
  controller.abort(new Error("enough"));
  await givenUp;
  assertEquals(pool.open, 2);
  peer.held[0]?.resolve("first");
  assertEquals(await Promise.all(waiting), [1, 2, 3]);
  peer.held[1]?.resolve("second");
  assertEquals(await Promise.all(held), ["first", "second"]);
  assertEquals(peer.comms.size, 2);
});

Deno.test("ConnectionPool keeps a link whose request failed at the other end", async () => {
  await using peer = await Peer.start();
  await using pool = new ConnectionPool();
  await assertRejects(() => pool.call(peer.address, untyped("fails"), {}), RpcError, "RangeError: no");
  assertEquals(pool.open, 1);
  assertEquals(await pool.call(peer.address, ...echo(1)), 1);
  assertEquals(pool.open, 1);
});

Deno.test("ConnectionPool drops the link of a request that is given up", async () => {
  await using peer = await Peer.start();
  await using pool = new ConnectionPool();
  const controller = new AbortController();
  const reply = assertRejects(() => pool.call(peer.address, ...hold, controller.signal), Error, "enough");
  await peer.holding(1);
  controller.abort(new Error("enough"));
  await reply;
  assertEquals(pool.open, 0);
  assertEquals(await pool.call(peer.address, ...echo("not the old reply")), "not the old reply");
});

Deno.test("ConnectionPool notices that an idle link was closed, and dials anew", async () => {
  await using pool = new ConnectionPool();
  await using peer = await Peer.start("inproc");
  await pool.call(peer.address, ...echo(1));
  for (const comm of peer.comms) comm.abort();
  await Promise.resolve(); // the pending read settles
  await Promise.resolve();
  assertEquals(pool.open, 0);
  assertEquals(await pool.call(peer.address, ...echo(2)), 2);
});

Deno.test("ConnectionPool drops a peer that talks without being asked", async () => {
  await using pool = new ConnectionPool();
  await using peer = await Peer.start("inproc");
  await pool.call(peer.address, ...echo(1));
  for (const comm of peer.comms) await comm.write("gossip");
  await Promise.resolve();
  assertEquals(pool.open, 0);
  assertEquals(await pool.call(peer.address, ...echo(2)), 2);
});

Deno.test("ConnectionPool remove drops all links to a peer", async () => {
  await using one = await Peer.start();
  await using two = await Peer.start();
  await using pool = new ConnectionPool();
  await pool.call(one.address, ...echo(1));
  await pool.call(two.address, ...echo(1));
  const busy = assertRejects(() => pool.call(one.address, ...hold), CommClosed);
  await one.holding(1);
  pool.remove(one.address);
  await busy;
  assertEquals(pool.openComms.map((comm) => comm.peerAddress), [two.address]);
});

Deno.test("ConnectionPool remove ends what is being dialled, and the next request dials again", async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = `tcp://127.0.0.1:${silent.addr.port}` as Address;
  await using pool = new ConnectionPool({ timeout: 60_000 });
  for (let i = 0; i < 2; i++) {
    const waiting = assertRejects(() => pool.call(address, ...echo(1)), CommClosed, "it is gone");
    using _accepted = await silent.accept();
    pool.remove(address);
    await waiting;
    assertEquals(pool.open, 0);
  }
});

Deno.test("ConnectionPool frees its place if there is no link", async () => {
  await using pool = new ConnectionPool({ limit: 1 });
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const nobody = `tcp://127.0.0.1:${free.addr.port}` as Address;
  free.close();
  await assertRejects(() => pool.call(nobody, ...echo(1), undefined, { tries: 1 }), CommTimeoutError);
  await using peer = await Peer.start();
  assertEquals(pool.open, 0);
  assertEquals(await pool.call(peer.address, ...echo(1)), 1);
});

Deno.test("ConnectionPool close ends requests, dials and waits, and takes no more", async () => {
  await using peer = await Peer.start();
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = silent.accept();
  const pool = new ConnectionPool({ limit: 2 });
  const busy = assertRejects(() => pool.call(peer.address, ...hold), CommClosed);
  const dialling = assertRejects(
    () => pool.call(`tcp://127.0.0.1:${silent.addr.port}` as Address, ...echo(1)),
    CommClosed,
  );
  await peer.holding(1);
  const conn = await accepted;
  const waiting = assertRejects(() => pool.call(peer.address, ...echo(1)), CommClosed);
  await pool.close();
  await pool.close();
  await Promise.all([busy, dialling, waiting]);
  assertEquals(pool.open, 0);
  const error = await assertRejects(() => pool.call(peer.address, ...echo(1)), CommClosed, "is closed");
  assert(error.address === peer.address);
  conn.close();
  silent.close();
});
