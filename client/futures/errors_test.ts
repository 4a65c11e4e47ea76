import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import * as api from "../../mod.ts";
import type { Address, Key } from "../../messages/common.ts";
import { KilledWorker as LastWorkerDied } from "../../scheduler/state/errors.ts";
import { taskError } from "./errors.ts";

const ADDRESS = "tls://h:1" as Address;
const KEY = "x" as Key;

Deno.test("Errors have codes that stay, and names of their classes", () => {
  const errors = [
    new api.AddressError("h", "m"),
    new api.CommClosed(ADDRESS, "m"),
    new api.CommAuthError(ADDRESS, "m"),
    new api.CommTimeoutError(ADDRESS, "m"),
    new api.SchedulerClosed(ADDRESS, "m"),
    new api.TimeoutError("m"),
    new api.RpcError(ADDRESS, "op", { name: "E", message: "m" }),
    new api.TaskError(KEY, "E", "m"),
    new api.CancelledError(KEY, "m"),
  ];
  assertEquals(errors.map((error) => error.code), [
    "BAD_ADDRESS",
    "COMM_CLOSED",
    "COMM_AUTH",
    "TIMEOUT",
    "SCHEDULER_CLOSED",
    "TIMEOUT",
    "RPC_ERROR",
    "TASK_ERROR",
    "CANCELLED",
  ]);
  for (const error of errors) {
    assertInstanceOf(error, api.DistributedError);
    assertEquals(error.name, error.constructor.name);
  }
  assertEquals(new api.FunctionSourceError("m").code, "FUNCTION_SOURCE");
  assertEquals(new api.SerializationError("m").code, "SERIALIZATION");
});

Deno.test("CommAuthError and SchedulerClosed are ends of comms", () => {
  assertInstanceOf(new api.CommAuthError(ADDRESS, "m"), api.CommClosed);
  assertInstanceOf(new api.SchedulerClosed(ADDRESS, "m"), api.CommClosed);
});

Deno.test("KilledWorker names the worker that died last, in the scheduler's words", () => {
  const { name, message } = new LastWorkerDied(KEY, ADDRESS, 4);
  const error = taskError(KEY, { name, message });
  assertInstanceOf(error, api.KilledWorker);
  assertEquals([error.lastWorker, error.code, error.key], [ADDRESS, "KILLED_WORKER", KEY]);
  assertEquals(new api.KilledWorker(KEY, "from Python").lastWorker, undefined);
});

Deno.test("taskError is of the remote class and a TaskError, with a code", () => {
  const error = taskError(KEY, { name: "RangeError", message: "m" });
  assert(error instanceof RangeError && error instanceof api.TaskError);
  assertEquals((error as unknown as { code: string }).code, "TASK_ERROR");
});
