/**
 * Bugs as they happen in schedulers, workers, clients and networks, made by replacing parts of a simulation.
 * Each says by how many seeds it must have been found, and how that looks.
 *
 * @module
 */

import { ClientState, type ClientStateOptions } from "../../client/state/client_state.ts";
import type { ClientEffects } from "../../client/state/effects.ts";
import type { ClientStimulus } from "../../client/state/stimulus.ts";
import type { ClientReport, ClientStreamMessage } from "../../messages/client_scheduler.ts";
import { type Address, type FunctionHash, isRecord, type Key } from "../../messages/common.ts";
import { isNative } from "../../messages/run_spec.ts";
import type { TaskFinished, WorkerCommand, WorkerStreamMessage } from "../../messages/worker_scheduler.ts";
import type { Extension } from "../../scheduler/state/extension.ts";
import type { SchedulerStateOptions } from "../../scheduler/state/machine.ts";
import type { Effects } from "../../scheduler/state/effects.ts";
import { machineOf, SchedulerState } from "../../scheduler/state/scheduler_state.ts";
import type { SchedulerStimulus } from "../../scheduler/state/stimulus.ts";
import { Peers, type WorkerPeer } from "../../scheduler/peers.ts";
import { ConnectionPool } from "../../rpc/pool.ts";
import { Heartbeats } from "../../worker/heartbeats.ts";
import { Transfers } from "../../worker/transfers.ts";
import { Parts } from "./setting.ts";
import type { Random } from "../random.ts";
import type { WorkerEffects } from "../../worker/state/effects.ts";
import type { Instruction } from "../../worker/state/instruction.ts";
import type { Stimulus } from "../../worker/state/stimulus.ts";
import { WorkerState, type WorkerStateOptions } from "../../worker/state/worker_state.ts";

/** A bug. */
export interface PlantedBug {
  /** What is wrong. */
  readonly name: string;
  /** Seeds within which it must be found. */
  readonly seeds: number;
  /** How a report of it looks. */
  readonly sign: RegExp;
  /** Parts of one run with the bug. */
  readonly make: () => Parts;
}

class NoRecompute extends Parts {
  readonly #finished: Set<Key> = new Set();

  override fromWorker(message: WorkerStreamMessage): readonly WorkerStreamMessage[] {
    if (message.op === "task-finished") this.#finished.add(message.key);
    return [message];
  }

  override toWorker(message: WorkerCommand): readonly WorkerCommand[] {
    return message.op === "compute-task" && this.#finished.has(message.key) ? [] : [message];
  }
}

/** Results that workers report. */
function* resultsIn(stimuli: readonly SchedulerStimulus[]): Iterable<TaskFinished> {
  for (const stimulus of stimuli) {
    if (stimulus.op !== "worker-messages") continue;
    for (const message of stimulus.messages) if (message.op === "task-finished") yield message;
  }
}

class StaleRunScheduler extends SchedulerState {
  override handle(stimuli: readonly SchedulerStimulus[], now: number): Effects {
    const current = (message: WorkerStreamMessage): WorkerStreamMessage => {
      const runId = message.op === "task-finished"
        ? machineOf(this).tasks.get(message.key)?.runId
        : undefined;
      return message.op === "task-finished" && runId !== undefined ? { ...message, run_id: runId } : message;
    };
    const changed = stimuli.map((stimulus): SchedulerStimulus => {
      if (stimulus.op !== "worker-messages") return stimulus;
      return { ...stimulus, messages: stimulus.messages.map(current) };
    });
    return super.handle(changed, now);
  }
}

class ForgetfulScheduler extends SchedulerState {
  override handle(stimuli: readonly SchedulerStimulus[], now: number): Effects {
    for (const { key } of resultsIn(stimuli)) {
      const ts = machineOf(this).tasks.get(key);
      for (const dts of ts?.dependents ?? []) {
        ts?.dependents.delete(dts);
        break;
      }
    }
    return super.handle(stimuli, now);
  }
}

