/**
 * Takes what the scheduler says on a worker's stream apart: tasks and data go to the state machine, in
 * batches; function bodies to the threads; the rest to the worker.
 *
 * @module
 */

import { unreachable } from "../internal/assert.ts";
import type { Address, FunctionHash, WorkerStatus } from "../messages/common.ts";
import type { WorkerCommand } from "../messages/worker_scheduler.ts";
import type { Executor } from "./executor/executor.ts";
import type { Stimulus } from "./state/stimulus.ts";

/** What commands are carried out by. */
export interface Commanded {
  /** Keeps function bodies. */
  readonly executor: Pick<Executor, "addFunction" | "removeFunction">;
  /** Handles stimuli. */
  handle(stimuli: readonly Stimulus[]): void;
  /** A name for something that the shell caused. */
  stimulusId(cause: string): string;
}

/** What a worker does itself. */
export interface CommandEffects {
  /** The scheduler wants it to end. */
  readonly onClose: (reason: string) => void;
  /** The scheduler changed its status, which it has to confirm. */
  readonly onStatus: (status: WorkerStatus) => void;
  /** A peer is gone. */
  readonly onPeerGone: (peer: Address) => void;
}

/** Dispatches commands in order. */
export class Commands {
  #performer: Commanded;
  #effects: CommandEffects;

  constructor(performer: Commanded, effects: CommandEffects) {
    this.#performer = performer;
    this.#effects = effects;
  }

  /** Handles one batch. */
  handle(batch: readonly WorkerCommand[]): void {
    let stimuli: Stimulus[] = [];
    const flush = () => {
      if (stimuli.length > 0) this.#performer.handle(stimuli);
      stimuli = [];
    };
    for (const command of batch) { // hot: per task
      switch (command.op) {
        case "compute-task":
        case "free-keys":
        case "acquire-replicas":
        case "remove-replicas":
        case "refresh-who-has":
          stimuli.push(command);
          break;
        case "remove-worker":
          stimuli.push(command);
          this.#effects.onPeerGone(command.worker);
          break;
        case "register-functions":
          for (const hash of Object.keys(command.functions) as FunctionHash[]) {
            const body = command.functions[hash];
            if (body !== undefined) this.#performer.executor.addFunction(hash, body);
          }
          break;
        case "free-functions":
          flush(); // tasks before it may still name them
          for (const hash of command.functions) this.#performer.executor.removeFunction(hash);
          break;
        case "worker-status-change":
          flush();
          this.#changeStatus(command.status);
          break;
        case "close":
          flush();
          this.#effects.onClose(command.reason);
          break;
        case "close-stream":
          break; // the stream's reader ends
        default:
          unreachable(command);
      }
    }
    flush();
  }

  #changeStatus(status: WorkerStatus): void {
    const op = status === "running" ? "unpause" : "pause";
    this.#performer.handle([{ op, stimulus_id: this.#performer.stimulusId(op) }]);
    this.#effects.onStatus(status);
  }
}
