/**
 * The scheduler of a simulated cluster: the real one, on a virtual platform, and what is checked around it.
 *
 * @module
 */

import type { Address, Key } from "../../messages/common.ts";
import type { WorkerStreamMessage } from "../../messages/worker_scheduler.ts";
import { FunctionBodies } from "../../scheduler/extensions/functions/function_bodies.ts";
import { SchedulerShell } from "../../scheduler/shell.ts";
import type { Effects } from "../../scheduler/state/effects.ts";
import type { SchedulerMachine } from "../../scheduler/state/machine.ts";
import { machineOf, type SchedulerState } from "../../scheduler/state/scheduler_state.ts";
import type { SchedulerStimulus } from "../../scheduler/state/stimulus.ts";
import type { Random } from "../random.ts";
import type { Role } from "./role.ts";
import type { Setting } from "./setting.ts";
import { check } from "./world.ts";

/** Host of the scheduler. */
const HOST = "10.1.0.1";
const PORT = 8786;
/** Share of messages that are looked at again. */
const SENT_SHARE = 0.1;
/** How many of them are kept. */
const SENT_KEPT = 2;
/** Where it is reached. */
export const SCHEDULER_ADDRESS: Address = `tcp://${HOST}:${PORT}` as Address;

/** The scheduler. */
export class SchedulerMember {
  /** What it runs on. */
  readonly role: Role;
  /** The bodies that it keeps. */
  readonly functions: FunctionBodies = new FunctionBodies();
  readonly #setting: Setting;
  /** Told of each worker that is removed as if it had died. */
  readonly #onBlamed: (address: Address) => void;
  readonly #sent: SentMessages;
  #state: SchedulerState | undefined;
  #shell: SchedulerShell | undefined;

  /** One that has not started yet. */
  constructor(setting: Setting, onBlamed: (address: Address) => void) {
    this.#setting = setting;
    this.#onBlamed = onBlamed;
    this.role = setting.makeRole("scheduler", HOST);
    this.#sent = new SentMessages(setting.world.random);
  }

  /** The machine. */
  get state(): SchedulerState {
    check(this.#state !== undefined, () => "The scheduler has no machine yet");
    return this.#state;
  }

  /** What is in the machine, to be looked at only. */
  get machine(): SchedulerMachine {
    return machineOf(this.state);
  }

  /** Time as it sees it. */
  get now(): number {
    return this.role.platform.clock.time();
  }

  /** Listens. */
  async start(): Promise<void> {
    const { parts, config, world, onRecord } = this.#setting;
    this.#shell = await SchedulerShell.start({ host: HOST, port: PORT, protocol: "tcp", config }, {
      platform: this.role.platform,
      ...onRecord !== undefined && { onRecord },
      makeState: (options) => {
        const checked = { ...options, validate: true, transitionCounterMax: 1_000_000 };
        const state = parts.makeScheduler(checked, [this.functions]);
        this.#watch(state);
        this.#state = state;
        return state;
      },
    });
    this.#shell.finished.catch((error) => world.fail(error));
  }

  /** Ends. */
  async close(): Promise<void> {
    await this.#shell?.close();
  }

  /** Dies; with its machine, nobody is told. */
  crash(isMachineGone: boolean): void {
    this.#setting.world.note(`S dies${isMachineGone ? " with its machine" : ""}`);
    this.#setting.network.drop(this.role, isMachineGone);
    this.role.kill(isMachineGone);
  }

  /** Worker messages arrived: a result counts only if it is of the run that was asked for last. */
  checkRuns(address: Address, batch: readonly WorkerStreamMessage[]): void {
    for (const message of batch) {
      if (message.op !== "task-finished" || this.#holds(address, message.key)) continue;
      const { key, run_id } = message;
      this.#setting.world.whenQuiet(() => {
        if (!this.#holds(address, key)) return;
        const runId = this.machine.tasks.get(key)?.runId;
        check(runId === run_id, () => `S took "${key}" of ${address}, run ${run_id}, for run ${runId}`);
      });
    }
  }

  #holds(address: Address, key: Key): boolean {
    const { workers, tasks } = this.machine;
    const ws = workers.get(address);
    return ws !== undefined && (tasks.get(key)?.whoHas.has(ws) ?? false);
  }

  #watch(state: SchedulerState): void {
    const handle = state.handle.bind(state);
    state.handle = (stimuli, now) => {
      for (const stimulus of stimuli) this.#onStimulus(stimulus);
      const effects = handle(stimuli, now);
      this.#onEffects(effects);
      this.#setting.world.whenQuiet(() => {
        state.validateState();
        this.#sent.check();
      });
      return effects;
    };
  }

  #onStimulus(stimulus: SchedulerStimulus): void {
    if (stimulus.op !== "remove-worker" || !this.machine.workers.has(stimulus.worker)) return;
    if (!(stimulus.expected ?? false)) this.#onBlamed(stimulus.worker);
  }

  #onEffects({ events, toWorker, toClient }: Effects): void {
    for (const event of events) {
      if (event.event === "worker-silent") this.#onBlamed(event.worker);
      if (event.event === "worker-removed") this.#setting.world.note(`S removes ${event.worker}`);
    }
    for (const messages of toWorker.values()) this.#sent.add(messages);
    for (const messages of toClient.values()) this.#sent.add(messages);
  }
}

/** Some of the last messages, and what they were when the machine gave them away. */
class SentMessages {
  readonly #random: Random;
  #kept: { readonly message: unknown; readonly text: string }[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  add(messages: readonly unknown[]): void {
    for (const message of messages) {
      if (this.#random.chance(SENT_SHARE)) this.#kept.push({ message, text: textOf(message) });
    }
    if (this.#kept.length > 2 * SENT_KEPT) this.#kept.splice(0, SENT_KEPT);
  }

  /** A message may not change: it may wait for its link as it is. */
  check(): void {
    for (const { message, text } of this.#kept) {
      check(textOf(message) === text, () => {
        return `A message was changed after it was sent: ${text} is now ${textOf(message)}`;
      });
    }
  }
}

function textOf(message: unknown): string {
  return JSON.stringify(message, (_, value) => value instanceof Uint8Array ? value.byteLength : value);
}
