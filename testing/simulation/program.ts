/**
 * A program that uses a simulated cluster: the real session of a client on a virtual platform. Every report
 * is held against what must come out.
 *
 * @module
 */

import { Scatterer } from "../../client/fetch/scatter.ts";
import type { Future } from "../../client/futures/future.ts";
import { CancelledError, SchedulerClosed, TaskError } from "../../client/futures/errors.ts";
import { stateOf } from "../../client/futures/future.ts";
import { Session } from "../../client/session.ts";
import type { ClientState } from "../../client/state/client_state.ts";
import type { KeyState } from "../../client/state/key_state.ts";
import { CommClosed } from "../../comm/errors.ts";
import type {
  ClientReport,
  ClientStreamMessage,
  GraphAnnotations,
  TaskRow,
} from "../../messages/client_scheduler.ts";
import type { Address, ClientId, Key } from "../../messages/common.ts";
import { SCHEDULER_OPERATIONS } from "../../messages/scheduler_operations.ts";
import { decodeError } from "../../protocol/remote_error.ts";
import { deserializeFrame } from "../../protocol/values.ts";
import type { Role } from "./role.ts";
import { SCHEDULER_ADDRESS, type SchedulerMember } from "./scheduler_member.ts";
import type { Setting } from "./setting.ts";
import { bodyOf, type Definition, errorTextOf, unpackValue } from "./workload.ts";
import { check } from "./world.ts";

const ARGUMENTS = Uint8Array.of(0x90);

/** Virtual seconds in which news of a cancellation may still arrive, also by way of a task that it took along. */
const NEWS_SECONDS = 10;

/** One future that the program holds. */
export interface Handle {
  /** What was asked for. */
  readonly definition: Definition;
  /** What the client knows of it. */
  readonly state: KeyState;
  /** The handle itself. */
  readonly future: Future<unknown>;
}

/** One client, and what it is used for. */
export class Program {
  /** What it runs on. */
  readonly role: Role;
  /** Futures that the program holds. */
  handles: Handle[] = [];
  readonly #setting: Setting;
  readonly #scheduler: SchedulerMember;
  #state: ClientState | undefined;
  #session: Session | undefined;
  #scatterer: Scatterer | undefined;
  /** Keys that were ever named to the scheduler. */
  readonly #named: Set<Key> = new Set();
  /** States that may end cancelled without anybody being wrong. */
  readonly #tainted: Set<KeyState> = new Set();
  /** When a state of each key was last added to `#tainted`, in virtual seconds. */
  readonly #taintedAt: Map<Key, number> = new Map();
  /** What was got last for each key. */
  readonly #latest: Map<Key, KeyState> = new Map();
  /** Cancellations of each key that the scheduler has not confirmed. */
  readonly #unconfirmed: Map<Key, number> = new Map();
  /** Keys that the scheduler was asked about; the answer may be that it does not know them. */
  readonly #asked: Set<Key> = new Set();
  #isClosed = false;
  #isClosing = false;
  #isGone = false;
  /** Whether the network took its scheduler away. */
  #isCutOff = false;
  /** Requests of the program that have not ended. */
  #pending = 0;

  /** Connects. */
  constructor(setting: Setting, scheduler: SchedulerMember, host: string) {
    this.#setting = setting;
    this.#scheduler = scheduler;
    this.role = setting.makeRole("client", host);
    this.#open().catch((error) => setting.world.fail(error));
  }

