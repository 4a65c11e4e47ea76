/**
 * Messages that wait for the end of the turn. Messages of the same kind are merged.
 *
 * @module
 */

import { assert } from "../../internal/assert.ts";
import type {
  ClientReleasesKeys,
  ClientStreamMessage,
  GraphAnnotations,
  TaskRow,
  UpdateGraph,
} from "../../messages/client_scheduler.ts";
import type { FunctionHash, Key } from "../../messages/common.ts";
import type { FunctionBody } from "./stimulus.ts";

/** Seconds within which graphs share a generation, as in Dask. */
const FIFO_TIMEOUT = 0.1;

/** {@linkcode UpdateGraph} while rows are added to it. */
interface GrowingGraph extends UpdateGraph {
  readonly groups: { readonly function: FunctionHash; readonly tasks: TaskRow[] }[];
  readonly functions: Record<FunctionHash, Uint8Array>;
}

/** {@linkcode ClientReleasesKeys} while keys are added to it. */
interface GrowingRelease extends ClientReleasesKeys {
  readonly keys: Key[];
}

/** Messages that are not sent yet. */
export class Outbox {
  #messages: ClientStreamMessage[] = [];
  /** The last message, if it is a graph. */
  #graph: GrowingGraph | undefined = undefined;
  /** The last message, if it releases keys. */
  #release: GrowingRelease | undefined = undefined;

  /** Number of messages. */
  get size(): number {
    return this.#messages.length;
  }

  /** Adds a task, and the body of its function unless the scheduler has it. */
  addTask(fn: FunctionBody, row: TaskRow, annotations: GraphAnnotations, hasBody: boolean): void { // hot: per task
    const graph = this.#graphWith(annotations);
    assert(graph === this.#messages.at(-1), "Tasks are added to the last message only");
    if (!hasBody) graph.functions[fn.hash] = fn.body;
    const group = graph.groups.at(-1);
    if (group?.function === fn.hash) group.tasks.push(row);
    else graph.groups.push({ function: fn.hash, tasks: [row] });
  }

  /** Adds the release of a key. */
  releaseKey(key: Key): void { // hot: per task
    if (this.#release === undefined) {
      const release: GrowingRelease = { op: "client-releases-keys", keys: [] };
      this.push(release);
      this.#release = release;
    }
    assert(this.#release === this.#messages.at(-1), "Keys are added to the last message only");
    this.#release.keys.push(key);
  }

  /** Adds a message that is not merged with others. */
  push(message: ClientStreamMessage): void {
    this.#graph = undefined;
    this.#release = undefined;
    this.#messages.push(message);
  }

  /** Removes and returns all messages, in order. */
  take(): ClientStreamMessage[] {
    const messages = this.#messages;
    const open = this.#graph ?? this.#release;
    assert(open === undefined || open === messages.at(-1), "Only the last message may still grow");
    this.#messages = [];
    this.#graph = undefined;
    this.#release = undefined;
    return messages;
  }

  #graphWith(annotations: GraphAnnotations): GrowingGraph {
    if (this.#graph !== undefined && isSame(this.#graph.annotations, annotations)) return this.#graph;
    const graph: GrowingGraph = {
      op: "update-graph",
      groups: [],
      functions: {},
      annotations,
      fifo_timeout: FIFO_TIMEOUT,
    };
    this.push(graph);
    this.#graph = graph;
    return graph;
  }
}

/** Whether two sets of annotations are equal. Usually they are the same object. */
function isSame(a: GraphAnnotations, b: GraphAnnotations): boolean {
  if (a === b) return true;
  if (a.priority !== b.priority || a.retries !== b.retries) return false;
  if (a.allow_other_workers !== b.allow_other_workers) return false;
  if (a.workers === undefined || b.workers === undefined) return a.workers === b.workers;
  return a.workers.length === b.workers.length && a.workers.every((name, i) => name === b.workers?.[i]);
}
