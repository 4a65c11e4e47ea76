/**
 * The state machine of a client: the keys that it wants. Stimuli in, effects out; no I/O, no clock.
 *
 * Mirrors `FutureState` and the `_handle_*` methods of distributed/client.py.
 *
 * @module
 */

import { assert, unreachable } from "../../internal/assert.ts";
import type {
  CancelledKeys,
  ClientStreamMessage,
  GraphAnnotations,
  KeyInMemory,
  TaskRow,
} from "../../messages/client_scheduler.ts";
import type { ClientId, FunctionHash, Key } from "../../messages/common.ts";
import type { ClientEffects } from "./effects.ts";
import { FunctionUses } from "./function_uses.ts";
import { type FutureStatus, KeyRecord, type KeyState, type WantRef } from "./key_state.ts";
import { Outbox } from "./outbox.ts";
import type { Announce, Cancel, ClientStimulus, FunctionBody, RetryAnswer, Submit } from "./stimulus.ts";

/** Options of a machine. */
export interface ClientStateOptions {
  /** The name under which the client is registered with the scheduler. */
  readonly client: ClientId;
  /**
   * Time between two heartbeats, in the unit of `now`. With a heartbeat, unused function bodies are released.
   */
  readonly heartbeat: number;
  /** Start of the first interval. */
  readonly now: number;
  /** Whether invariants are checked after each call of {@linkcode ClientState.handle}. Default: false. */
  readonly validate?: boolean;
}

/** A copy of a machine's state. */
export interface ClientSnapshot {
  /** Wanted keys, in the order of their requests. */
  readonly keys: readonly { readonly key: Key; readonly status: FutureStatus; readonly futures: number }[];
  /**
   * Function bodies that the scheduler keeps for this client, with the number of wanted keys that need each.
   */
  readonly functions: ReadonlyMap<FunctionHash, number>;
  /** Number of messages that wait for a `flush`. */
  readonly waiting: number;
}

/** A task as it was submitted. */
interface Submission {
  readonly fn: FunctionBody;
  readonly row: TaskRow;
  readonly annotations: GraphAnnotations;
}

const NONE: readonly never[] = [];

/** Keys and function bodies of one client. */
export class ClientState {
  readonly #client: ClientId;
  readonly #heartbeat: number;
  readonly #validates: boolean;
  #now: number;
  #nextHeartbeat: number;
  #wants = 0;
  readonly #keys = new Map<Key, KeyRecord>();
  readonly #functions = new FunctionUses();
  readonly #outbox = new Outbox();
  /**
   * Cancelled keys, with the number of outstanding confirmations. Until they arrive, reports are about the
   * time before the cancellation.
   */
  readonly #cancelling = new Map<Key, number>();
  /**
   * Tasks that were submitted again while a cancellation was under way. If the cancellation includes them,
   * because they depend on a cancelled key, they are submitted once more.
   */
  readonly #again = new Map<KeyRecord, Submission>();
  /** Why the link to the scheduler ended, if it did. */
  #disconnected: string | undefined = undefined;
  #leaving: readonly ClientStreamMessage[] = NONE;
  #ended: KeyRecord[] | undefined = undefined;
  #retrying: readonly KeyRecord[] = NONE;

  /** Creates a client without wanted keys. */
  constructor(options: ClientStateOptions) {
    assert(options.heartbeat > 0, "A client's heartbeats need time between them");
    this.#client = options.client;
    this.#heartbeat = options.heartbeat;
    this.#validates = options.validate ?? false;
    this.#now = options.now;
    this.#nextHeartbeat = options.now + options.heartbeat;
  }

  /** Returns the state of a wanted key. */
  get(key: Key): KeyState | undefined {
    return this.#keys.get(key);
  }

