/**
 * Virtual time, the events that are to come, and the record of those that were. Everything that a simulated
 * cluster does happens in here, one event after the other; the same seed makes the same record.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { Heap } from "../../internal/heap.ts";
import { Random } from "../random.ts";

/** Lines of the record that are kept for a report. */
const LINES_KEPT = 4000;

/** Something found that must not be. */
export class SimulationFailure extends Error {
  /** Class name. */
  override readonly name = "SimulationFailure";
}

/** Fails the run unless `condition` holds. */
export function check(condition: unknown, what: () => string): asserts condition {
  if (!condition) throw new SimulationFailure(what());
}

class Event {
  heapIndex = -1;
  readonly at: number;
  /** Orders events of one moment: the same for all of one role, so that those keep their order. */
  readonly lot: number;
  readonly sequence: number;
  readonly run: () => void;

  constructor(at: number, lot: number, sequence: number, run: () => void) {
    this.at = at;
    this.lot = lot;
    this.sequence = sequence;
    this.run = run;
  }
}

function comesBefore(left: Event, right: Event): boolean {
  if (left.at !== right.at) return left.at < right.at;
  return left.lot !== right.lot ? left.lot < right.lot : left.sequence < right.sequence;
}

/** One run's time, randomness and record. */
export class World {
  /** The only source of chance. */
  readonly random: Random;
  /** The last lines of the record. */
  readonly lines: string[] = [];
  readonly #queue: Heap<Event> = new Heap(comesBefore);
  readonly #salt: number;
  #now = 0;
  #sequence = 0;
  #events = 0;
  #low = 0x811c9dc5;
  #high = 0x9e3779b1;
  #quiet: (() => void)[] = [];
  #failure: unknown = undefined;
  #isFailed = false;

  /** Begins at time 0. */
  constructor(seed: number) {
    this.random = new Random(seed);
    this.#salt = this.random.below(2 ** 31);
  }

  /** Virtual seconds. */
  get now(): number {
    return this.#now;
  }

  /** Events that have happened. */
  get events(): number {
    return this.#events;
  }

  /** Hash of the whole record. */
  get digest(): string {
    return (this.#high >>> 0).toString(16).padStart(8, "0") + (this.#low >>> 0).toString(16).padStart(8, "0");
  }

  /**
   * Lets `run` happen in `delay` seconds. What several roles do at the same moment happens in an order that
   * the seed decides; what one does, in the order in which it was scheduled.
   *
   * @param role Number of the role whose event it is; 0 for the world itself.
   * @returns Takes it back.
   */
  schedule(delay: number, run: () => void, role = 0): () => void {
    check(delay >= 0, () => `Something is to happen ${-delay} s ago`);
    const at = this.#now + delay;
    const lot = role === 0 ? -1 : Math.imul(this.#salt ^ role, Math.floor(at * 1e6) | 1);
    const event = new Event(at, lot, this.#sequence++, run);
    this.#queue.push(event);
    return () => void this.#queue.remove(event);
  }

  /** A random delay of about `mean` seconds; now and then a much longer one. */
  delay(mean: number): number {
    const factor = this.random.chance(0.05) ? 20 : 2;
    return mean * factor * this.random.next();
  }

  /**
   * Lets the next event happen, and everything that follows from it at once. Returns whether there was one.
   *
   * @throws What was given to {@linkcode World.fail} meanwhile.
   */
  async step(): Promise<boolean> {
    const event = this.#queue.pop();
    if (event === undefined) return false;
    this.#now = event.at;
    this.#events++;
    event.run();
    await allSettled();
    if (this.#isFailed) throw this.#failure;
    const checks = this.#quiet;
    this.#quiet = [];
    for (const run of checks) run();
    return true;
  }

  /** Calls `run` when everything that follows from the event of now has happened. */
  whenQuiet(run: () => void): void {
    this.#quiet.push(run);
  }

  /** Ends the run: something is wrong. For code that nobody awaits. */
  fail(error: unknown): void {
    if (this.#isFailed) return;
    this.#isFailed = true;
    this.#failure = error;
  }

  /** Adds a line to the record. */
  note(line: string): void {
    const text = `${this.#now.toFixed(4)} ${line}`;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      this.#low = Math.imul(this.#low ^ code, 0x01000193);
      this.#high = Math.imul(this.#high ^ (code + 0x55), 0x85ebca6b);
    }
    this.lines.push(text);
    if (this.lines.length > 2 * LINES_KEPT) this.lines.splice(0, LINES_KEPT);
  }
}

/**
 * Resolves when no promise has anything left to do: the event loop's next turn begins when all microtasks are
 * done, and nothing else is pending in a simulation.
 */
function allSettled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
