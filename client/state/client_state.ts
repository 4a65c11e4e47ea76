/**
 * What a client knows of the keys it wants: the pure part of `Client`. Futures and the scheduler's reports
 * go in, messages to the scheduler come out. No I/O, no clock.
 *
 * Mirrors `FutureState` and the `_handle_*` methods of distributed/client.py.
 *
 * @module
 */

import type {
  ClientReport,
  ClientStreamMessage,
  GraphAnnotations,
  TaskRow,
  UpdateData,
  UpdateGraph,
} from "../../messages/client_scheduler.ts";
import type { Address, FunctionHash, Key } from "../../messages/common.ts";

/** What a client knows of a task; the spelling is Dask's. */
export type FutureStatus = "pending" | "finished" | "error" | "cancelled" | "lost";

/** A function as it is shipped. */
export interface FunctionBody {
  /** SHA-256 of `body`, hexadecimal. */
  readonly hash: FunctionHash;
  /** What `docs/wire.md` calls a function body. */
  readonly body: Uint8Array;
}

/** One key that this client wants. Shared by all its Futures. */
export class KeyState {
  /** Name of the task. */
  readonly key: Key;
  /** Function that this client submitted it with. */
  readonly functionHash: FunctionHash | undefined;
  /** Futures that are alive. */
  handles = 0;
  /** Last state that the scheduler reported. */
  status: FutureStatus = "pending";
  /** Who holds the result, as far as reported. */
  workers: readonly Address[] = [];
  /** The result's MessagePack frame, if it came along. */
  result: Uint8Array | undefined = undefined;
  /** Error payload of a failed task. */
  exception: unknown = undefined;
  /** Why it was cancelled. */
  reason: string | undefined = undefined;
  /** Called once at the next change to an ended status, then forgotten. */
  #watchers: (() => void)[] = [];

  constructor(key: Key, functionHash: FunctionHash | undefined) {
    this.key = key;
    this.functionHash = functionHash;
  }

  /** Whether the task ended, well or not. */
  get ended(): boolean {
    return this.status !== "pending" && this.status !== "lost";
  }

  /** Calls `watcher` when the task ends; the caller has seen that it has not ended yet. */
  watch(watcher: () => void): void {
    this.#watchers.push(watcher);
  }

  /** Takes back a watcher. */
  unwatch(watcher: () => void): void {
    this.#watchers = this.#watchers.filter((other) => other !== watcher);
  }

  /** For {@linkcode ClientState} alone: the result is gone. */
  lose(): void {
    this.workers = [];
    this.result = undefined;
    this.exception = undefined;
    this.status = "lost";
  }

  /** For {@linkcode ClientState} alone: it runs again. */
  retry(): void {
    this.lose();
    this.status = "pending";
  }

  /** For {@linkcode ClientState} alone: takes over an ended status and tells the watchers. */
  end(status: FutureStatus): void {
    this.status = status;
    const watchers = this.#watchers;
    this.#watchers = [];
    for (const watcher of watchers) watcher();
  }
}

/** A task as it is submitted. */
interface Submission {
  readonly fn: FunctionBody;
  readonly row: TaskRow;
  readonly annotations: GraphAnnotations;
}

interface FunctionUse {
  /** Wanted keys that were submitted with it. */
  keys: number;
}

/** Keys and function bodies of one client. */
export class ClientState {
  #keys = new Map<Key, KeyState>();
  /** Bodies that the scheduler holds for this client. */
  #functions = new Map<FunctionHash, FunctionUse>();
  #outbox: ClientStreamMessage[] = [];
  /** Keys that were cancelled, and how many confirmations are on their way: until then reports are of what was. */
  #cancelling = new Map<Key, number>();
  /**
   * Tasks that were submitted once more while a cancellation was on its way: if it took them along, as they depended
   * on what was cancelled, they begin anew.
   */
  #again = new Map<KeyState, Submission>();
  /** Last message of the outbox if it is a graph that can still grow. */
  #graph: GrowingGraph | undefined = undefined;

  /** Keys that are wanted. */
  get size(): number {
    return this.#keys.size;
  }

  /** Function bodies that the scheduler holds for this client. */
  get functionCount(): number {
    return this.#functions.size;
  }

  /** Whether there is something to send. */
  get hasMessages(): boolean {
    return this.#outbox.length > 0;
  }

