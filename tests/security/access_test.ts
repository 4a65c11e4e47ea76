// Who may use what, written out a second time for what matters most; that nothing is left out is checked
// below.
import { assertEquals } from "@std/assert";
import { CLIENT_REPORTS, CLIENT_STREAM } from "../../messages/client_scheduler.ts";
import type { Grant } from "../../messages/grant.ts";
import {
  ADMINISTER,
  isLacking,
  mayUse,
  type OperationTable,
  type StreamTable,
} from "../../messages/operations.ts";
import { SCHEDULER_OPERATIONS } from "../../messages/scheduler_operations.ts";
import { WORKER_OPERATIONS } from "../../messages/worker_operations.ts";
import { WORKER_COMMANDS, WORKER_STREAM } from "../../messages/worker_scheduler.ts";

/** Everybody who may, shortest first: `O`bserve, `S`ubmit, `A`dminister, `w`orker, `s`cheduler. */
const PEERS: readonly (readonly [letter: string, grant: Grant])[] = [
  ["O", { role: "client", access: "observe" }],
  ["S", { role: "client", access: "submit" }],
  ["A", { role: "client", access: "administer" }],
  ["w", { role: "worker", access: "submit" }],
  ["s", { role: "scheduler", access: "submit" }],
];

/** Who may use what a role has. */
function lettersOf(table: OperationTable | StreamTable): Record<string, string> {
  const rows = Object.values(table).filter((row) => !isLacking(row));
  return Object.fromEntries(rows.map(({ op, access }) => {
    const may = PEERS.filter(([, grant]) => mayUse(access, grant));
    return [op, may.map(([letter]) => letter).join("")];
  }));
}

Deno.test("SCHEDULER_OPERATIONS gives operations of a scheduler to whom they are for", () => {
  assertEquals(lettersOf(SCHEDULER_OPERATIONS), {
    "close": "OSAws",
    "gather": "SA",
    "get_task_prefix_states": "OSA",
    "has_what": "OSA",
    "heartbeat_worker": "w",
    "identity": "OSAw",
    "links": "OSA",
    "ncores": "OSA",
    "processing": "OSA",
    "register-client": "OSA",
    "register-worker": "w",
    "retire_workers": "Aw",
    "retry": "SA",
    "scatter": "SA",
    "terminate": "A",
    "unregister": "w",
    "update_data": "SA",
    "wait_for_workers": "OSA",
    "who_has": "OSAw",
  });
});

Deno.test("WORKER_OPERATIONS gives operations of a worker to whom they are for", () => {
  assertEquals(lettersOf(WORKER_OPERATIONS), {
    "close": "OSAws",
    "get_data": "SAws",
    "identity": "OSAws",
    "keys": "OSA",
    "links": "OSA",
    "ping": "OSAws",
    "terminate": "As",
    "update_data": "SAs",
  });
});

Deno.test("CLIENT_STREAM lets observers listen only", () => {
  assertEquals(lettersOf(CLIENT_STREAM), {
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

Deno.test("WORKER_STREAM is for workers alone, and what streams bring back for the scheduler", () => {
  assertEquals(new Set(Object.values(lettersOf(WORKER_STREAM))), new Set(["w"]));
  for (const table of [CLIENT_REPORTS, WORKER_COMMANDS]) {
    assertEquals(new Set(Object.values(lettersOf(table))), new Set(["s"]));
  }
});

Deno.test("mayUse leaves operations that a role lacks to administrators", () => {
  for (const table of [SCHEDULER_OPERATIONS, WORKER_OPERATIONS, CLIENT_STREAM, WORKER_STREAM]) {
    for (const row of Object.values<OperationTable[string] | StreamTable[string]>(table)) {
      if (isLacking(row)) assertEquals(row.access, ADMINISTER, row.op);
    }
  }
  const may = PEERS.filter(([, grant]) => mayUse(ADMINISTER, grant));
  assertEquals(may.map(([letter]) => letter).join(""), "A");
});
