/**
 * Lets damaged messages get on: keys and runs that fit what a state machine knows are put in the place of
 * recorded ones, and what a worker's machine asks for comes to an end. Without that, everything is late or
 * unknown.
 *
 * @module
 */

import type { Address, Key, RawMessage } from "../../messages/common.ts";
import { isRecord } from "../../messages/common.ts";
import type { WorkerCommand } from "../../messages/worker_scheduler.ts";
import { encodeError } from "../../protocol/remote_error.ts";
import type { Random } from "../random.ts";
import type { Instruction } from "../../worker/state/instruction.ts";
import type { Stimulus } from "../../worker/state/stimulus.ts";
import type { WorkerState } from "../../worker/state/worker_state.ts";

/** Tasks that are remembered, and names that tasks are given. */
const REMEMBERED = 32;
const NAMES = 40;

/** A task that a worker was given. */
interface Given {
  readonly key: Key;
  readonly runId: number;
}

/** What a fuzzer's peers know of a scheduler. */
export class Knowledge {
  readonly #given: Given[] = [];

  /** A worker was told this. */
  told(commands: readonly WorkerCommand[]): void {
    for (const command of commands) {
      if (command.op !== "compute-task") continue;
      this.#given.push({ key: command.key, runId: command.run_id });
      if (this.#given.length > REMEMBERED) this.#given.shift();
    }
  }

  /** The message, mostly with keys of tasks that are there; what is damaged stays damaged. */
  fit(message: RawMessage, random: Random): RawMessage {
    if (random.chance(0.2)) return message;
    switch (message["op"]) {
      case "task-finished":
      case "task-erred":
      case "reschedule":
      case "long-running": {
        const [given] = this.#given.splice(random.below(this.#given.length), 1);
        if (given === undefined) return message;
        return fitted(message, { key: given.key, run_id: given.runId });
      }
      case "release-worker-data":
      case "report-key":
        return fitted(message, { key: this.#name(random) });
      case "update-graph":
        return { ...message, groups: renamed(message["groups"], random) };
      case "update-data":
        return "who_has" in message ? { ...message, client: "Client-fuzz" } : message;
      default:
        return fitted(message, { keys: [this.#name(random), this.#name(random)] });
    }
  }

  #name(random: Random): Key {
    if (random.chance(0.5) && this.#given.length > 0) return random.pick(this.#given).key;
    return nameOf(random);
  }
}

/** One of the names that tasks are given. */
export function nameOf(random: Random): Key {
  return `inc-${random.below(NAMES)}` as Key;
}

/** Sets fields that are there and are of the same kind. */
function fitted(message: RawMessage, fields: RawMessage): RawMessage {
  const copy: Record<string, unknown> = { ...message };
  for (const name of Object.keys(fields)) {
    const isSame = typeof message[name] === typeof fields[name] &&
      Array.isArray(message[name]) === Array.isArray(fields[name]);
    if (isSame) copy[name] = fields[name];
  }
  return copy;
}

/** The tasks of a graph under other names; references to them mostly lead to each other. */
function renamed(value: unknown, random: Random): unknown {
  const shift = random.below(NAMES);
  const rename = (text: string) => {
    const [, number] = /^inc-(\d+)$/.exec(text) ?? [];
    return number === undefined ? text : `inc-${(Number(number) + shift) % NAMES}`;
  };
  const walk = (item: unknown): unknown => {
    if (typeof item === "string") return rename(item);
    if (Array.isArray(item)) return item.map(walk);
    if (!isRecord(item)) return item;
    return Object.fromEntries(Object.entries(item).map(([name, inner]) => [name, walk(inner)]));
  };
  return walk(value);
}

/** Does what a worker's machine asks for, sooner or later, well or badly. */
export class Shell {
  readonly #state: WorkerState;
  readonly #running = new Map<Key, number>();
  readonly #gathers: { readonly worker: Address; readonly keys: readonly Key[] }[] = [];

  constructor(state: WorkerState) {
    this.#state = state;
  }

  /** Hands a stimulus to the machine, and notes what it asks for. */
  handle(stimulus: Stimulus, now: number): void {
    this.#note(this.#state.handle([stimulus], now).instructions, now);
  }

  #note(instructions: readonly Instruction[], now: number): void {
    for (const instruction of instructions) {
      switch (instruction.op) {
        case "execute":
          this.#running.set(instruction.key, instruction.run_id);
          break;
        case "withdraw":
          this.#withdraw(instruction.key, now);
          break;
        case "gather-dep":
          this.#gathers.push(instruction);
          break;
        default:
      }
    }
  }

  #withdraw(key: Key, now: number): void {
    const run_id = this.#running.get(key);
    if (run_id === undefined) return;
    this.#running.delete(key);
    this.handle({ op: "execution-withdrawn", key, run_id, stimulus_id: "w" }, now);
  }

  /** Something that is under way may come to its end. */
  goOn(random: Random, now: number): void {
    const stimulus_id = "s";
    const way = random.next();
    if (way < 0.3) {
      const [task] = this.#running;
      if (task !== undefined) this.#end(task[0], task[1], random, now);
    } else if (way < 0.6) {
      const gather = this.#gathers.shift();
      if (gather === undefined) return;
      const { worker, keys } = gather;
      const end = random.pick(["success", "success", "busy", "network-failure", "failure"] as const);
      if (end !== "success") return this.handle({ op: `gather-${end}`, worker, stimulus_id }, now);
      const data = new Map(keys.filter(() => random.chance(0.8)).map((key) => [key, 8]));
      this.handle({ op: "gather-success", worker, data, stimulus_id }, now);
    } else if (way < 0.7) {
      this.handle({ op: "tick", stimulus_id }, now);
    } else if (way < 0.75) {
      this.handle({ op: random.pick(["pause", "unpause", "unpause"] as const), stimulus_id }, now);
    } else if (way < 0.8) {
      const data = new Map([[nameOf(random), 8]]);
      this.handle({ op: "update-data", data, stimulus_id }, now);
    }
  }

  #end(key: Key, run_id: number, random: Random, now: number): void {
    this.#running.delete(key);
    const base = { key, run_id, start: now, stop: now, thread: 1, stimulus_id: "s" };
    const way = random.next();
    if (way < 0.1) return this.handle({ op: "execute-reschedule", key, stimulus_id: "s" }, now);
    if (way < 0.3) {
      const exception = encodeError(new RangeError("x"));
      const texts = { traceback: null, exception_text: "x", traceback_text: "" };
      return this.handle({ ...base, op: "execute-failure", exception, ...texts }, now);
    }
    this.handle(
      { ...base, op: "execute-success", nbytes: 8, type: new Uint8Array(3), typename: "number" },
      now,
    );
  }
}