  /** Returns a copy of the state. */
  snapshot(): ClientSnapshot {
    const keys = Array.from(this.#keys.values(), ({ key, status, futures }) => ({ key, status, futures }));
    return { keys, functions: this.#functions.counts(), waiting: this.#outbox.size };
  }

  /**
   * Handles stimuli in order. This is the only way to change the state.
   *
   * @param stimuli The stimuli.
   * @param now Time, in the unit of the heartbeat; it never decreases.
   */
  handle(stimuli: readonly ClientStimulus[], now: number): ClientEffects { // hot: per task
    assert(now >= this.#now, () => `A client's time went back from ${this.#now} to ${now}`);
    this.#now = now;
    for (const stimulus of stimuli) this.#step(stimulus);
    if (this.#validates) this.#validate();
    const effects: ClientEffects = {
      messages: this.#leaving,
      isFlushDue: this.#outbox.size > 0,
      ended: this.#ended ?? NONE,
      retrying: this.#retrying,
      nextDeadline: this.#nextHeartbeat,
    };
    this.#leaving = NONE;
    this.#ended = undefined;
    this.#retrying = NONE;
    return effects;
  }

  #step(stimulus: ClientStimulus): void {
    switch (stimulus.op) {
      case "submit":
        return this.#submit(stimulus);
      case "release":
        for (const want of stimulus.wants) this.#release(want);
        return;
      case "key-in-memory":
        return this.#keyInMemory(stimulus);
      case "task-erred": {
        const record = this.#reported(stimulus.key);
        if (record === undefined) return;
        record.result = undefined;
        record.exception = stimulus.exception;
        return this.#end(record, "error");
      }
      case "lost-data":
      case "task-retried": {
        const record = this.#reported(stimulus.key);
        if (record === undefined || record.status === "cancelled") return;
        return stimulus.op === "lost-data" ? record.lose() : record.restart();
      }
      case "cancelled-keys":
        return this.#cancelledKeys(stimulus);
      case "desire":
        return this.#desire(stimulus.key);
      case "expect":
        this.#want(stimulus.key);
        return;
      case "announce":
        return this.#announce(stimulus);
      case "cancel":
        return this.#cancelKeys(stimulus);
      case "retry":
        return this.#retry(stimulus.wants);
      case "retry-answer":
        return this.#retryAnswer(stimulus);
      case "lacking":
        for (const want of stimulus.wants) this.#lack(want);
        return;
      case "flush":
        this.#leaving = [...this.#leaving, ...this.#outbox.take()];
        return;
      case "tick":
        return this.#tick();
      case "disconnect":
        return this.#disconnect(stimulus.reason);
      case "adjust-heartbeat-interval": // as in Dask, a client keeps its own
      case "stream-closed":
      case "close-stream":
        return; // handled by the shell
      default:
        return unreachable(stimulus);
    }
  }

  #submit({ fn, row, annotations }: Submit): void { // hot: per task
    const known = this.#known(row[0]);
    if (known === undefined) {
      const record = this.#make(row[0], fn.hash);
      if (record.ended) return;
      this.#addTask(fn, row, annotations);
      this.#functions.add(fn.hash);
      return;
    }
    known.futures++;
    const isPending = this.#cancelling.size > 0 && known.functionHash === fn.hash && !known.ended;
    if (isPending) this.#again.set(known, { fn, row, annotations });
  }

  #addTask(fn: FunctionBody, row: TaskRow, annotations: GraphAnnotations): void { // hot: per task
    this.#outbox.addTask(fn, row, annotations, this.#functions.has(fn.hash));
    this.#functions.send(fn.hash);
  }

  #desire(key: Key): void {
    if (this.#want(key)) this.#outbox.push({ op: "client-desires-keys", keys: [key] });
  }

  #announce({ key, workers, nbytes }: Announce): void {
    assert(workers.length > 0, () => `"${key}" is announced, and no worker took it`);
    this.#want(key);
    if (this.#disconnected !== undefined) return;
    this.#outbox.push({
      op: "update-data",
      who_has: { [key]: workers } as Record<Key, typeof workers>,
      nbytes: { [key]: nbytes } as Record<Key, number>,
      client: this.#client,
    });
  }

  /** Adds a Future of a key. Returns true if the key is new and has to be requested. */
  #want(key: Key): boolean {
    const known = this.#known(key);
    if (known === undefined) return !this.#make(key, undefined).ended;
    known.futures++;
    return false;
  }

  /** Creates the record of a key with one Future. It ends at once if the link to the scheduler has ended. */
  #make(key: Key, functionHash: FunctionHash | undefined): KeyRecord { // hot: per task
    assert(!this.#keys.has(key), () => `"${key}" is wanted already`);
    const isConnected = this.#disconnected === undefined;
    const record = new KeyRecord(key, this.#wants++, isConnected ? functionHash : undefined);
    record.futures = 1;
    this.#keys.set(key, record);
    if (!isConnected) this.#cancel(record, this.#disconnected, undefined);
    return record;
  }

  /** Releases one Future's hold on the key; the last one releases the key. */
  #release(want: WantRef): void { // hot: per task
    const record = this.#current(want);
    if (record === undefined) return;
    record.drop();
    if (record.futures > 0) return;
    this.#forget(record);
    if (this.#disconnected === undefined) this.#outbox.releaseKey(record.key);
    if (!record.ended) this.#end(record, "cancelled");
  }

  #cancelKeys({ wants, force, reason }: Cancel): void {
    const keys: Key[] = [];
    for (const want of wants) {
      const record = this.#current(want);
      if (record === undefined || record.status === "cancelled") continue;
      const { key } = record;
      this.#forget(record);
      this.#cancelling.set(key, (this.#cancelling.get(key) ?? 0) + 1);
      keys.push(key);
      this.#cancel(record, reason, undefined);
    }
    if (keys.length > 0) this.#outbox.push({ op: "cancel-keys", keys, force, reason, msg: null });
  }

  #retry(wants: readonly WantRef[]): void {
    const retrying: KeyRecord[] = [];
    for (const want of wants) {
      const record = this.#current(want);
      if (record?.status !== "error") continue; // a key that is listed twice is already pending
      record.restart();
      assert(!record.ended, () => `"${record.key}" runs again, and has ended`);
      retrying.push(record);
    }
    this.#retrying = [...this.#retrying, ...retrying];
  }

  /** Asks the scheduler for the state of tasks that do not run again. */
  #retryAnswer({ wants, running }: RetryAnswer): void {
    const known = new Set(running);
    for (const want of wants) {
      const record = known.has(want.key) ? undefined : this.#current(want);
      if (record?.ended === false) this.#outbox.push({ op: "report-key", key: record.key });
    }
  }

  /** Asks the scheduler for the state of a key. */
  #lack(want: WantRef): void {
    const record = this.#current(want);
    if (record?.status !== "finished") return; // a newer report has arrived, or will
    record.lose();
    this.#outbox.push({ op: "report-key", key: record.key });
  }

  #tick(): void {
    if (this.#now < this.#nextHeartbeat) return;
    assert(this.#disconnected === undefined, "There is no deadline without a scheduler");
    this.#nextHeartbeat = this.#now + this.#heartbeat;
    const idle = this.#functions.takeIdle();
    if (idle.length > 0) this.#outbox.push({ op: "client-releases-functions", functions: idle });
    this.#outbox.push({ op: "heartbeat-client" });
  }

  #disconnect(reason: string): void {
    assert(this.#disconnected === undefined, "A client is disconnected once");
    this.#disconnected = reason;
    this.#nextHeartbeat = Infinity;
    for (const record of this.#keys.values()) this.#cancel(record, reason, undefined);
    this.#keys.clear();
    this.#functions.clear();
    this.#cancelling.clear();
    this.#again.clear();
    this.#outbox.take();
  }

  #keyInMemory({ key, workers, result }: KeyInMemory): void { // hot: per task
    const record = this.#reported(key);
    if (record === undefined || record.status === "cancelled") return;
    if (workers !== undefined) record.workers = workers;
    if (result !== undefined) record.result = result;
    this.#end(record, "finished");
  }

  #cancelledKeys({ keys, reason, msg }: CancelledKeys): void {
    for (const key of keys) { // a key that is listed twice counts as two answers
      const record = this.#isConfirmation(key) ? undefined : this.#keys.get(key);
      if (record === undefined) continue;
      const again = this.#again.get(record);
      if (again === undefined) this.#cancel(record, reason ?? undefined, msg);
      else this.#addTask(again.fn, again.row, again.annotations);
      this.#again.delete(record);
    }
    if (this.#cancelling.size === 0) this.#again.clear();
  }

  /** Returns the record of a wanted key; a cancelled one is forgotten first. */
  #known(key: Key): KeyRecord | undefined {
    const known = this.#keys.get(key);
    if (known?.status !== "cancelled") return known;
    this.#forget(known);
    return undefined;
  }

  /** Returns the record that a stimulus refers to, if it is still wanted. */
  #current({ key, want }: WantRef): KeyRecord | undefined {
    const record = this.#keys.get(key);
    assert(want < this.#wants, () => `"${key}" has no want ${want}`);
    return record?.want === want ? record : undefined;
  }

  /** Returns the record that a report is about; undefined if the report is from before a cancellation. */
  #reported(key: Key): KeyRecord | undefined { // hot: per task
    if (this.#cancelling.size > 0 && this.#cancelling.has(key)) return undefined;
    return this.#keys.get(key);
  }

  /** Whether a report that a key was cancelled confirms a cancellation by this client. */
  #isConfirmation(key: Key): boolean {
    const count = this.#cancelling.get(key);
    if (count === undefined) return false;
    assert(count > 0, () => `No confirmation for "${key}" is on its way`);
    if (count > 1) this.#cancelling.set(key, count - 1);
    else this.#cancelling.delete(key);
    return true;
  }

  #cancel(record: KeyRecord, reason: string | undefined, message: string | null | undefined): void {
    record.reason = [reason, message].filter(Boolean).join(": ") || undefined;
    record.result = undefined;
    this.#end(record, "cancelled");
  }

  #end(record: KeyRecord, status: FutureStatus): void { // hot: per task
    record.status = status;
    assert(record.ended, () => `"${record.key}" can't end as ${status}`);
    (this.#ended ??= []).push(record);
  }

  /** Forgets a record that is no longer wanted. */
  #forget(record: KeyRecord): void {
    assert(this.#keys.get(record.key) === record, () => `"${record.key}" is not wanted`);
    this.#keys.delete(record.key);
    if (record.functionHash !== undefined) this.#functions.remove(record.functionHash);
  }

  /** Checks the invariants that hold between two calls. */
  #validate(): void {
    const uses = new Map<FunctionHash, number>();
    for (const [key, record] of this.#keys) {
      const { functionHash: hash } = record;
      assert(record.key === key, () => `The record of "${key}" is of "${record.key}"`);
      assert(record.futures > 0, () => `"${key}" is wanted without a Future`);
      assert(
        record.result === undefined || record.status === "finished",
        () => `"${key}" has a stale result`,
      );
      if (hash !== undefined) uses.set(hash, (uses.get(hash) ?? 0) + 1);
    }
    for (const [hash, keys] of this.#functions.counts()) {
      assert((uses.get(hash) ?? 0) === keys, () => `Function ${hash} is not needed by ${keys} keys`);
      uses.delete(hash);
    }
    assert(uses.size === 0, "A wanted key needs a function that the scheduler has not got");
    for (const record of this.#again.keys()) {
      assert(this.#cancelling.size > 0, () => `"${record.key}" waits for a cancellation that is over`);
    }
  }
}