class ClaimKeepingScheduler extends SchedulerState {
  override handle(stimuli: readonly SchedulerStimulus[], now: number): Effects {
    for (const stimulus of stimuli) {
      if (stimulus.op === "remove-worker") machineOf(this).workers.get(stimulus.worker)?.hasWhat.clear();
    }
    return super.handle(stimuli, now);
  }
}

class MiscountingScheduler extends SchedulerState {
  override handle(stimuli: readonly SchedulerStimulus[], now: number): Effects {
    const effects = super.handle(stimuli, now);
    for (const { key } of resultsIn(stimuli)) {
      const ts = machineOf(this).tasks.get(key);
      for (const dts of ts?.dependents ?? []) if (dts.stateName === "memory") ts?.addWaiter(dts);
    }
    return effects;
  }
}

class MixingScheduler extends SchedulerState {
  override handle(stimuli: readonly SchedulerStimulus[], now: number): Effects {
    const effects = super.handle(stimuli, now);
    const [first, second] = [...machineOf(this).clients.keys()];
    const reports = first === undefined ? undefined : effects.toClient.get(first);
    if (first === undefined || second === undefined || reports === undefined) return effects;
    const isResult = (report: ClientReport) => report.op === "key-in-memory";
    const toClient = new Map(effects.toClient);
    toClient.set(first, reports.filter((report) => !isResult(report)));
    toClient.set(second, [...reports.filter(isResult), ...effects.toClient.get(second) ?? []]);
    return { ...effects, toClient };
  }
}

class AliasingScheduler extends SchedulerState {
  #last: Key[] | undefined;

  override handle(stimuli: readonly SchedulerStimulus[], now: number): Effects {
    const effects = super.handle(stimuli, now);
    for (const messages of effects.toWorker.values()) {
      for (const message of messages) {
        if (message.op !== "free-keys") continue;
        this.#last?.push(...message.keys);
        this.#last = message.keys as Key[];
      }
    }
    return effects;
  }
}

type MakeScheduler = new (
  options: SchedulerStateOptions,
  extensions: readonly Extension[],
) => SchedulerState;

class SchedulerBug extends Parts {
  readonly #make: MakeScheduler;

  constructor(make: MakeScheduler) {
    super();
    this.#make = make;
  }

  override makeScheduler(
    options: SchedulerStateOptions,
    extensions: readonly Extension[],
  ): SchedulerState {
    return new this.#make(options, extensions);
  }
}

/** Drops, now and then, messages of one operation. */
class Losing extends Parts {
  readonly #op: string;
  readonly #share: number;

  constructor(op: string, share: number) {
    super();
    this.#op = op;
    this.#share = share;
  }

  #keep<M extends { readonly op: string }>(message: M, random: Random): readonly M[] {
    return message.op === this.#op && random.chance(this.#share) ? [] : [message];
  }

  override toWorker(message: WorkerCommand, random: Random): readonly WorkerCommand[] {
    return this.#keep(message, random);
  }

  override fromWorker(message: WorkerStreamMessage, random: Random): readonly WorkerStreamMessage[] {
    return this.#keep(message, random);
  }

  override toClient(message: ClientReport, random: Random): readonly ClientReport[] {
    return this.#keep(message, random);
  }

  override fromClient(message: ClientStreamMessage, random: Random): readonly ClientStreamMessage[] {
    return this.#keep(message, random);
  }
}

class DoubleRelease extends Parts {
  #last: ClientStreamMessage | undefined;

  override fromClient(message: ClientStreamMessage): readonly ClientStreamMessage[] {
    const last = this.#last;
    this.#last = message.op === "client-releases-keys" ? message : undefined;
    return last === undefined ? [message] : [message, last];
  }
}

class EarlyFree extends Parts {
  override toWorker(message: WorkerCommand, random: Random): readonly WorkerCommand[] {
    if (message.op !== "compute-task" || !random.chance(0.05) || !isNative(message.run_spec)) {
      return [message];
    }
    const functions: FunctionHash[] = [message.run_spec[0]];
    return [{ op: "free-functions", functions }, message];
  }
}

class LateBody extends Parts {
  override toWorker(message: WorkerCommand): readonly WorkerCommand[] {
    if (message.op !== "register-functions") return [message];
    this.#held = message;
    return [];
  }

