/**
 * The main thread's end of one executor thread.
 *
 * @module
 */

import { Worker } from "node:worker_threads";
import type { FunctionHash, Key } from "../../../messages/common.ts";
import type { Serialized } from "../../../protocol/serialized.ts";
import type { ExecutionOutcome, ExecutionRequest } from "../executor.ts";
import {
  OutcomeKind,
  type PackedOutcome,
  type PackedTask,
  type PackedValue,
  Packer,
  SLOTS,
  SlotState,
  type ThreadCommand,
  type ThreadData,
  type ThreadReport,
  transferList,
  unpackPayload,
} from "../inside/packing.ts";

const NO_BODY = new Uint8Array(0);
const NO_DEPENDENCIES: readonly (Key | number)[] = [];

/** A request inside the executor. */
export class Entry {
  /** As it was given. */
  readonly request: ExecutionRequest;
  /** Body of its function when it was given; empty if there was none. */
  readonly body: Uint8Array;
  /** Thread that has it. */
  thread: ExecutorThread | undefined = undefined;
  /** Slot in that thread's flags. */
  slot = -1;

  /** Keeps a request and the body of its function. */
  constructor(request: ExecutionRequest, body: Uint8Array | undefined) {
    this.request = request;
    this.body = body ?? NO_BODY;
  }
}

/** Why a thread ended. */
export interface ThreadEnd {
  /** Exit code, if it exited by itself. */
  readonly code: number | undefined;
  /** What it threw, if anything. */
  readonly error: unknown;
  /** Whether its JavaScript heap was full. */
  readonly isOutOfMemory: boolean;
  /** Whether it had begun to take commands. */
  readonly wasReady: boolean;
}

/** What a thread tells its executor. */
export interface ThreadListener {
  /** It takes commands now. */
  onReady(thread: ExecutorThread): void;
  /** Tasks ended. */
  onOutcomes(thread: ExecutorThread, outcomes: ExecutionOutcome[]): void;
  /** Something threw outside of any task's promise. */
  onStray(thread: ExecutorThread, text: string): void;
  /** It ended. Once. */
  onEnd(thread: ExecutorThread, end: ThreadEnd): void;
}

/** What a thread is started with. */
export interface ThreadOptions {
  /** URL of `inside/entry.ts`. */
  readonly entry: string;
  /** Limit of its JavaScript heap in MiB. */
  readonly heapMib: number;
}

/** One executor thread. */
export class ExecutorThread {
  /** The first is 1; a thread that takes the place of another has its number. */
  readonly number: number;
  /** Requests that were added and not posted yet. */
  readonly #outbox: Entry[] = [];
  readonly #listener: ThreadListener;
  readonly #worker: Worker;
  readonly #flags: Int32Array;
  readonly #freeSlots: Int32Array;
  #freeCount = SLOTS;
  /** Entries by slot, in the order they were added. */
  readonly #entries = new Map<number, Entry>();
  readonly #known = new Set<FunctionHash>();
  readonly #packer = new Packer();
  readonly #ended = Promise.withResolvers<void>();
  #isEnded = false;
  #isReady = false;
  #timeOrigin = 0;
  #error: unknown = undefined;
  #isOutOfMemory = false;

