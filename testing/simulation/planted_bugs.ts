/**
 * Bugs as they happen in schedulers, workers, clients and networks, made by replacing parts of a simulation. Each says
 * by how many seeds it must have been found, and how that looks.
 *
 * @module
 */

import { ClientState, type ClientStateOptions } from "../../client/state/client_state.ts";
import type { ClientEffects } from "../../client/state/effects.ts";
import type { ClientStimulus } from "../../client/state/stimulus.ts";
import type { ClientReport, ClientStreamMessage } from "../../messages/client_scheduler.ts";
import type { Address, FunctionHash, Key } from "../../messages/common.ts";
import { isNative } from "../../messages/run_spec.ts";
import type { WorkerCommand, WorkerStreamMessage } from "../../messages/worker_scheduler.ts";
import type { SchedulerStateOptions } from "../../scheduler/state/machine.ts";
import type { WorkerLoss } from "../../scheduler/state/membership.ts";
import { SchedulerDriver } from "../scheduler_driver.ts";
import { Parts } from "./setting.ts";
import type { Random } from "../random.ts";
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

class StaleRunScheduler extends SchedulerDriver {
  override handleWorkerMessage(worker: Address, message: WorkerStreamMessage, now: number): void {
    const runId = message.op === "task-finished" ? this.tasks.get(message.key)?.runId : undefined;
    const taken = message.op === "task-finished" && runId !== undefined
      ? { ...message, run_id: runId }
      : message;
    super.handleWorkerMessage(worker, taken, now);
  }
}

class ForgetfulScheduler extends SchedulerDriver {
  override handleWorkerMessage(worker: Address, message: WorkerStreamMessage, now: number): void {
    const ts = message.op === "task-finished" ? this.tasks.get(message.key) : undefined;
    for (const dts of ts?.dependents ?? []) {
      ts?.dependents.delete(dts);
      break;
    }
    super.handleWorkerMessage(worker, message, now);
  }
}

class ClaimKeepingScheduler extends SchedulerDriver {
  override removeWorker(
    address: Address,
    options: Parameters<SchedulerDriver["removeWorker"]>[1],
  ): WorkerLoss | null {
    this.workers.get(address)?.hasWhat.clear();
    return super.removeWorker(address, options);
  }
}

class MiscountingScheduler extends SchedulerDriver {
  override handleWorkerMessage(worker: Address, message: WorkerStreamMessage, now: number): void {
    super.handleWorkerMessage(worker, message, now);
    if (message.op !== "task-finished") return;
    const ts = this.tasks.get(message.key);
    for (const dts of ts?.dependents ?? []) if (dts.stateName === "memory") ts?.addWaiter(dts);
  }
}

class MixingScheduler extends SchedulerDriver {
  override takeOutbox(): ReturnType<SchedulerDriver["takeOutbox"]> {
    const { toWorker, toClient } = super.takeOutbox();
    const [first, second] = [...this.clients.keys()];
    const reports = first === undefined ? undefined : toClient.get(first);
    if (first === undefined || second === undefined || reports === undefined) return { toWorker, toClient };
    const isResult = (report: ClientReport) => report.op === "key-in-memory";
    toClient.set(first, reports.filter((report) => !isResult(report)));
    toClient.set(second, [...reports.filter(isResult), ...toClient.get(second) ?? []]);
    return { toWorker, toClient };
  }
}

class AliasingScheduler extends SchedulerDriver {
  #last: Key[] | undefined;

  override takeOutbox(): ReturnType<SchedulerDriver["takeOutbox"]> {
    const outbox = super.takeOutbox();
    for (const messages of outbox.toWorker.values()) {
      for (const message of messages) {
        if (message.op !== "free-keys") continue;
        this.#last?.push(...message.keys);
        this.#last = message.keys as Key[];
      }
    }
    return outbox;
  }
}

class SchedulerBug extends Parts {
  readonly #make: new (options: SchedulerStateOptions) => SchedulerDriver;

  constructor(make: new (options: SchedulerStateOptions) => SchedulerDriver) {
    super();
    this.#make = make;
  }

  override makeScheduler(options: SchedulerStateOptions): SchedulerDriver {
    return new this.#make(options);
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

type Change = (instructions: Instruction[]) => Instruction[];

class ChangedWorkerState extends WorkerState {
  readonly #change: Change;

  constructor(options: WorkerStateOptions, change: Change) {
    super(options);
    this.#change = change;
  }

  override handleStimuli(events: readonly Stimulus[], now: number): Instruction[] {
    return this.#change(super.handleStimuli(events, now));
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

function runsTwice(instructions: Instruction[]): Instruction[] {
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

const scheduler = (make: new (options: SchedulerStateOptions) => SchedulerDriver) => () =>
  new SchedulerBug(make);
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
  { name: "a task is run twice", seeds: 5, sign: /twice at a time/, make: () => new WorkerBug(runsTwice) },
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
];