  #held: WorkerCommand | undefined;

  override toClient(message: ClientReport): readonly ClientReport[] {
    this.#held = undefined;
    return [message];
  }
}

class MixedResults extends Parts {
  #last: Uint8Array | undefined;

  override toClient(message: ClientReport): readonly ClientReport[] {
    if (message.op !== "key-in-memory" || message.result === undefined) return [message];
    const result = this.#last ?? message.result;
    this.#last = message.result;
    return [{ ...message, result }];
  }
}

type Change = (instructions: readonly Instruction[]) => readonly Instruction[];

class ChangedWorkerState extends WorkerState {
  readonly #change: Change;

  constructor(options: WorkerStateOptions, change: Change) {
    super(options);
    this.#change = change;
  }

  override handle(stimuli: readonly Stimulus[], now: number): WorkerEffects {
    const effects = super.handle(stimuli, now);
    return { ...effects, instructions: this.#change(effects.instructions) };
  }
}

class WorkerBug extends Parts {
  readonly #change: Change;

  constructor(change: Change) {
    super();
    this.#change = change;
  }

  override makeWorker(options: WorkerStateOptions): WorkerState {
    return new ChangedWorkerState(options, this.#change);
  }
}

function runsTwice(instructions: readonly Instruction[]): Instruction[] {
  return instructions.flatMap((one) => one.op === "execute" && one.run_id % 7 === 0 ? [one, one] : [one]);
}

function without(op: Instruction["op"]): Change {
  return (instructions) => instructions.filter((one) => one.op !== op);
}

class HoardingClient extends ClientState {
  override handle(stimuli: readonly ClientStimulus[], now: number): ClientEffects {
    const effects = super.handle(stimuli, now);
    const messages = effects.messages.filter((message) => message.op !== "client-releases-functions");
    return { ...effects, messages };
  }
}

class HoardingClients extends Parts {
  override makeClient(options: ClientStateOptions): ClientState {
    return new HoardingClient(options);
  }
}

/** A bug in a shell: some of its methods are others. */
class ShellBug extends Parts {
  readonly #plant: () => () => void;

  /** `plant` puts the bug in, and returns what takes it out. */
  constructor(plant: () => () => void) {
    super();
    this.#plant = plant;
  }

