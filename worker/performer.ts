/**
 * Does what the worker's state machine asks for, and turns the ends of it into stimuli again. No policy here.
 *
 * @module
 */

import { CommClosed } from "../comm/errors.ts";
import { TimeoutError } from "../internal/errors.ts";
import { getLogger } from "../config/logging.ts";
import type { Clock } from "../internal/clock.ts";
import type { Scope } from "../internal/scope.ts";
import type { Address, Key } from "../messages/common.ts";
import type { GetDataReply } from "../messages/results.ts";
import { isNative, type NativeSpec } from "../messages/run_spec.ts";
import { rejoined } from "../protocol/payload.ts";
import { Serialized } from "../protocol/serialized.ts";
import { encodeError, exceptionText } from "../protocol/remote_error.ts";
import { encodePickle } from "../protocol/pickle_encode.ts";
import type { ExecutionOutcome, ExecutionRequest, Executor } from "./executor/executor.ts";
import type { Execute, GatherDep, Instruction, SchedulerMessage } from "./state/instruction.ts";
import type { Stimulus } from "./state/stimulus.ts";
import type { WorkerState } from "./state/worker_state.ts";
import type { Store } from "./memory/store.ts";
import { Operands, type Values } from "./operands.ts";

const logger = getLogger("distributed.worker");

/** Bytes of a result that rides along with `task-finished` (`docs/wire.md`). */
const INLINE_LIMIT = 1024;

/** Asks peers for results. */
export interface Peers {
  /** What `get_data` of `worker` answers. */
  getData(worker: Address, keys: readonly Key[], signal: AbortSignal): Promise<GetDataReply>;
}

/** What a {@linkcode Performer} works on. */
export interface PerformerParts {
  /** Time. */
  readonly clock: Clock;
  /** Decides. */
  readonly state: WorkerState;
  /** Keeps results. */
  readonly store: Store;
  /** Reaches peers. */
  readonly peers: Peers;
  /** Owns transfers; its end is the end of the performer. */
  readonly scope: Scope;
  /** Takes messages to the scheduler. */
  readonly send: (message: SchedulerMessage) => void;
  /** The threads; what they say goes to {@linkcode Performer.onOutcomes}. */
  readonly executor: Executor;
  /** Told of a bug: the state machine threw. */
  readonly onFailure: (error: unknown) => void;
}

/** The acting half of a worker's shell. */
export class Performer {
  /** The threads. */
  readonly executor: Executor;
  readonly #parts: PerformerParts;
  readonly #operands: Operands;
  /** What `now` is when the clock says 0: the machine's time is of the epoch, and never goes back. */
  readonly #epoch: number;
  /** When the timer runs out that the machine asked for. */
  #deadline = Infinity;
  #cancelTimer: (() => void) | undefined;
  #isClosed = false;
  #stimulusCount = 0;

  constructor(parts: PerformerParts) {
    this.#parts = parts;
    this.executor = parts.executor;
    this.#operands = new Operands(parts.store, parts.scope);
    this.#epoch = parts.clock.time() - parts.clock.now() / 1000;
  }

  /** Hands stimuli to the state machine and does what it asks for. */
  handle(stimuli: readonly Stimulus[]): void { // hot: per batch
    if (this.#isClosed) return;
    try {
      const { instructions, nextDeadline } = this.#parts.state.handle(stimuli, this.#now());
      this.#perform(instructions);
      if (nextDeadline !== this.#deadline) this.#setTimer(nextDeadline);
    } catch (error) {
      this.close(); // going on with a wrong state would give wrong results
      this.#parts.onFailure(error);
    }
  }

  /** For how many seconds each wanted task has been with the executor. */
  executing(): Record<Key, number> {
    return this.#parts.state.executing(this.#now());
  }

  #now(): number {
    return this.#epoch + this.#parts.clock.now() / 1000;
  }

  #setTimer(deadline: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#deadline = deadline;
    if (deadline === Infinity || this.#isClosed) return;
    const milliseconds = Math.max(1, Math.ceil((deadline - this.#now()) * 1000));
    this.#cancelTimer = this.#parts.clock.timer(milliseconds, () => {
      this.#deadline = Infinity;
      this.handle([{ op: "tick", stimulus_id: this.stimulusId("tick") }]);
    });
  }

  /** A name for something that this shell caused. */
  stimulusId(cause: string): string {
    return `${cause}-${++this.#stimulusCount}`;
  }

  /** Stops the timer; what still comes back is ignored. */
  close(): void {
    this.#isClosed = true;
    this.#cancelTimer?.();
    this.#operands.clear();
  }

  #perform(instructions: readonly Instruction[]): void {
    const requests: ExecutionRequest[] = [];
    const withdrawals: Key[] = [];
    const ended: Stimulus[] = [];
    for (const instruction of instructions) { // hot: per task
      switch (instruction.op) {
        case "execute":
          if (isNative(instruction.run_spec)) this.#execute(instruction, instruction.run_spec, requests);
          else ended.push(this.#refused(instruction));
          break;
        case "withdraw": {
          const waiting = this.#operands.withdraw(instruction.key);
          if (waiting === undefined) withdrawals.push(instruction.key);
          else ended.push(this.#withdrawn(waiting.key, waiting.run_id));
          break;
        }
        case "gather-dep":
          this.#parts.scope.add((signal) => this.#gather(instruction, signal));
          break;
        case "drop-data":
          this.#parts.store.delete(instruction.key);
          break;
        default:
          this.#parts.send(instruction);
      }
    }
    if (requests.length > 0) this.executor.execute(requests);
    if (withdrawals.length > 0) this.executor.withdraw(withdrawals);
    if (ended.length > 0) this.handle(ended);
  }

  /** How a task ends that is for workers of another kind. */
  #refused({ key, run_id }: Execute): Stimulus {
    const error = new TypeError(
      `Cannot run task "${key}": it is serialized for another runtime, and this worker runs functions of Deno`,
    );
    return {
      op: "execute-failure",
      key,
      run_id,
      start: null,
      stop: null,
      thread: null,
      exception: encodeError(error),
      traceback: null,
      exception_text: exceptionText(error),
      traceback_text: "",
      stimulus_id: this.stimulusId("task-erred"),
    };
  }

  /** Adds a request for the executor, at once or when the operands are in memory. */
  #execute(execute: Execute, spec: NativeSpec, requests: ExecutionRequest[]): void { // hot: per task
    const values = this.#operands.take(execute, (read) => {
      if (!this.#isClosed) this.executor.execute([requestOf(execute, spec, read)]);
    });
    if (values !== undefined) requests.push(requestOf(execute, spec, values));
  }

