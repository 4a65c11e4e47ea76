/**
 * What the simulated programs compute: random graphs of known shapes, and what must come out of each task.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { FunctionBody } from "../../client/state/stimulus.ts";
import type { FunctionHash, Key } from "../../messages/common.ts";
import type { Serialized } from "../../protocol/serialized.ts";
import { deserializeValue, serializeValue } from "../../protocol/values.ts";
import type { Random } from "../random.ts";

const PADDING = "x".repeat(5000);

/** Functions that tasks call; the body is not looked at. */
export const FUNCTIONS: readonly FunctionBody[] = [0, 1, 2, 3].map((number) => {
  const body = Uint8Array.of(0x91, number);
  return { hash: createHash("sha256").update(body).digest("hex") as FunctionHash, body };
});

/** How runs of a task end. */
export type Kind = "ok" | "fails" | "flaky" | "data";

/** One task, the same for everybody who names it. */
export interface Definition {
  /** Name. */
  readonly key: Key;
  /** What it calls. */
  readonly hash: FunctionHash;
  /** What it takes. */
  readonly dependencies: readonly Definition[];
  /** How its runs end. */
  readonly kind: Kind;
  /** Virtual seconds that a run takes. */
  readonly seconds: number;
  /** Bytes of its result. */
  readonly nbytes: number;
  /** Runs that fail before one does not, if it is flaky. */
  readonly failures: number;
  /** Names of this task and all that it depends on. */
  readonly closure: ReadonlySet<Key>;
}

/** The body of a function. */
export function bodyOf(hash: FunctionHash): Uint8Array {
  return FUNCTIONS.find((fn) => fn.hash === hash)?.body ?? new Uint8Array();
}

/** Text of the error of a task that fails. */
export function errorTextOf(key: Key): string {
  return `boom:${key}`;
}

/** Result of a task as a number that names the task and all its inputs. */
export function mixValue(key: Key, inputs: readonly number[]): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  for (const input of inputs) hash = Math.imul(hash ^ input ^ (hash >>> 13), 0x85ebca6b);
  return hash >>> 0;
}

/** A number as a result of about so many bytes. */
export function packValue(value: number, nbytes: number): Serialized {
  return serializeValue([value, PADDING.slice(0, Math.max(nbytes - 8, 0))]);
}

/** The number in a value that {@linkcode packValue} made; -1 if it is something else. */
export function unpackValue(value: unknown): number {
  return Array.isArray(value) && typeof value[0] === "number" ? value[0] : -1;
}

/** The same of one that is still serialized. */
export function unpackResult(payload: Serialized | undefined): number {
  return payload === undefined ? -1 : unpackValue(deserializeValue(payload));
}

/** All tasks of a run. */
export class Catalogue {
  readonly #random: Random;
  readonly #definitions: Map<Key, Definition> = new Map();
  readonly #expected: Map<Key, number> = new Map();
  readonly #attempts: Map<Key, number> = new Map();
  readonly #failureShare: number;
  #count = 0;

  /** `failureShare` of all tasks fail, for ever or at first. */
  constructor(random: Random, failureShare: number) {
    this.#random = random;
    this.#failureShare = failureShare;
  }

  /** The task of this name. */
  get(key: Key): Definition | undefined {
    return this.#definitions.get(key);
  }

  /** Any task that was made so far. */
  pick(): Definition | undefined {
    return this.#definitions.size === 0 ? undefined : this.#random.pick([...this.#definitions.values()]);
  }

  /** What a task returns if all goes well. */
  expected(definition: Definition): number {
    const known = this.#expected.get(definition.key);
    if (known !== undefined) return known;
    const value = mixValue(definition.key, definition.dependencies.map((one) => this.expected(one)));
    this.#expected.set(definition.key, value);
    return value;
  }

  /** Whether the run that ends now fails. */
  failsNow(definition: Definition): boolean {
    if (definition.kind === "fails") return true;
    if (definition.kind !== "flaky") return false;
    const attempts = this.#attempts.get(definition.key) ?? 0;
    this.#attempts.set(definition.key, attempts + 1);
    return attempts < definition.failures;
  }

  /** Whether some task that `definition` needs, or itself, never succeeds. */
  isDoomed(definition: Definition): boolean {
    for (const key of definition.closure) if (this.get(key)?.kind === "fails") return true;
    return false;
  }

  /** A value for a client to put on workers: no other is equal to it. */
  makeData(): { readonly value: unknown; readonly nbytes: number } {
    const nbytes = this.#nbytes();
    return { value: [this.#count++, PADDING.slice(0, nbytes)], nbytes };
  }

  /** A value is on workers. */
  addData(key: Key, value: number, nbytes: number): Definition {
    const known = this.#definitions.get(key);
    if (known !== undefined) return known;
    this.#expected.set(key, value);
    const definition: Definition = {
      key,
      hash: "" as FunctionHash,
      dependencies: [],
      kind: "data",
      seconds: 0,
      nbytes,
      failures: 0,
      closure: new Set([key]),
    };
    this.#definitions.set(key, definition);
    return definition;
  }

  /** A graph of a random shape, which may take `inputs`; every task after what it takes. */
  makeGraph(inputs: readonly Definition[]): Definition[] {
    const random = this.#random;
    const size = 1 + random.below(9);
    const graph: Definition[] = [];
    const shape = random.below(6);
    for (let i = 0; i < size; i++) graph.push(this.#add(`t${shape}`, this.#inputsOf(shape, graph, inputs)));
    return graph;
  }

  #inputsOf(shape: number, graph: readonly Definition[], inputs: readonly Definition[]): Definition[] {
    const random = this.#random;
    const last = graph.at(-1);
    const outer = inputs.length > 0 && random.chance(0.4) ? [random.pick(inputs)] : [];
    if (last === undefined || shape === 0) return outer; // map
    if (shape === 1) return [last]; // chain
    if (shape === 2) return graph.length % 3 === 0 ? graph.slice(-3) : outer; // trees of three
    if (shape === 3) {
      return graph.length % 4 === 3 ? graph.slice(-2) : graph.slice(-(graph.length % 4)).slice(0, 1); // diamonds
    }
    if (shape === 4) return graph.slice(0, 1); // all share one
    const some: Definition[] = [...outer];
    for (const one of graph) if (random.chance(0.3)) some.push(one);
    return some;
  }

  #add(prefix: string, dependencies: readonly Definition[]): Definition {
    const kind = this.#kind();
    const random = this.#random;
    const key = `${prefix}-${this.#count++}` as Key;
    const closure = new Set<Key>([key]);
    for (const one of dependencies) for (const name of one.closure) closure.add(name);
    const definition: Definition = {
      key,
      hash: random.pick(FUNCTIONS).hash,
      dependencies: [...new Set(dependencies)],
      kind,
      seconds: random.chance(0.6) ? 0.0002 + 0.001 * random.next() : 0.1 * random.next(),
      nbytes: this.#nbytes(),
      failures: kind === "flaky" ? 1 + random.below(2) : 0,
      closure,
    };
    this.#definitions.set(key, definition);
    return definition;
  }

  #nbytes(): number {
    return this.#random.chance(0.3) ? 1025 + this.#random.below(3000) : 8 + this.#random.below(64);
  }

  #kind(): Kind {
    if (!this.#random.chance(this.#failureShare)) return "ok";
    return this.#random.chance(0.5) ? "fails" : "flaky";
  }
}
