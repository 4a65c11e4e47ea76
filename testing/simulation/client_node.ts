/**
 * A client of a simulated cluster: the real state machine, a program that uses it, and what `client/session.ts` and
 * `client/fetch/results.ts` do between them, in virtual time. Every report is held against what must come out.
 *
 * @module
 */

import type { ClientState } from "../../client/state/client_state.ts";
import type { KeyState } from "../../client/state/key_state.ts";
import type { ClientEffects } from "../../client/state/effects.ts";
import type { ClientStimulus } from "../../client/state/stimulus.ts";
import {
  type ClientReport,
  type ClientStreamMessage,
  type GraphAnnotations,
  parseClientReport,
  parseClientStreamMessage,
  type TaskRow,
} from "../../messages/client_scheduler.ts";
import type { Address, ClientId, Key } from "../../messages/common.ts";
import { Serialized } from "../../protocol/serialized.ts";
import type { SchedulerNode } from "./scheduler_node.ts";
import type { Setting } from "./setting.ts";
import { Stream } from "./stream.ts";
import { type Definition, errorTextOf, unpackValue } from "./workload.ts";
import { check } from "./world.ts";

/** Seconds between heartbeats. */
const HEARTBEAT = 1;
const ARGUMENTS = Uint8Array.of(0x90);
const BODY = Uint8Array.of(1, 2, 3);

/** What a program holds: one future. */
export interface Handle {
  /** What was asked for. */
  readonly definition: Definition;
  /** What the client knows of it. */
  readonly state: KeyState;
}

/** One client. */
export class ClientNode {
  /** Name. */
  readonly id: ClientId;
  /** The machine. */
  readonly state: ClientState;
  /** Futures that the program holds. */
  handles: Handle[] = [];
  readonly #setting: Setting;
  readonly #scheduler: SchedulerNode;
  readonly #up: Stream<ClientStreamMessage>;
  readonly #down: Stream<ClientReport>;
  /** Keys that were ever named to the scheduler. */
  readonly #named: Set<Key> = new Set();
  /** States that may end cancelled without anybody being wrong. */
  readonly #tainted: Set<KeyState> = new Set();
  /** What was got last for each key. */
  readonly #latest: Map<Key, KeyState> = new Map();
  /** States whose cancellation is known, or is told apart by the machine. */
  readonly #answered: Set<KeyState> = new Set();
  /** Keys that the scheduler was asked about; the answer may be that it does not know them. */
  readonly #asked: Set<Key> = new Set();
  #isClosed = false;
  #fetches = 0;