  /** Keeps values that a client sent. Returns the bytes of those that were taken. */
  takeData(data: ReadonlyMap<Key, Serialized>): Record<string, number> {
    const { store } = this.#parts;
    const sizes = new Map<Key, number>();
    for (const [key, value] of data) {
      sizes.set(key, value.nbytes);
      store.set(key, value);
    }
    this.handle([{ op: "update-data", data: sizes, stimulus_id: this.stimulusId("update-data") }]);
    const taken: Record<string, number> = Object.create(null);
    for (const [key, nbytes] of sizes) if (store.has(key)) taken[key] = nbytes;
    return taken;
  }

  /** Takes outcomes of the threads. */
  onOutcomes(batch: readonly ExecutionOutcome[]): void {
    if (this.#isClosed) return;
    const stimuli = new Array<Stimulus>(batch.length);
    for (let i = 0; i < batch.length; i++) { // hot: per task
      const outcome = batch[i] as ExecutionOutcome;
      this.#operands.release(outcome.key);
      stimuli[i] = this.#ended(outcome);
    }
    this.handle(stimuli);
  }

  #withdrawn(key: Key, run_id: number): Stimulus {
    return { op: "execution-withdrawn", key, run_id, stimulus_id: this.stimulusId("execution-withdrawn") };
  }

  #ended(outcome: ExecutionOutcome): Stimulus {
    const { key, runId } = outcome;
    if (outcome.kind === "withdrawn") {
      return this.#withdrawn(key, runId);
    }
    const { start, stop, thread } = outcome;
    if (outcome.kind === "failure") {
      return {
        op: "execute-failure",
        key,
        run_id: runId,
        start,
        stop,
        thread,
        exception: outcome.error,
        traceback: null,
        exception_text: outcome.exceptionText,
        traceback_text: outcome.tracebackText,
        stimulus_id: this.stimulusId("task-erred"),
      };
    }
    const { result, typename } = outcome;
    this.#parts.store.set(key, result);
    return {
      op: "execute-success",
      key,
      run_id: runId,
      nbytes: result.nbytes,
      type: pickledName(typename),
      typename,
      start,
      stop,
      thread,
      result: inlineFrame(result),
      stimulus_id: this.stimulusId("task-finished"),
    };
  }

  async #gather({ worker, keys }: GatherDep, signal: AbortSignal): Promise<void> {
    const stimulus_id = this.stimulusId("gather-dep");
    let stimulus: Stimulus;
    try {
      const reply = await this.#parts.peers.getData(worker, keys, signal);
      stimulus = reply.status === "busy"
        ? { op: "gather-busy", worker, stimulus_id }
        : { op: "gather-success", worker, data: this.#keep(reply.data, keys), stimulus_id };
    } catch (error) {
      if (signal.aborted) return;
      const isNetwork = error instanceof CommClosed || error instanceof TimeoutError;
      logger.warning(`Cannot get ${keys.length} results from ${worker}: ${String(error)}`);
      stimulus = { op: isNetwork ? "gather-network-failure" : "gather-failure", worker, stimulus_id };
    }
    this.handle([stimulus]);
  }

  /** Stores what a peer sent of what it was asked for. */
  #keep(data: Readonly<Record<string, unknown>>, keys: readonly Key[]): Map<Key, number> {
    const kept = new Map<Key, number>();
    for (const key of keys) {
      const value = Object.hasOwn(data, key) ? data[key] : undefined;
      if (!(value instanceof Serialized)) continue;
      this.#parts.store.set(key, rejoined(value)); // so that a thread is given it in one piece
      kept.set(key, value.nbytes);
    }
    return kept;
  }
}

function requestOf({ key, run_id }: Execute, spec: NativeSpec, dependencies: Values): ExecutionRequest {
  const [functionHash, args, references] = spec;
  return { key, runId: run_id, functionHash, args, references, dependencies };
}

/** The only frame of a small result of plain data. */
function inlineFrame(result: Serialized): Uint8Array | undefined {
  return result.nbytes <= INLINE_LIMIT && result.frames.length === 1 &&
      result.header["serializer"] === "msgpack"
    ? result.frames[0]
    : undefined;
}

const pickledNames = new Map<string, Uint8Array>();

/** Pickles of names of types; there are few. */
function pickledName(typename: string): Uint8Array {
  let pickled = pickledNames.get(typename);
  if (pickled === undefined) {
    pickled = encodePickle(typename);
    if (pickledNames.size < 1000) pickledNames.set(typename, pickled);
  }
  return pickled;
}