  /** Takes what is to be sent, in order. */
  takeMessages(): ClientStreamMessage[] {
    const messages = this.#outbox;
    this.#outbox = [];
    this.#graph = undefined;
    return messages;
  }

  /** The state of a wanted key. */
  get(key: Key): KeyState | undefined {
    return this.#keys.get(key);
  }

  /**
   * Wants the task `row` of `fn`. Tasks of one turn share a message. A key that is wanted already is not sent
   * again, unless it was cancelled.
   */
  submit(fn: FunctionBody, row: TaskRow, annotations: GraphAnnotations): KeyState {
    const known = this.#wanted(row[0]);
    if (known !== undefined) {
      const isPending = this.#cancelling.size > 0 && known.functionHash === fn.hash && !known.ended;
      if (isPending) this.#again.set(known, { fn, row, annotations });
      return known;
    }
    const state = new KeyState(row[0], fn.hash);
    this.#keys.set(row[0], state);
    this.#addToGraph(fn, row, annotations);
    const use = this.#functions.get(fn.hash);
    if (use !== undefined) use.keys++;
    return state;
  }

  #addToGraph(fn: FunctionBody, row: TaskRow, annotations: GraphAnnotations): void {
    let graph = this.#graph;
    if (graph === undefined || graph.annotations !== annotations) {
      graph = { op: "update-graph", groups: [], functions: {}, annotations, fifo_timeout: 0.1 };
      this.#graph = graph;
      this.#outbox.push(graph);
    }
    if (!this.#functions.has(fn.hash)) {
      graph.functions[fn.hash] = fn.body;
      this.#functions.set(fn.hash, { keys: 0 });
    }
    const group = graph.groups.at(-1);
    if (group?.function === fn.hash) group.tasks.push(row);
    else graph.groups.push({ function: fn.hash, tasks: [row] });
  }

  /** Wants a key that others may have made. If nobody has, it is soon cancelled. */
  desire(key: Key): KeyState {
    const known = this.#wanted(key);
    if (known !== undefined) return known;
    const state = new KeyState(key, undefined);
    this.#keys.set(key, state);
    this.#push({ op: "client-desires-keys", keys: [key] });
    return state;
  }

  /** Wants a key that is put on the cluster by another way than the stream. */
  expect(key: Key): KeyState {
    const known = this.#wanted(key);
    if (known !== undefined) return known;
    const state = new KeyState(key, undefined);
    this.#keys.set(key, state);
    return state;
  }

  /** Tells who was given values. */
  announce(message: UpdateData): void {
    this.#push(message);
  }

  /** One Future more. */
  acquire(state: KeyState): void {
    state.handles++;
  }

  /** One Future less; the last one releases the key. */
  drop(state: KeyState): void {
    if (--state.handles > 0 || this.#keys.get(state.key) !== state) return;
    this.#keys.delete(state.key);
    this.#releaseFunctionOf(state);
    const last = this.#outbox.at(-1);
    if (last?.op === "client-releases-keys") (last.keys as Key[]).push(state.key);
    else this.#push({ op: "client-releases-keys", keys: [state.key] });
    if (!state.ended) state.end("cancelled");
  }

  /** Gives keys up, for everybody if `force`. They end here at once (`Client._cancel`). */
  cancel(states: readonly KeyState[], force: boolean, reason: string): void {
    const keys = new Set<Key>();
    for (const state of states) {
      const { key } = state;
      if (state.status === "cancelled" || this.#keys.get(key) !== state) continue;
      this.#keys.delete(key);
      this.#releaseFunctionOf(state);
      this.#cancelling.set(key, (this.#cancelling.get(key) ?? 0) + 1);
      keys.add(key);
      this.#cancel(state, reason, undefined);
    }
    if (keys.size > 0) this.#push({ op: "cancel-keys", keys: [...keys], force, reason, msg: null });
  }

  /** Takes failed tasks for pending, as they are about to be run again. Returns them. */
  beginRetry(states: readonly KeyState[]): KeyState[] {
    const retried = new Set<KeyState>();
    for (const state of states) {
      if (state.status === "error" && this.#keys.get(state.key) === state) retried.add(state);
    }
    for (const state of retried) state.retry();
    return [...retried];
  }

  /** The scheduler runs `running` again; it is asked what became of the others. */
  endRetry(retried: readonly KeyState[], running: readonly Key[]): void {
    const known = new Set(running);
    for (const state of retried) {
      if (known.has(state.key) || state.ended || this.#keys.get(state.key) !== state) continue;
      this.#push({ op: "report-key", key: state.key });
    }
  }

  /** Tells the scheduler which function bodies no wanted key needs. */
  releaseIdleFunctions(): void {
    const idle: FunctionHash[] = [];
    for (const [hash, use] of this.#functions) if (use.keys === 0) idle.push(hash);
    if (idle.length === 0) return;
    for (const hash of idle) this.#functions.delete(hash);
    this.#push({ op: "client-releases-functions", functions: idle });
  }

  /** Nobody gave the result of a finished task: waits for the scheduler to tell again what became of it. */
  lose(state: KeyState): void {
    if (this.#keys.get(state.key) !== state) return;
    state.lose();
    this.#push({ op: "report-key", key: state.key });
  }

  /** Takes a report of the scheduler. Reports about keys that are no longer wanted are late, and ignored. */
  handle(report: ClientReport): void {
    switch (report.op) {
      case "key-in-memory": {
        const state = this.#reported(report.key);
        if (state === undefined) return;
        if (report.workers !== undefined) state.workers = report.workers;
        if (report.result !== undefined) state.result = report.result;
        if (state.status !== "cancelled") state.end("finished");
        return;
      }
      case "task-erred": {
        const state = this.#reported(report.key);
        if (state === undefined) return;
        state.exception = report.exception;
        state.end("error");
        return;
      }
      case "lost-data":
      case "task-retried": {
        const state = this.#reported(report.key);
        if (state === undefined || state.status === "cancelled") return;
        if (report.op === "task-retried") state.retry();
        else state.lose();
        return;
      }
      case "cancelled-keys":
        for (const key of report.keys) { // one that is named twice answers twice
          const state = this.#isConfirmation(key) ? undefined : this.#keys.get(key);
          if (state === undefined) continue;
          const again = this.#again.get(state);
          if (again === undefined) this.#cancel(state, report.reason ?? undefined, report.msg);
          else this.#addToGraph(again.fn, again.row, again.annotations);
          this.#again.delete(state);
        }
        if (this.#cancelling.size === 0) this.#again.clear();
        return;
      case "adjust-heartbeat-interval":
      case "stream-closed":
      case "close-stream":
        return; // the shell's
      default:
        return unreachable(report);
    }
  }

  /** The link to the scheduler is gone for good: every key is cancelled, nothing more is sent. */
  disconnect(reason: string): void {
    for (const state of this.#keys.values()) this.#cancel(state, reason, undefined);
    this.#keys.clear();
    this.#functions.clear();
    this.#cancelling.clear();
    this.#again.clear();
    this.takeMessages();
  }

  /** The state of a key, forgotten if it was cancelled. */
  #wanted(key: Key): KeyState | undefined {
    const known = this.#keys.get(key);
    if (known?.status !== "cancelled") return known;
    this.#keys.delete(key);
    this.#releaseFunctionOf(known);
    return undefined;
  }

  /** The state that a report is about; none if it speaks of the time before a cancellation. */
  #reported(key: Key): KeyState | undefined { // hot: per task
    if (this.#cancelling.size > 0 && this.#cancelling.has(key)) return undefined;
    return this.#keys.get(key);
  }

  /** Whether the news that a key was cancelled answers a cancellation from here. */
  #isConfirmation(key: Key): boolean {
    const count = this.#cancelling.get(key);
    if (count === undefined) return false;
    if (count > 1) this.#cancelling.set(key, count - 1);
    else this.#cancelling.delete(key);
    return true;
  }

  #cancel(state: KeyState, reason: string | undefined, message: string | null | undefined): void {
    state.reason = [reason, message].filter(Boolean).join(": ") || undefined;
    state.result = undefined;
    state.end("cancelled");
  }

  #push(message: ClientStreamMessage): void {
    this.#outbox.push(message);
    this.#graph = undefined;
  }

  #releaseFunctionOf(state: KeyState): void {
    const use = state.functionHash === undefined ? undefined : this.#functions.get(state.functionHash);
    if (use !== undefined) use.keys--;
  }
}

/** {@linkcode UpdateGraph} while rows are added to it. */
interface GrowingGraph extends UpdateGraph {
  readonly groups: { readonly function: FunctionHash; readonly tasks: TaskRow[] }[];
  readonly functions: Record<FunctionHash, Uint8Array>;
}

function unreachable(report: never): never {
  throw new TypeError(`Unknown report ${JSON.stringify(report)}`);
}