  /** Registers a client. */
  constructor(setting: Setting, scheduler: SchedulerNode, id: string) {
    const { world, profile, parts } = setting;
    this.id = id as ClientId;
    this.#setting = setting;
    this.#scheduler = scheduler;
    this.state = parts.makeClient({ client: this.id, heartbeat: HEARTBEAT, now: world.now, validate: true });
    const common = { latency: () => profile.latency, encoded: profile.encoded };
    this.#up = new Stream<ClientStreamMessage>(world, {
      ...common,
      name: `${id}>S`,
      parse: parseClientStreamMessage,
      filter: (message) => parts.fromClient(message, world.random),
      receive: (batch) => scheduler.readClient(this.id, batch),
      onEnd: () => scheduler.endClient(this.id),
    });
    this.#down = new Stream<ClientReport>(world, {
      ...common,
      name: `S>${id}`,
      parse: parseClientReport,
      filter: (message) => parts.toClient(message, world.random),
      receive: (batch) => this.#read(batch),
      onEnd: () => this.#lose(),
    });
    scheduler.registerClient(this.id, this.#down);
    this.#scheduleHeartbeat();
  }

  /** Whether it is connected. */
  get isAlive(): boolean {
    return !this.#isClosed;
  }

  /** Results that are being fetched. */
  get fetches(): number {
    return this.#fetches;
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
      else this.#release(handle);
    }
    this.flush();
  }

  /** Whether all values that `definition` needs are held, so that it can be submitted. */
  canSubmit(definition: Definition): boolean {
    return definition.kind !== "data" && this.#missing(definition).every((one) => one.kind !== "data");
  }

  /** Wants what somebody else made. */
  desire(definition: Definition): void {
    this.#named.add(definition.key);
    const state = this.#ask(definition.key, { op: "desire", key: definition.key });
    this.#tainted.add(state);
    this.#hold(definition, state);
    this.flush();
  }

  /** Puts a value on a worker, and tells the scheduler when it is there. */
  scatter(
    definition: Definition,
    value: Serialized,
    give: (key: Key, value: Serialized) => Address | undefined,
  ): void {
    const { world, profile } = this.#setting;
    world.schedule(world.delay(profile.latency), () => {
      if (this.#isClosed) return;
      const worker = give(definition.key, value);
      if (worker === undefined) return;
      const { key } = definition;
      world.note(`${this.id} put ${key} on ${worker}`);
      this.#named.add(key);
      this.#hold(
        definition,
        this.#ask(key, { op: "announce", key, workers: [worker], nbytes: value.nbytes }),
      );
      this.flush();
    });
  }

  /** Lets some futures go. */
  release(handles: readonly Handle[]): void {
    const gone = new Set(handles);
    this.handles = this.handles.filter((handle) => !gone.has(handle));
    for (const handle of gone) this.#release(handle);
    this.flush();
  }

  /** Gives tasks up. */
  cancel(handles: readonly Handle[], force: boolean): void {
    const keys = new Set(handles.map((handle) => handle.definition.key));
    for (const { definition, state } of this.handles) {
      if (!definition.closure.isDisjointFrom(keys)) this.#tainted.add(state);
    }
    for (const { state } of handles) this.#answered.add(state);
    if (force) { for (const key of keys) this.#setting.forced.add(key); }
    const wants = handles.map((handle) => handle.state);
    this.#tell({ op: "cancel", wants, force, reason: "by the program" });
    this.flush();
  }

  /** Runs failed tasks again. */
  retry(handles: readonly Handle[]): void {
    const wants = handles.map((handle) => handle.state);
    const { retrying: retried } = this.#tell({ op: "retry", wants });
    if (retried.length === 0) return;
    const { world, profile } = this.#setting;
    world.note(`${this.id} retries ${retried.map((state) => state.key).join(",")}`);
    world.schedule(world.delay(profile.latency), () => {
      world.note(`S retries for ${this.id}`);
      const running = this.#scheduler.retry(retried.map((state) => state.key));
      world.schedule(world.delay(profile.latency), () => {
        if (this.#isClosed) return;
        world.note(`${this.id} knows that these run again: ${running.join(",")}`);
        this.#tell({ op: "retry-answer", wants: retried, running });
        this.flush();
      });
    });
  }

  /** Brings a result, if there is one now, and checks it. Waits again if it was lost on the way. */
  fetch(handle: Handle): void {
    if (this.#isClosed || handle.state.status !== "finished") return;
    this.#fetches++;
    const worker = handle.state.workers[0];
    const { world, profile, peers } = this.#setting;
    world.schedule(world.delay(2 * profile.latency), () => {
      const value = worker === undefined ? undefined : peers.get(worker)?.store.get(handle.state.key);
      if (value !== undefined) this.#fetched(handle, value);
      else this.#scheduler.gather(handle.state.key, (found) => this.#fetched(handle, found));
    });
  }

  /** Sends what is to be sent. */
  flush(): void {
    const { messages } = this.#tell({ op: "flush" });
    for (const message of messages) if (message.op === "report-key") this.#asked.add(message.key);
    this.#up.send(messages);
  }

  /** The link breaks. */
  cutLink(): void {
    const { random } = this.#setting.world;
    this.#up.cut(random.below(this.#up.pending + 1));
    this.#down.cut(random.below(this.#down.pending + 1));
  }

  /** Says goodbye. */
  close(): void {
    this.#lose();
    this.#up.send([{ op: "close-client" }]);
    this.#up.end();
  }

  /** Whether `state` may be cancelled though this program did not ask for it to be. */
  mayBeCancelled({ definition, state }: Handle): boolean {
    if (this.#tainted.has(state) || !definition.closure.isDisjointFrom(this.#setting.forced)) return true;
    for (const key of definition.closure) { // values that are gone can't be made again
      if (this.#setting.scattered.has(key) && !this.#scheduler.state.tasks.has(key)) return true;
    }
    return false;
  }

  /** Checks that a future ended as it may. */
  checkEnd(handle: Handle): void {
    const { definition, state } = handle;
    const name = `${this.id}: "${definition.key}"`;
    if (state.status === "finished") {
      check(!this.#setting.catalogue.isDoomed(definition), () => `${name} finished, and can't`);
      if (state.result !== undefined) this.#checkValue(definition, state.result);
    } else if (state.status === "error") {
      check(isRightError(definition, state, this.#setting), () => {
        return `${name} failed wrongly: ${errorText(state.exception)}`;
      });
    } else if (state.status === "cancelled") {
      check(this.mayBeCancelled(handle), () => `${name} is cancelled: ${state.reason}`);
    }
  }

  /** What `definition` takes, directly or by way of tasks that are not held, in an order in which it can be submitted. */
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
    this.#named.add(key);
    const row: TaskRow = [key, ARGUMENTS, dependencies.map((one, i) => [one.key, i] as const)];
    const state = this.#ask(key, { op: "submit", fn: { hash, body: BODY }, row, annotations });
    this.#inheritTaint(key, state);
    for (const one of dependencies) {
      const input = this.#latest.get(one.key);
      if (input !== undefined && this.#tainted.has(input)) this.#tainted.add(state);
    }
    this.#latest.set(key, state);
    return { definition, state };
  }

  /** News of what became of the same key before may still be on its way, and can't be told from news of this time. */
  #inheritTaint(key: Key, state: KeyState): void {
    const previous = this.#latest.get(key);
    if (previous === undefined || previous === state) return;
    const isOpen = this.#asked.has(key) || !this.#answered.has(previous);
    if (this.#tainted.has(previous) && isOpen) this.#tainted.add(state);
  }

  #tell(stimulus: ClientStimulus): ClientEffects {
    return this.state.handle([stimulus], this.#setting.world.now);
  }

  #ask(key: Key, stimulus: ClientStimulus): KeyState {
    this.#tell(stimulus);
    const state = this.state.get(key);
    check(state !== undefined, () => `${this.id} asked for "${key}", and does not want it`);
    return state;
  }

  #hold(definition: Definition, state: KeyState): void {
    this.#latest.set(definition.key, state);
    this.handles.push({ definition, state });
  }

  #release({ state }: Handle): void {
    this.#tell({ op: "release", wants: [state] });
  }

  #read(batch: readonly ClientReport[]): void {
    if (this.#isClosed) return;
    for (const report of batch) {
      const keys = "key" in report ? [report.key] : "keys" in report ? report.keys : [];
      for (const key of keys) {
        check(this.#named.has(key), () => `${this.id} is told of "${key}", which it never named`);
      }
      if (report.op === "key-in-memory") this.#checkReport(report.key, report.result);
      if (report.op === "cancelled-keys") { for (const key of keys) this.#answer(key); }
      this.#tell(report);
    }
    for (const handle of this.handles) this.checkEnd(handle);
    this.flush();
  }

  #answer(key: Key): void {
    const state = this.#latest.get(key);
    if (state !== undefined) this.#answered.add(state);
  }

  #checkReport(key: Key, result: Uint8Array | undefined): void {
    const definition = this.#setting.catalogue.get(key);
    if (definition !== undefined && result !== undefined) this.#checkValue(definition, result);
  }

  #checkValue(definition: Definition, frame: Uint8Array | undefined): void {
    const value = unpackValue(frame);
    const expected = this.#setting.catalogue.expected(definition);
    check(value === expected, () => `${this.id}: "${definition.key}" is ${value}, and must be ${expected}`);
  }

  #fetched(handle: Handle, value: Serialized | undefined): void {
    this.#fetches--;
    if (this.#isClosed) return;
    const { state, definition } = handle;
    if (value !== undefined) return this.#checkValue(definition, value.frames[0]);
    if (state.status !== "finished") return;
    this.#setting.world.note(`${this.id} lost ${state.key}`);
    this.#tell({ op: "lacking", wants: [state] });
    this.flush();
  }

  #lose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#setting.world.note(`${this.id} closes`);
    this.#tell({ op: "disconnect", reason: "the link is gone" });
    this.handles = [];
  }

  #scheduleHeartbeat(): void {
    this.#setting.world.schedule(HEARTBEAT, () => {
      if (this.#isClosed) return;
      this.#tell({ op: "tick" });
      this.flush();
      this.#scheduleHeartbeat();
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
  if (typeof exception === "string") return exception;
  if (exception instanceof Serialized) return new TextDecoder().decode(exception.frames[0]);
  return String(exception);
}
