import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { TRANSITION } from "../../internal/story.ts";
import type { Address, FunctionHash, Key } from "../../messages/common.ts";
import type { RunSpec } from "../../messages/run_spec.ts";
import { Serialized } from "../../protocol/serialized.ts";
import type { Stimulus } from "./stimulus.ts";
import { State, STATE_NAMES } from "./task_state.ts";
import { TRANSITIONS } from "./transitions.ts";
import { WorkerState } from "./worker_state.ts";

// Random stimuli against a shell that keeps the contract of WorkerState: it stores results before it tells of
// them, and ends each execution and each transfer once, in any order and in any way. The scheduler is not
// modelled: what it asks may make no sense.

const SEED = 20260801;
const RUNS = 1000;
const HERE = "tls://h:1" as Address;
const PEERS = ["tls://h:2", "tls://i:3", "tls://j:4"] as Address[];
const KEYS = 7;
const RUN_SPEC: RunSpec = ["f".repeat(64) as FunctionHash, Uint8Array.of(0x90), []];
const ERROR = new Serialized({ serializer: "pickle" }, []);

/** Seconds that tasks take; several of the shorter ones are handed out per thread. */
const DURATIONS = [1, 0.0024, 0.001];

function keyOf(index: number): Key {
  return `k${index}` as Key;
}

class Shell {
  readonly state: WorkerState;
  now = 0;
  nextDeadline = Infinity;
  /** Peers that said that they are busy. */
  readonly restingUntil = new Map<Address, number>();
  /** Keys whose frames are here. */
  readonly store = new Set<Key>();
  /** Executions that have not ended: run id, and whether the thread has begun. */
  readonly running = new Map<Key, { readonly runId: number; begun: boolean }>();
  readonly transfers = new Map<Address, readonly Key[]>();
  readonly finished = new Set<Key>();
  /** What was fed, for the message of a failure. */
  readonly events: string[] = [];
  #runId = 0;
  #batch: Stimulus[] | undefined;

  constructor(nthreads: number) {
    this.state = new WorkerState({
      address: HERE,
      nthreads,
      validate: true,
      resources: { R: 1 },
      transferMessageBytesLimit: 40,
      transferIncomingBytesLimit: 60,
      transitionCounterMax: 100_000,
      logLength: 100_000,
    });
  }

