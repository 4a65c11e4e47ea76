import { assertEquals } from "@std/assert";
import type { Address, FunctionHash, Key } from "../../messages/common.ts";
import type { Instruction } from "./instruction.ts";
import type { Stimulus } from "./stimulus.ts";
import { WorkerState } from "./worker_state.ts";

const PEER = "tls://10.0.0.2:2" as Address;
const X = "x" as Key;

function make(): WorkerState {
  return new WorkerState({ address: "tls://10.0.0.1:1" as Address, nthreads: 1, validate: true });
}

function compute(key: string, whoHas: Readonly<Record<string, readonly Address[]>> = {}): Stimulus {
  return {
    op: "compute-task",
    key: key as Key,
    run_id: 1,
    priority: [0],
    stimulus_id: `compute-${key}`,
    who_has: whoHas,
    nbytes: {},
    run_spec: ["f".repeat(64) as FunctionHash, new Uint8Array([0x90]), []],
    resource_restrictions: null,
    actor: false,
    annotations: {},
    span_id: null,
  };
}

function given(key: string, nbytes = 8): Stimulus {
  return { op: "update-data", data: new Map([[key as Key, nbytes]]), stimulus_id: "scatter" };
}

function ops(instructions: readonly Instruction[]): string[] {
  return instructions.map((instruction) =>
    `${instruction.op} ${"key" in instruction ? instruction.key : ""}`.trim()
  );
}

Deno.test("WorkerState keeps a value that it was given, tells nobody, and frees it", () => {
  const state = make();
  assertEquals(ops(state.handle([given("x")], 1).instructions), []);
  assertEquals([state.stateOf(X), state.nbytes], ["memory", 8]);
  assertEquals(ops(state.handle([given("x", 10)], 2).instructions), []);
  assertEquals(state.nbytes, 10);
  assertEquals(ops(state.handle([compute("y", { x: [] })], 3).instructions), ["execute y"]);
  const free: Stimulus = { op: "free-keys", keys: [X], stimulus_id: "free" };
  assertEquals(ops(state.handle([free], 4).instructions), ["drop-data x", "release-worker-data x"]);
  assertEquals(state.nbytes, 0);
});

Deno.test("WorkerState begins tasks that miss a value as soon as it is given", () => {
  const state = make();
  assertEquals(ops(state.handle([compute("y", { x: [] })], 1).instructions), []);
  assertEquals(state.stateOf(X), "missing");
  assertEquals(ops(state.handle([given("x")], 2).instructions), ["execute y"]);
});

Deno.test("WorkerState refuses a value that it computes or gathers", () => {
  const state = make();
  state.handle([compute("x")], 1);
  assertEquals(ops(state.handle([given("x")], 2).instructions), ["drop-data x"]);
  assertEquals(state.stateOf(X), "executing");
  const gathers = make();
  assertEquals(ops(gathers.handle([compute("y", { x: [PEER] })], 1).instructions), ["gather-dep"]);
  assertEquals(ops(gathers.handle([given("x")], 2).instructions), ["drop-data x"]);
  assertEquals(gathers.stateOf(X), "flight");
});
