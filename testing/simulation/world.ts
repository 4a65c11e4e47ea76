/**
 * Virtual time, the events that are to come, and the record of those that were. Everything that a simulated cluster
 * does happens in here, one event after the other; the same seed makes the same record.
 *
 * @module
 */

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
  readonly sequence: number;
  readonly run: () => void;

  constructor(at: number, sequence: number, run: () => void) {
    this.at = at;
    this.sequence = sequence;
    this.run = run;
  }
}

function comesBefore(left: Event, right: Event): boolean {
  return left.at !== right.at ? left.at < right.at : left.sequence < right.sequence;
}

/** One run's time, randomness and record. */
export class World {
  /** The only source of chance. */
  readonly random: Random;
  /** The last lines of the record. */
  readonly lines: string[] = [];
  #queue: Heap<Event> = new Heap(comesBefore);
  #now = 0;
  #sequence = 0;
  #events = 0;
  #low = 0x811c9dc5;
  #high = 0x9e3779b1;

  /** Begins at time 0. */
  constructor(seed: number) {
    this.random = new Random(seed);
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

  /** Lets `run` happen in `delay` seconds. */
  schedule(delay: number, run: () => void): void {
    this.#queue.push(new Event(this.#now + delay, this.#sequence++, run));
  }

  /** A random delay of about `mean` seconds; now and then a much longer one. */
  delay(mean: number): number {
    const factor = this.random.chance(0.05) ? 20 : 2;
    return mean * factor * this.random.next();
  }

  /** Lets the next event happen. Returns whether there was one. */
  step(): boolean {
    const event = this.#queue.pop();
    if (event === undefined) return false;
    this.#now = event.at;
    this.#events++;
    event.run();
    return true;
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