  feed(event: Stimulus): void {
    this.events.push(describe(event));
    if (this.#batch === undefined) this.perform([event]);
    else this.#batch.push(event);
  }

  /** Handles what the steps feed in one turn. */
  together(some: readonly Step[]): void {
    const batch: Stimulus[] = this.#batch = [];
    this.events.push("together:");
    for (const act of some) act(this);
    this.events.push("end");
    this.#batch = undefined;
    this.perform(batch);
  }

  perform(stimuli: readonly Stimulus[]): void {
    const { instructions, nextDeadline } = this.state.handle(stimuli, this.now);
    this.nextDeadline = nextDeadline;
    const withdrawn: Key[] = [];
    for (const instruction of instructions) {
      switch (instruction.op) {
        case "execute": {
          const { key, run_id: runId, dependencies } = instruction;
          assert(!this.running.has(key), `${key} runs twice`);
          for (const dependency of dependencies) {
            assert(this.store.has(dependency), `${dependency} is not here`);
          }
          this.running.set(key, { runId, begun: (runId & 1) === 0 });
          break;
        }
        case "withdraw":
          if (this.running.get(instruction.key)?.begun === false) withdrawn.push(instruction.key);
          break;
        case "gather-dep":
          assert(!this.transfers.has(instruction.worker), `${instruction.worker} is asked twice`);
          assert(
            (this.restingUntil.get(instruction.worker) ?? 0) <= this.now,
            `${instruction.worker} wanted to rest`,
          );
          this.transfers.set(instruction.worker, instruction.keys);
          break;
        case "drop-data":
          assert(this.store.delete(instruction.key), `${instruction.key} is dropped and not here`);
          break;
        case "task-finished":
          this.finished.add(instruction.key);
          break;
      }
    }
    assertEquals(Array.from(this.state.data(), ([key]) => key).toSorted(), [...this.store].toSorted());
    // A thread may begin between the instruction and the attempt to withdraw; here it doesn't.
    for (const key of withdrawn) if (this.running.has(key)) this.withdraw(key);
  }

  withdraw(key: Key): void {
    const run_id = this.running.get(key)?.runId ?? -1;
    this.running.delete(key);
    this.feed({ op: "execution-withdrawn", key, run_id, stimulus_id: "withdrawn" });
  }

  compute(key: number, holders: readonly number[], priority: number, resource: boolean): void {
    const who_has: Record<string, Address[]> = {};
    holders.slice(0, key).forEach((mask, dependency) => {
      if (mask > 0) who_has[keyOf(dependency)] = peersOf(mask - 1);
    });
    this.feed({
      op: "compute-task",
      key: keyOf(key),
      run_id: ++this.#runId,
      priority: [priority],
      stimulus_id: `compute-${this.#runId}`,
      who_has,
      nbytes: Object.fromEntries(Object.keys(who_has).map((name) => [name, 15])),
      run_spec: RUN_SPEC,
      resource_restrictions: resource ? { R: 1 } : {},
      actor: false,
      annotations: {},
      span_id: null,
    });
  }

  endExecution(pick: number, outcome: number): void {
    const key = [...this.running.keys()][pick % Math.max(1, this.running.size)];
    const execution = key === undefined ? undefined : this.running.get(key);
    if (key === undefined || execution === undefined) return;
    const run_id = execution.runId;
    if (outcome === 3 && !execution.begun) return this.withdraw(key);
    this.running.delete(key);
    const stop = 1 + (DURATIONS[pick % DURATIONS.length] ?? 1);
    const common = { key, run_id, start: 1, stop, thread: 1, stimulus_id: "ended" };
    if (outcome === 1) {
      const texts = { exception_text: "no", traceback_text: "" };
      this.feed({ op: "execute-failure", ...common, exception: ERROR, traceback: null, ...texts });
    } else if (outcome === 2) {
      this.feed({ op: "execute-reschedule", key, stimulus_id: "ended" });
    } else {
      this.store.add(key);
      this.feed({ op: "execute-success", ...common, nbytes: 8, type: Uint8Array.of(1), typename: "x" });
    }
  }

  endTransfer(pick: number, outcome: number, mask: number): void {
    const worker = [...this.transfers.keys()][pick % Math.max(1, this.transfers.size)];
    const keys = worker === undefined ? undefined : this.transfers.get(worker);
    if (worker === undefined || keys === undefined) return;
    this.transfers.delete(worker);
    if (outcome > 0) {
      const op = (["gather-busy", "gather-network-failure", "gather-failure"] as const)[outcome - 1];
      assert(op !== undefined);
      if (op === "gather-busy") this.restingUntil.set(worker, this.now + 0.15);
      this.feed({ op, worker, stimulus_id: "ended" });
      return;
    }
    const data = new Map<Key, number>();
    keys.forEach((key, index) => {
      if ((mask >> index & 1) === 0) return;
      data.set(key, 15);
      this.store.add(key);
    });
    this.feed({ op: "gather-success", worker, data, stimulus_id: "ended" });
  }

  /**
   * Gives values, which a shell does by a call of its own: what is refused is dropped before anything else
   * happens.
   */
  give(keys: readonly Key[]): void {
    if (this.#batch !== undefined) return;
    for (const key of keys) this.store.add(key);
    this.feed({ op: "update-data", data: new Map(keys.map((key) => [key, 9])), stimulus_id: "given" });
  }

  /** Lets time pass, perhaps until something is due. */
  wait(seconds: number): void {
    this.now += seconds;
    if (this.now >= this.nextDeadline) this.feed({ op: "tick", stimulus_id: "tick" });
  }

  /**
   * Ends everything that goes on: as `outcomes` say, then well. Answers as a scheduler would that knows all.
   */
  settle(outcomes: readonly (readonly [pick: number, outcome: number, mask: number])[] = []): void {
    for (let turn = 0; turn < 1000; turn++) {
      const [pick, outcome, mask] = outcomes[turn] ?? [turn, 0, 0xff];
      this.wait(0.15);
      if (this.transfers.size > 0 && (this.running.size === 0 || pick % 2 === 0)) {
        this.endTransfer(pick, outcome, mask);
      } else if (this.running.size > 0) this.endExecution(pick, 0);
      else if (this.state.snapshot().missing.length > 0) {
        this.feed({ op: "refresh-who-has", who_has: holdersOf(0xff, 7), stimulus_id: "refresh" });
      } else if (this.nextDeadline === Infinity) return;
    }
    assert(false, "It does not come to an end");
  }

  freeAll(): void {
    this.feed({
      op: "free-keys",
      keys: Array.from({ length: KEYS }, (_, i) => keyOf(i)),
      stimulus_id: "all",
    });
  }
}

function describe(event: Stimulus): string {
  const { run_spec: _, exception: _e, ...rest } = event as unknown as Record<string, unknown>;
  return JSON.stringify(rest, (_, value) => value instanceof Map ? [...value] : value);
}

/** Runs `body`; a failure tells what was fed. */
function withStory(shell: Shell, body: () => void): void {
  try {
    body();
  } catch (cause) {
    throw new Error(`After\n${shell.events.join("\n")}\n${String(cause)}`, { cause });
  }
}

function peersOf(mask: number): Address[] {
  return PEERS.filter((_, index) => (mask >> index & 1) === 1);
}

function keysOf(mask: number): Key[] {
  return Array.from({ length: KEYS }, (_, i) => keyOf(i)).filter((_, index) => (mask >> index & 1) === 1);
}

function holdersOf(mask: number, peers: number): Record<string, Address[]> {
  return Object.fromEntries(keysOf(mask).map((key) => [key, peersOf(peers)]));
}

type Step = (shell: Shell) => void;

const key = fc.nat(KEYS - 1);
const keyMask = fc.nat(2 ** KEYS - 1);
const peerMask = fc.nat(7);
const peer = fc.constantFrom(...PEERS);
const pick = fc.nat(20);
const stimulus_id = "random";

const single: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(key, fc.array(fc.nat(8), { maxLength: KEYS, size: "max" }), fc.nat(3), fc.boolean())
      .map(
        ([index, holders, priority, resource]): Step => (s) => s.compute(index, holders, priority, resource),
      ),
  },
  {
    weight: 5,
    arbitrary: fc.tuple(pick, fc.nat(3)).map(([i, outcome]): Step => (s) => s.endExecution(i, outcome)),
  },
  {
    weight: 5,
    arbitrary: fc.tuple(pick, fc.nat(3), fc.nat(255)).map(
      ([i, outcome, mask]): Step => (s) => s.endTransfer(i, outcome, mask),
    ),
  },
  keyMask.map((mask): Step => (s) => s.feed({ op: "free-keys", keys: keysOf(mask), stimulus_id })),
  keyMask.map((mask): Step => (s) => s.give(keysOf(mask))),
  keyMask.map((mask): Step => (s) => s.feed({ op: "remove-replicas", keys: keysOf(mask), stimulus_id })),
  fc.tuple(keyMask, peerMask).map(([mask, peers]): Step => (s) => {
    const who_has = holdersOf(mask, peers);
    const nbytes = Object.fromEntries(Object.keys(who_has).map((name) => [name, 15]));
    s.feed({ op: "acquire-replicas", who_has, nbytes, stimulus_id });
  }),
  fc.tuple(keyMask, peerMask).map(([mask, peers]): Step => (s) => {
    s.feed({ op: "refresh-who-has", who_has: holdersOf(mask, peers), stimulus_id });
  }),
  peer.map((worker): Step => (s) => s.feed({ op: "remove-worker", worker, stimulus_id })),
  fc.constantFrom(0.05, 0.15, 1).map((seconds): Step => (s) => s.wait(seconds)),
  fc.constantFrom("pause" as const, "unpause" as const).map((op): Step => (s) => {
    s.feed({ op, stimulus_id });
  }),
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 30, arbitrary: single },
  {
    weight: 3,
    arbitrary: fc.array(single, { maxLength: 5, size: "max" }).map((some): Step => (s) => s.together(some)),
  },
);