  /** The machine. */
  get state(): ClientState {
    check(this.#state !== undefined, () => `${this.role.name} has no machine yet`);
    return this.#state;
  }

  /** Name that the scheduler knows it by; empty until it is connected. */
  get id(): ClientId {
    return this.#session?.id ?? "" as ClientId;
  }

  /** Whether it can be used. */
  get isOpen(): boolean {
    return this.#session !== undefined && !this.#isClosed;
  }

  /** Whether nothing runs for it any more. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Requests that have not ended. */
  get pending(): number {
    return this.#pending;
  }

  async #open(): Promise<void> {
    const { parts, config, world } = this.#setting;
    const platform = this.role.platform;
    const name = this.role.name;
    try {
      this.#session = await Session.open(SCHEDULER_ADDRESS, { name, config }, platform, (options) => {
        return this.#state = parts.makeClient({ ...options, validate: true });
      });
    } catch (error) {
      check(!this.#setting.isPeaceful, () => `${name} can't connect: ${String(error)}`);
      world.note(`${name} can't connect`);
      this.#isClosed = this.#isGone = true;
      return;
    }
    this.#scatterer = new Scatterer(this.#session);
    world.note(`${name} is connected`);
  }

  /** Checks that it still has its scheduler: nothing was done to its links. */
  checkConnected(): void {
    if (!this.#isClosed) this.#session?.checkOpen();
  }

  /** Whether it knows that its scheduler is gone. */
  get isLost(): boolean {
    try {
      this.checkConnected();
      return false;
    } catch (error) {
      return error instanceof SchedulerClosed;
    }
  }

  /** Asks for tasks, and for what they need as far as it is not held. Inner tasks are kept by chance. */
  submit(definitions: readonly Definition[], annotations: GraphAnnotations, keep: number): void {
    const inner: Handle[] = [];
    for (const definition of definitions) {
      for (const one of this.#missing(definition)) inner.push(this.#want(one, annotations));
      this.handles.push(this.#want(definition, annotations));
    }
    const { random } = this.#setting.world;
    for (const handle of inner) {
      if (random.chance(keep)) this.handles.push(handle);
      else handle.future.release();
    }
  }

  /** Whether all values that `definition` needs are held, so that it can be submitted. */
  canSubmit(definition: Definition): boolean {
    return definition.kind !== "data" && this.#missing(definition).every((one) => one.kind !== "data");
  }

  /** Wants what somebody else made. */
  desire(definition: Definition): void {
    this.#asked.add(definition.key);
    const state = this.#given.desire(definition.key);
    this.#taint(definition.key, state);
    this.#hold(definition, state);
  }

  /** Puts a value on workers. */
  scatter(broadcast: boolean): void {
    const scatterer = this.#scatterer;
    if (scatterer === undefined) return;
    const { catalogue, isPeaceful } = this.#setting;
    const { value, nbytes } = catalogue.makeData();
    this.#run("scatter", async () => {
      const future = await scatterer.scatter(value, { broadcast, timeout: isPeaceful ? "100s" : "20s" });
      if (this.#isClosed) return future.release();
      const definition = catalogue.addData(future.key, unpackValue(value), nbytes);
      const state = stateOf(future);
      this.#latest.set(definition.key, state);
      this.handles.push({ definition, state, future });
    });
  }

  /** Lets some futures go. */
  release(handles: readonly Handle[]): void {
    const gone = new Set(handles);
    this.handles = this.handles.filter((handle) => !gone.has(handle));
    for (const { future } of gone) future.release();
  }

  /** Gives tasks up. */
  cancel(handles: readonly Handle[], force: boolean): void {
    const keys = new Set(handles.map((handle) => handle.definition.key));
    for (const { definition, state } of this.handles) {
      if (!definition.closure.isDisjointFrom(keys)) this.#taint(definition.key, state);
    }
    if (force) { for (const key of keys) this.#setting.forced.add(key); }
    this.#given.cancel(handles.map((handle) => handle.state), { force, reason: "by the program" });
  }

  /** Runs failed tasks again. */
  retry(handles: readonly Handle[]): void {
    const failed = handles.filter(({ state }) => state.status === "error");
    if (failed.length === 0) return;
    this.#setting.world.note(`${this.role.name} retries ${failed.map(({ state }) => state.key).join(",")}`);
    this.#run("retry", () => this.#given.retry(failed.map(({ state }) => state), undefined));
  }

  /** Has a worker emptied and sent away. */
  retireWorker(address: Address, closeWorkers: boolean): void {
    this.#setting.world.note(`${this.role.name} retires ${address}`);
    const request = { workers: [address], close_workers: closeWorkers };
    this.#run("retire", () => {
      return this.#given.ask(SCHEDULER_OPERATIONS.retire_workers, request, undefined, "retire_workers");
    });
  }

  /** Waits for a result, brings it here, and checks it. */
  fetch(handle: Handle): void {
    const session = this.#session;
    if (session === undefined || this.#isClosed) return;
    const wasPeaceful = this.#setting.isPeaceful;
    const { definition, state } = handle;
    this.#run("fetch", async () => {
      try {
        const [value] = await session.fetch([state], undefined);
        this.#checkValue(definition, value);
      } catch (error) {
        // How the task ended is checked where it is reported.
        if (error instanceof TaskError || error instanceof CancelledError) return;
        if (error instanceof CommClosed && !wasPeaceful) return; // given up after many tries
        throw error;
      }
    });
  }

  /** The network breaks its stream; or one of its links, or all of them go dead. */
  breakLinks(isMute: boolean): void {
    this.#isCutOff = true;
    for (const comm of [...this.role.comms]) {
      if (isMute) comm.goMute();
      else if (comm.isStream) comm.cut();
    }
  }

  /** Its process dies. */
  crash(isMachineGone: boolean): void {
    this.#isClosed = this.#isGone = true;
    this.#setting.world.note(`${this.role.name} dies`);
    this.role.kill(isMachineGone);
    this.#drop();
  }

  /** Says goodbye, if there is still somebody to say it to. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = this.#isClosing = true;
    this.#setting.world.note(`${this.role.name} closes`);
    this.#close().catch((error) => this.#setting.world.fail(error));
  }

  async #close(): Promise<void> {
    await this.#session?.close();
    this.#drop();
    this.#isClosing = false;
    this.#endIfDone();
  }

  /** Requests that were made before end with the client. */
  #endIfDone(): void {
    if (!this.#isClosed || this.#isClosing || this.#pending > 0 || this.#isGone) return;
    this.#isGone = true;
    this.#setting.world.note(`${this.role.name} is gone`);
    this.#setting.world.whenQuiet(() => this.role.checkEnded());
  }

  /** Futures that are forgotten would be released when memory is cleaned, which no seed decides. */
  #drop(): void {
    for (const { future } of this.handles) future.release();
    this.handles = [];
  }

  /** A batch left for the scheduler. */
  onSent(batch: readonly ClientStreamMessage[]): void {
    for (const message of batch) {
      if (message.op === "report-key") this.#asked.add(message.key);
      if (message.op === "cancel-keys") { for (const key of message.keys) this.#countUnconfirmed(key, 1); }
      if (message.op === "update-data") this.#name(Object.keys(message.who_has) as Key[]);
      if (message.op === "client-desires-keys") this.#name(message.keys);
      if (message.op !== "update-graph") continue;
      for (const { tasks } of message.groups) this.#name(tasks.map(([key]) => key));
    }
  }

  #name(keys: readonly Key[]): void {
    for (const key of keys) this.#named.add(key);
  }

  /** The scheduler was asked to give a value to workers. */
  onScatter(keys: readonly Key[]): void {
    this.#name(keys);
  }

  /** A batch of reports arrived. */
  onReports(batch: readonly ClientReport[]): void {
    if (this.#isClosed) return;
    for (const report of batch) {
      const keys = "key" in report ? [report.key] : "keys" in report ? report.keys : [];
      for (const key of keys) {
        check(this.#named.has(key), () => `${this.role.name} is told of "${key}", which it never named`);
      }
      if (report.op === "key-in-memory") this.#checkReport(report.key, report.result);
      if (report.op === "cancelled-keys") { for (const key of keys) this.#countUnconfirmed(key, -1); }
    }
    this.#setting.world.whenQuiet(() => {
      for (const handle of this.handles) this.checkEnd(handle);
    });
  }

  /** Whether `state` may be cancelled though this program did not ask for it to be. */
  mayBeCancelled({ definition, state }: Handle): boolean {
    if (this.#tainted.has(state) || !definition.closure.isDisjointFrom(this.#setting.forced)) return true;
    for (const key of definition.closure) { // values that are gone can't be made again
      if (this.#setting.scattered.has(key) && !this.#scheduler.machine.tasks.has(key)) return true;
    }
    return false;
  }

  /** Checks that a future ended as it may. */
  checkEnd(handle: Handle): void {
    const { definition, state } = handle;
    const name = `${this.role.name}: "${definition.key}"`;
    if (this.#isClosed || this.#isCutOff) return;
    if (state.status === "finished") {
      check(!this.#setting.catalogue.isDoomed(definition), () => `${name} finished, and can't`);
      if (state.result !== undefined) this.#checkValue(definition, deserializeFrame(state.result));
    } else if (state.status === "error") {
      check(isRightError(definition, state, this.#setting), () => {
        return `${name} failed wrongly: ${errorText(state.exception)}`;
      });
    } else if (state.status === "cancelled") {
      check(this.mayBeCancelled(handle), () => `${name} is cancelled: ${state.reason}`);
    }
  }

  get #given(): Session {
    check(this.#session !== undefined, () => `${this.role.name} is not connected`);
    return this.#session;
  }

  /** Runs a request of the program. It may fail while things go wrong, and if the client ends. */
  #run(what: string, request: () => Promise<unknown>): void {
    const wasPeaceful = this.#setting.isPeaceful;
    this.#pending++;
    request().catch((error) => {
      if (this.#isClosed || this.#isCutOff) return;
      this.#setting.world.note(`${this.role.name} can't ${what}: ${String(error)}`);
      if (wasPeaceful || what === "fetch") this.#setting.world.fail(error);
    }).finally(() => {
      this.#pending--;
      this.#endIfDone();
    });
  }

  /**
   * What `definition` takes, directly or by way of tasks that are not held, in an order in which it can be
   * submitted.
   */
  #missing(definition: Definition, found: Definition[] = []): Definition[] {
    for (const one of definition.dependencies) {
      if (this.#isHeld(one.key) || found.includes(one)) continue;
      this.#missing(one, found);
      found.push(one);
    }
    return found;
  }

  #isHeld(key: Key): boolean {
    const known = this.state.get(key);
    return known !== undefined && this.handles.some(({ state }) => state === known);
  }

  #want(definition: Definition, annotations: GraphAnnotations): Handle {
    const { key, hash, dependencies } = definition;
    const row: TaskRow = [key, ARGUMENTS, dependencies.map((one, i) => [one.key, i] as const)];
    const state = this.#given.submit({ hash, body: bodyOf(hash) }, row, annotations);
    this.#inheritTaint(definition, state);
    for (const one of dependencies) {
      const input = this.#latest.get(one.key);
      if (input !== undefined && this.#tainted.has(input)) this.#taint(key, state);
    }
    this.#latest.set(key, state);
    return { definition, state, future: this.#given.future(state) };
  }

  /**
   * News of what became of the same key before may still be on its way, and can't be told from news of this
   * time.
   */
  #inheritTaint({ key, closure }: Definition, state: KeyState): void {
    const previous = this.#latest.get(key);
    if (previous === undefined || previous === state) return;
    if (!this.#tainted.has(previous)) return;
    // What was cancelled itself is told apart by the machine.
    const isOpen = closure.values().some((one) => one !== key && this.#unconfirmed.has(one));
    const since = this.#setting.world.now - (this.#taintedAt.get(key) ?? -Infinity);
    if (this.#asked.has(key) || isOpen || since < NEWS_SECONDS) this.#taint(key, state);
  }

  #taint(key: Key, state: KeyState): void {
    this.#tainted.add(state);
    this.#taintedAt.set(key, this.#setting.world.now);
  }

  #hold(definition: Definition, state: KeyState): void {
    this.#latest.set(definition.key, state);
    this.handles.push({ definition, state, future: this.#given.future(state) });
  }

  #countUnconfirmed(key: Key, more: number): void {
    const count = (this.#unconfirmed.get(key) ?? 0) + more;
    if (count > 0) this.#unconfirmed.set(key, count);
    else this.#unconfirmed.delete(key);
  }

  #checkReport(key: Key, result: Uint8Array | undefined): void {
    const definition = this.#setting.catalogue.get(key);
    if (definition !== undefined && result !== undefined) {
      this.#checkValue(definition, deserializeFrame(result));
    }
  }

  #checkValue(definition: Definition, value: unknown): void {
    const number = unpackValue(value);
    const expected = this.#setting.catalogue.expected(definition);
    check(number === expected, () => {
      return `${this.role.name}: "${definition.key}" is ${number}, and must be ${expected}`;
    });
  }
}

/** Whether an error is one that a task it depends on, or the death of its workers, explains. */
function isRightError(definition: Definition, state: KeyState, setting: Setting): boolean {
  const text = errorText(state.exception);
  for (const key of definition.closure) {
    const { kind } = setting.catalogue.get(key) ?? { kind: "ok" };
    if ((kind === "fails" || kind === "flaky") && text === errorTextOf(key)) return true;
    const isKilled = setting.deaths > setting.profile.allowedFailures;
    if (isKilled && text.startsWith(`Attempted to run task "${key}"`)) return true;
  }
  return false;
}

function errorText(exception: unknown): string {
  return decodeError(exception).message;
}
