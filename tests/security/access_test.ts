// Who may use what, written out a second time for what matters most; that nothing is left out is checked below.
import { assertEquals } from "@std/assert";
import { Server } from "../../rpc/server.ts";
import {
  type AccessTable,
  CLIENT_STREAM_ACCESS,
  mayUse,
  SCHEDULER_ACCESS,
  WORKER_ACCESS,
  WORKER_STREAM_ACCESS,
} from "../../messages/access.ts";
import type { Grant } from "../../messages/grant.ts";
import { startCluster } from "../../testing/clusters/cluster.ts";

/** Everybody who may, shortest first: `O`bserve, `S`ubmit, `A`dminister, `w`orker, `s`cheduler. */
const PEERS: readonly (readonly [letter: string, grant: Grant])[] = [
  ["O", { role: "client", access: "observe" }],
  ["S", { role: "client", access: "submit" }],
  ["A", { role: "client", access: "administer" }],
  ["w", { role: "worker", access: "submit" }],
  ["s", { role: "scheduler", access: "submit" }],
];

function lettersOf(table: AccessTable): Record<string, string> {
  const all = Object.keys(table).sort().map((op) => {
    const may = PEERS.filter(([, grant]) => mayUse(table, op, grant));
    return [op, may.map(([letter]) => letter).join("")] as const;
  });
  return Object.fromEntries(all);
}

function assertLetters(table: AccessTable, expected: Readonly<Record<string, string>>): void {
  const all = lettersOf(table);
  assertEquals(Object.fromEntries(Object.keys(expected).map((op) => [op, all[op]])), expected);
}

Deno.test("SCHEDULER_ACCESS gives operations of a scheduler to whom they are for", () => {
  assertLetters(SCHEDULER_ACCESS, {
    "gather": "SA",
    "has_what": "OSA",
    "heartbeat_worker": "w",
    "identity": "OSAw",
    "links": "OSA",
    "ncores": "OSA",
    "register-client": "OSA",
    "register-worker": "w",
    "retire_workers": "Aw",
    "scatter": "SA",
    "terminate": "A",
    "unregister": "w",
    "who_has": "OSAw",
  });
});

Deno.test("WORKER_ACCESS gives operations of a worker to whom they are for", () => {
  assertLetters(WORKER_ACCESS, {
    "get_data": "SAws",
    "identity": "OSAws",
    "keys": "OSA",
    "links": "OSA",
    "ping": "OSAws",
    "terminate": "As",
  });
});

Deno.test("CLIENT_STREAM_ACCESS lets observers listen only", () => {
  assertLetters(CLIENT_STREAM_ACCESS, {
    "cancel-keys": "SA",
    "client-desires-keys": "SA",
    "client-releases-functions": "SA",
    "client-releases-keys": "SA",
    "close-client": "OSA",
    "close-stream": "OSA",
    "heartbeat-client": "OSA",
    "report-key": "SA",
    "update-data": "SA",
    "update-graph": "SA",
  });
});

Deno.test("WORKER_STREAM_ACCESS is for workers alone", () => {
  assertEquals(new Set(Object.values(lettersOf(WORKER_STREAM_ACCESS))), new Set(["w"]));
});

Deno.test("mayUse leaves an operation without an entry to administrators", () => {
  const may = PEERS.filter(([, grant]) => mayUse({}, "something", grant));
  assertEquals(may.map(([letter]) => letter).join(""), "A");
  assertEquals(PEERS.filter(([, grant]) => mayUse({}, "constructor", grant)).length, 1);
});

Deno.test("Every operation that a scheduler or a worker answers has an entry, and every entry its operation", async () => {
  const servers: Server[] = [];
  const { listen } = Server.prototype;
  Server.prototype.listen = function (this: Server, ...args: Parameters<typeof listen>) {
    servers.push(this);
    return listen.apply(this, args);
  };
  try {
    await using _ = await startCluster({ nWorkers: 1, protocol: "tcp" });
    const [scheduler, worker] = servers;
    assertEquals(scheduler?.operations.sort(), Object.keys(SCHEDULER_ACCESS).sort());
    assertEquals(worker?.operations.sort(), Object.keys(WORKER_ACCESS).sort());
  } finally {
    Server.prototype.listen = listen;
  }
});