const outcomes = fc.array(fc.tuple(pick, fc.nat(3), fc.nat(255)), { maxLength: 12, size: "max" });
const steps = fc.array(step, { maxLength: 60, size: "max" });
const parameters = { seed: SEED, numRuns: RUNS };

Deno.test("WorkerState keeps its invariants through random stimuli, and ends empty when all is freed", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), steps, (nthreads, some) => {
      const shell = new Shell(nthreads);
      withStory(shell, () => {
        for (const act of some) act(shell);
        shell.feed({ op: "unpause", stimulus_id: "end" });
        shell.freeAll();
        shell.settle();
        shell.freeAll();
        assertEmpty(shell);
      });
    }),
    parameters,
  );
});

function assertEmpty({ state, store }: Shell): void {
  assertEquals(state.taskCount, 0);
  assertEquals(state.nbytes, 0);
  assertEquals(state.transferIncomingBytes, 0);
  assertEquals(store.size, 0);
  const snapshot = state.snapshot();
  assertEquals(snapshot.available_resources, { R: 1 });
  assertEquals(snapshot.has_what, {});
  assert(Object.values(snapshot.data_needed).every((keys) => keys.length === 0));
}

Deno.test("WorkerState computes what it is asked for after any random stimuli", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), steps, outcomes, (nthreads, some, ends) => {
      const shell = new Shell(nthreads);
      withStory(shell, () => {
        for (const act of some) act(shell);
        shell.feed({ op: "unpause", stimulus_id: "end" });
        // What went on is wanted no more, and comes to its end after the new work was asked for.
        shell.freeAll();
        shell.finished.clear();
        const last = KEYS - 1;
        shell.compute(last, new Array<number>(last).fill(8), 0, true);
        shell.settle(ends);
        assert(shell.finished.has(keyOf(last)), `${keyOf(last)} is ${shell.state.stateOf(keyOf(last))}`);
      });
    }),
    parameters,
  );
});

/** `"waiting → ready"` for each row of the table. */
function rows(): string[] {
  const all: string[] = [];
  for (const start of Object.values(State)) {
    for (const finish of Object.values(State)) {
      if (TRANSITIONS.has(start, finish)) all.push(`${STATE_NAMES[start]} → ${STATE_NAMES[finish]}`);
    }
  }
  return all.sort();
}

Deno.test("WorkerState takes every row of its table of transitions, and no step that is no row", () => {
  const taken = new Set<string>();
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), steps, (nthreads, some) => {
      const shell = new Shell(nthreads);
      for (const act of some) act(shell);
      for (const { event, start, recommended } of shell.state.story()) {
        if (event === TRANSITION) taken.add(`${start} → ${recommended}`);
      }
    }),
    parameters,
  );
  assertEquals([...taken].sort(), rows());
});
