/**
 * Judges mutants: each by the tests that reach it, the shortest first, until one fails.
 *
 * @module
 */

import type { Mutant } from "./instrument.ts";
import type { Notes, PlannedTest, TimedTest, Verdict } from "./messages.ts";
import { Gone, type Limit, NoAnswer, Runner, type RunnerOptions } from "./runner.ts";

/** What became of a mutant. */
export type Outcome = "killed" | "timed out" | "survived" | "not reached";

/** A mutant, and what became of it. */
export interface Judged {
  /** The change. */
  readonly mutant: Mutant;
  /** What became of it. */
  readonly outcome: Outcome;
  /** Name of the test that failed. */
  readonly by?: string;
  /** What the test said. */
  readonly why?: string;
}

/** What is judged. */
export interface JudgeOptions {
  /** Folder with the instrumented files. */
  readonly root: URL;
  /** Paths of the test files that judge. */
  readonly tests: readonly string[];
  /** What is judged. */
  readonly mutants: readonly Mutant[];
  /** How many processes. */
  readonly jobs: number;
  /** Milliseconds: tests that take longer without any mutant do not judge. */
  readonly longest: number;
  /** Called for each mutant as soon as it is judged. */
  readonly onJudged?: (judged: Judged) => void;
}

/**
 * How long a test may take with a mutant: so many times as long as without, and milliseconds for a busy
 * machine.
 */
const TIMES_LONGER = 10;
const GRACE = 5000;

/** How often it may come to the mutant: so many times as often as without it, and so often more. */
const TIMES_MORE = 100;
const MORE = 1000;

/**
 * Judges mutants.
 *
 * @throws {Error} If a test fails without any mutant.
 */
export async function judgeMutants(options: JudgeOptions): Promise<Judged[]> {
  const { root, tests, mutants, jobs, longest, onJudged } = options;
  const plan = await makePlan({ root, tests }, longest);
  const queue = [...mutants];
  const judged: Judged[] = [];
  const lane = async (): Promise<void> => {
    await using judge = new Judge(plan, { root, tests });
    for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
      const one = { mutant, ...await judge.outcomeOf(mutant.id) };
      judged.push(one);
      onJudged?.(one);
    }
  };
  await Promise.all(Array.from({ length: jobs }, lane));
  return judged;
}

async function makePlan(options: RunnerOptions, longest: number): Promise<Plan> {
  const { tests } = await asked(options, (runner) => runner.time(longest));
  const failed = tests.filter(({ failure }) => failure !== undefined);
  if (failed.length > 0) {
    const lines = failed.map(({ name, failure }) => `  ${name}: ${failure}`);
    throw new Error(`tests fail without any mutant:\n${lines.join("\n")}`);
  }
  const short = tests.filter(({ ms }) => ms <= longest).sort((a, b) => a.ms - b.ms);
  // In a process where nothing was made yet that is made once.
  const notes = await asked(options, (runner) => runner.note(short.map(({ index }) => index)));
  return new Plan(short, notes);
}

async function asked<T>(options: RunnerOptions, ask: (runner: Runner) => Promise<T>): Promise<T> {
  await using runner = new Runner(options);
  return await ask(runner);
}

/** Which tests a mutant needs. */
class Plan {
  readonly #atLoad: ReadonlySet<string>;
  readonly #reaching = new Map<string, PlannedTest[]>();
  readonly #all: readonly PlannedTest[];
  readonly #ms: ReadonlyMap<number, number>;

  /** @param tests The shortest first. */
  constructor(tests: readonly TimedTest[], { atLoad, byTest }: Notes) {
    this.#atLoad = new Set(atLoad);
    this.#ms = new Map(tests.map(({ index, ms }) => [index, ms]));
    this.#all = tests.map(({ index }) => ({ index, mostHits: Number.MAX_SAFE_INTEGER }));
    for (const [index, hits] of byTest) {
      for (const [mutant, count] of Object.entries(hits)) {
        const reaching = this.#reaching.get(mutant) ?? [];
        reaching.push({ index, mostHits: count * TIMES_MORE + MORE });
        this.#reaching.set(mutant, reaching);
      }
    }
  }

  /** Whether it was reached while the modules loaded. */
  isAtLoad(mutant: string): boolean {
    return this.#atLoad.has(mutant);
  }

  /** The tests that reach it, the shortest first. */
  reaching(mutant: string): readonly PlannedTest[] {
    return this.#reaching.get(mutant) ?? [];
  }

  /** All tests, the shortest first. */
  get all(): readonly PlannedTest[] {
    return this.#all;
  }

  /** Milliseconds after which a test is given up. */
  readonly limit: Limit = (test) => (this.#ms.get(test) ?? 0) * TIMES_LONGER + GRACE;
}

type Found = Omit<Judged, "mutant">;

/** Judges one mutant at a time, most of them in a process that it keeps. */
class Judge implements AsyncDisposable {
  readonly #plan: Plan;
  readonly #options: RunnerOptions;
  #kept: Runner | undefined;

  constructor(plan: Plan, options: RunnerOptions) {
    this.#plan = plan;
    this.#options = options;
  }

  async outcomeOf(mutant: string): Promise<Found> {
    if (this.#plan.isAtLoad(mutant)) return await this.#alone(mutant, this.#plan.all);
    const tests = this.#plan.reaching(mutant);
    if (tests.length === 0) return { outcome: "not reached" };
    const verdict = await this.#among(mutant, tests);
    if (verdict === "again") return await this.#alone(mutant, tests);
    return verdict;
  }

  /** In the process that serves many. `again` if that can't tell. */
  async #among(mutant: string, tests: readonly PlannedTest[]): Promise<Found | "again"> {
    this.#kept ??= new Runner(this.#options);
    const found = await outcome(this.#kept.judge(mutant, tests, this.#plan.limit));
    const isDirty = found === "dirty" || (found !== "unreached" && found.outcome === "timed out");
    if (isDirty) await this[Symbol.asyncDispose]();
    return typeof found === "string" ? "again" : found;
  }

  /** In a process of its own, where the mutant is active from the start. */
  async #alone(mutant: string, tests: readonly PlannedTest[]): Promise<Found> {
    await using runner = new Runner({ ...this.#options, mutant });
    const found = await outcome(runner.judge(mutant, tests, this.#plan.limit));
    if (typeof found === "string") throw new Error(`a process of its own can't be ${found}`);
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kept?.[Symbol.asyncDispose]();
    this.#kept = undefined;
  }
}

async function outcome(asked: Promise<Verdict>): Promise<Found | "dirty" | "unreached"> {
  try {
    const verdict = await asked;
    switch (verdict.is) {
      case "killed":
        return { outcome: "killed", by: verdict.by, why: verdict.why };
      case "endless":
        return { outcome: "timed out" };
      case "survived":
        return { outcome: "survived" };
      default:
        return verdict.is;
    }
  } catch (error) {
    if (error instanceof NoAnswer) return { outcome: "timed out" };
    if (error instanceof Gone) return { outcome: "killed", why: error.message };
    throw error;
  }
}