  /** Starts the thread. */
  constructor(number: number, options: ThreadOptions, listener: ThreadListener) {
    this.number = number;
    this.#listener = listener;
    const flags = new SharedArrayBuffer(SLOTS * Int32Array.BYTES_PER_ELEMENT);
    this.#flags = new Int32Array(flags);
    this.#freeSlots = Int32Array.from({ length: SLOTS }, (_, i) => SLOTS - 1 - i);
    const workerData: ThreadData = { flags };
    // worker_threads take no remote URL: a data: module imports it.
    const url = new URL(`data:text/javascript,import ${encodeURIComponent(JSON.stringify(options.entry))}`);
    this.#worker = new Worker(url, {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: options.heapMib },
    });
    this.#worker.on("message", (report: ThreadReport) => this.#onReport(report));
    this.#worker.on("error", (error: unknown) => this.#error = error);
    this.#worker.on("exit", (code: number) => this.#onExit(code));
  }

  /** Requests that it has and that were not withdrawn. */
  get load(): number {
    return this.#entries.size;
  }

  /** Whether another request can be added. */
  get hasRoom(): boolean {
    return this.#freeCount > 0;
  }

  /** Settles when the thread has ended. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Adds a request; {@linkcode post} hands it over. */
  add(entry: Entry): void { // hot: per task
    const slot = this.#freeSlots[--this.#freeCount] as number;
    Atomics.store(this.#flags, slot, SlotState.queued);
    entry.thread = this;
    entry.slot = slot;
    this.#entries.set(slot, entry);
    this.#outbox.push(entry);
  }

  /** Hands over what was added, as one message. */
  post(): void {
    if (this.#outbox.length === 0 || this.#isEnded) return;
    const command = this.#pack(this.#outbox);
    this.#outbox.length = 0;
    this.#worker.postMessage(command, transferList(command.bytes));
  }

  /** Takes back an entry that has not begun. */
  withdraw(entry: Entry): boolean {
    const { slot } = entry;
    const before = Atomics.compareExchange(this.#flags, slot, SlotState.queued, SlotState.withdrawn);
    if (before !== SlotState.queued) return false;
    this.#entries.delete(slot); // The slot is free when the thread says that it passed it.
    entry.thread = undefined;
    return true;
  }

  /**
   * Takes back up to `count` entries that have not begun, those first that would run last. In their order.
   */
  withdrawLast(count: number): Entry[] {
    const entries = [...this.#entries.values()];
    const taken: Entry[] = [];
    for (let i = entries.length - 1; i >= 0 && taken.length < count; i--) {
      const entry = entries[i] as Entry;
      if (this.withdraw(entry)) taken.push(entry);
    }
    return taken.reverse();
  }

  /** Forgets a function. Tasks that were posted before still have it. */
  forget(hash: FunctionHash): void {
    if (!this.#known.delete(hash) || this.#isEnded) return;
    const command: ThreadCommand = { op: "forget", functions: [hash] };
    this.#worker.postMessage(command);
  }

  /** After the end: what it ran when it ended, and what it had not begun or not reported. */
  takeEntries(): { readonly begun: Entry[]; readonly others: Entry[] } {
    const begun: Entry[] = [];
    const others: Entry[] = [];
    for (const entry of this.#entries.values()) {
      entry.thread = undefined;
      (Atomics.load(this.#flags, entry.slot) === SlotState.begun ? begun : others).push(entry);
    }
    this.#entries.clear();
    return { begun, others };
  }

  /** Asks it to end, which it does unless it is inside a synchronous call. */
  close(): void {
    if (this.#isEnded) return;
    const command: ThreadCommand = { op: "close" };
    this.#worker.postMessage(command);
  }

  /** Abandons it: Deno stops listening, though a synchronous loop goes on. */
  async abandon(): Promise<void> {
    await this.#worker.terminate();
  }

  #pack(entries: readonly Entry[]): Extract<ThreadCommand, { op: "run" }> {
    const packer = this.#packer;
    const functions: FunctionHash[] = [];
    const bodies: (FunctionHash | ArrayBuffer)[] = [];
    const values: PackedValue[] = [];
    const valueIndex = new Map<Serialized, number>();
    const tasks: PackedTask[] = [];
    const pack = (payload: Serialized): number => {
      let index = valueIndex.get(payload);
      if (index === undefined) {
        const value: PackedValue = [0, 0];
        value[0] = packer.payload(payload, value);
        index = values.push(value) - 1;
        valueIndex.set(payload, index);
      }
      (values[index] as PackedValue)[1]++;
      return index;
    };
    for (let i = 0; i < entries.length; i++) { // hot: per task
      const { request, slot, body } = entries[i] as Entry;
      const { functionHash, args } = request;
      let fn = functions.lastIndexOf(functionHash);
      if (fn < 0) {
        fn = functions.push(functionHash) - 1;
        if (body.byteLength > 0 && !this.#known.has(functionHash)) {
          this.#known.add(functionHash);
          bodies.push(functionHash, body.slice().buffer);
        }
      }
      const isFrame = args instanceof Uint8Array;
      tasks.push([
        slot,
        request.key,
        fn,
        isFrame ? packer.frame(args) : pack(args),
        isFrame ? args.byteLength : -1,
        request.references,
        request.dependencies.length === 0 ? NO_DEPENDENCIES : packDependencies(request, pack),
      ]);
    }
    return { op: "run", text: JSON.stringify({ functions, values, tasks }), bytes: packer.take(), bodies };
  }

  #onReport(report: ThreadReport): void {
    if (this.#isEnded) return;
    switch (report.op) {
      case "outcomes":
        return this.#listener.onOutcomes(this, this.#unpack(report));
      case "out-of-memory":
        this.#isOutOfMemory = true;
        return;
      case "stray":
        return this.#listener.onStray(this, report.text);
      case "ready":
        this.#timeOrigin = report.timeOrigin;
        this.#isReady = true;
        return this.#listener.onReady(this);
    }
  }

  #unpack(report: Extract<ThreadReport, { op: "outcomes" }>): ExecutionOutcome[] {
    const rows = JSON.parse(report.text) as PackedOutcome[];
    const outcomes: ExecutionOutcome[] = [];
    for (let i = 0; i < rows.length; i++) { // hot: per task
      const row = rows[i] as PackedOutcome;
      const slot = row[0];
      this.#freeSlots[this.#freeCount++] = slot;
      const entry = this.#entries.get(slot);
      if (row[1] === OutcomeKind.skipped || entry === undefined) continue;
      this.#entries.delete(slot);
      entry.thread = undefined;
      outcomes.push(this.#outcome(entry.request, row, unpackPayload(report.bytes, row[6], row, 7, false)));
    }
    return outcomes;
  }

  #outcome(request: ExecutionRequest, row: PackedOutcome, payload: Serialized): ExecutionOutcome { // hot: per task
    const { key, runId } = request;
    const start = (this.#timeOrigin + row[2] / 1000) / 1000;
    const stop = (this.#timeOrigin + row[3] / 1000) / 1000;
    const thread = this.number;
    if (row[1] === OutcomeKind.success) {
      return { kind: "success", key, runId, result: payload, typename: row[4], start, stop, thread };
    }
    return {
      kind: "failure",
      key,
      runId,
      error: payload,
      exceptionText: row[4],
      tracebackText: row[5],
      start,
      stop,
      thread,
    };
  }

  #onExit(code: number): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#ended.resolve();
    const isOutOfMemory = this.#isOutOfMemory ||
      (this.#error as { code?: unknown } | undefined)?.code === "ERR_WORKER_OUT_OF_MEMORY";
    this.#listener.onEnd(this, { code, error: this.#error, isOutOfMemory, wasReady: this.#isReady });
  }
}

function packDependencies(
  request: ExecutionRequest,
  pack: (payload: Serialized) => number,
): readonly (Key | number)[] {
  const packed: (Key | number)[] = [];
  for (let i = 0; i < request.dependencies.length; i++) {
    const [key, payload] = request.dependencies[i] as readonly [Key, Serialized];
    packed.push(key, pack(payload));
  }
  return packed;
}