  override plant(): Disposable {
    return { [Symbol.dispose]: this.#plant() };
  }
}

function keepTimer(): () => void {
  const { stop } = Heartbeats.prototype;
  Heartbeats.prototype.stop = () => {};
  return () => Heartbeats.prototype.stop = stop;
}

/** Answers requests in place of their peers; `undefined` lets one pass. */
function answerCalls(answer: (op: unknown) => Promise<unknown> | undefined): () => void {
  const { call } = ConnectionPool.prototype;
  ConnectionPool.prototype.call = new Proxy(call, {
    apply(target, pool, args: readonly unknown[]): unknown {
      const [, request] = args;
      return answer(isRecord(request) ? request["op"] : undefined) ?? Reflect.apply(target, pool, args);
    },
  });
  return () => ConnectionPool.prototype.call = call;
}

function loseGoodbye(): () => void {
  return answerCalls((op) => op === "unregister" ? Promise.resolve(null) : undefined);
}

function stopHeartbeats(): () => void {
  let count = 0;
  return answerCalls((op) =>
    op === "heartbeat_worker" && ++count % 5 === 0 ? new Promise<never>(() => {}) : undefined
  );
}

/** Who registers again is told at its old link. */
function keepFirstStream(): () => void {
  const { tellWorker } = Peers.prototype;
  const first = new Map<Address, WorkerPeer>();
  Peers.prototype.tellWorker = function (this: Peers, address, commands) {
    const now = this.workers.get(address);
    const peer = first.get(address) ?? now;
    if (peer === undefined) return;
    first.set(address, peer);
    this.workers.set(address, peer);
    tellWorker.call(this, address, commands);
    if (now !== undefined) this.workers.set(address, now);
  };
  return () => Peers.prototype.tellWorker = tellWorker;
}

function countTwice(): () => void {
  const { begin } = Transfers.prototype;
  Transfers.prototype.begin = function (this: Transfers, nbytes: number) {
    begin.call(this, nbytes);
    return begin.call(this, nbytes);
  };
  return () => Transfers.prototype.begin = begin;
}

const scheduler = (make: MakeScheduler) => () => new SchedulerBug(make);
const losing = (op: string, share: number) => () => new Losing(op, share);

/** The bugs. */
export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: "lost results are not computed again",
    seeds: 10,
    sign: /not come to an end/,
    make: () => new NoRecompute(),
  },
  {
    name: "results of an earlier run are taken",
    seeds: 120,
    sign: /took .* for run/,
    make: scheduler(StaleRunScheduler),
  },
  {
    name: "a dependent is not told",
    seeds: 5,
    sign: /waiter .* is waiting/,
    make: scheduler(ForgetfulScheduler),
  },
  {
    name: "a dead worker's replicas still count",
    seeds: 10,
    sign: /holder .* does not have it/,
    make: scheduler(ClaimKeepingScheduler),
  },
  {
    name: "waiters are counted wrongly",
    seeds: 30,
    sign: /waiter|should be/,
    make: scheduler(MiscountingScheduler),
  },
  {
    name: "results go to another client",
    seeds: 30,
    sign: /never named|not come to an end/,
    make: scheduler(MixingScheduler),
  },
  {
    name: "a sent message is changed",
    seeds: 20,
    sign: /changed after it was sent|end/,
    make: scheduler(AliasingScheduler),
  },
  {
    name: "free-keys gets lost",
    seeds: 10,
    sign: /holds|stores|keeps|executes|end/,
    make: losing("free-keys", 0.2),
  },
  {
    name: "who_has is not refreshed",
    seeds: 60,
    sign: /not come to an end/,
    make: losing("refresh-who-has", 1),
  },
  { name: "add-keys gets lost", seeds: 10, sign: /holds/, make: losing("add-keys", 0.5) },
  { name: "task-erred gets lost", seeds: 10, sign: /end|erred/, make: losing("task-erred", 0.3) },
  { name: "cancelled-keys gets lost", seeds: 20, sign: /end|wants/, make: losing("cancelled-keys", 0.5) },
  { name: "free-functions gets lost", seeds: 15, sign: /functions/, make: losing("free-functions", 0.3) },
  { name: "a release is said twice", seeds: 60, sign: /wants|end|unknown/, make: () => new DoubleRelease() },
  {
    name: "a function is freed too early",
    seeds: 10,
    sign: /not given function|not here/,
    make: () => new EarlyFree(),
  },
  {
    name: "a function's body does not come",
    seeds: 5,
    sign: /not given function/,
    make: () => new LateBody(),
  },
  { name: "a result is another task's", seeds: 5, sign: /and must be/, make: () => new MixedResults() },
  {
    name: "a task is run twice",
    seeds: 5,
    sign: /twice at a time|holds its operands twice/,
    make: () => new WorkerBug(runsTwice),
  },
  {
    name: "data is not dropped",
    seeds: 5,
    sign: /stores .* and does not know/,
    make: () => new WorkerBug(without("drop-data")),
  },
  {
    name: "function bodies are hoarded",
    seeds: 5,
    sign: /keeps functions/,
    make: () => new HoardingClients(),
  },
  {
    name: "a timer is not cleared",
    seeds: 5,
    sign: /of its timers run/,
    make: () => new ShellBug(keepTimer),
  },
  {
    name: "a goodbye is lost",
    seeds: 5,
    sign: /nothing happened to it/,
    make: () => new ShellBug(loseGoodbye),
  },
  {
    name: "a transfer is counted twice",
    seeds: 5,
    sign: /of its timers run/,
    make: () => new ShellBug(countTwice),
  },
  {
    name: "a worker that registers again is told at its old link",
    seeds: 40,
    sign: /not come to an end|holds|functions/,
    make: () => new ShellBug(keepFirstStream),
  },
  {
    name: "a heartbeat stops",
    seeds: 5,
    sign: /silent|nothing happened to it/,
    make: () => new ShellBug(stopHeartbeats),
  },
];
