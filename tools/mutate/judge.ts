/**
 * Judges mutants: runs the tests that reach a mutant, the fastest first, until one fails.
 *
 * @module
 */

import type { Mutant } from "./instrument.ts";
import type { Notes, PlannedTest, TimedTest, Verdict } from "./messages.ts";
import { Gone, type Limit, NoAnswer, Runner, type RunnerOptions } from "./runner.ts";

/** Outcome of a mutant. */
export type Outcome = "killed" | "timed out" | "survived" | "not reached";

/** A mutant and its outcome. */
export interface Judged {
  /** The change. */
  readonly mutant: Mutant;
  /** The outcome. */
  readonly outcome: Outcome;
  /** Name of the test that failed. */
  readonly by?: string;
  /** Error of the test. */
  readonly why?: string;
}

/** The mutants to judge. */
export interface JudgeOptions {
  /** Folder with the instrumented files. */
  readonly root: URL;
  /** Paths of the test files that judge. */
  readonly tests: readonly string[];
  /** The mutants to judge. */
  readonly mutants: readonly Mutant[];
  /** Number of processes. */
  readonly jobs: number;
  /** Milliseconds; tests that take longer without a mutant are not used. */
  readonly longest: number;
  /** Called for each mutant as soon as it is judged. */
  readonly onJudged?: (judged: Judged) => void;
}

/**
 * Time limit of a test with a mutant: a multiple of its time without a mutant, plus milliseconds for a busy
 * machine.
 */
const TIMES_LONGER = 10;
const GRACE = 5000;

/** Limit of how often a test may reach the mutant: a multiple of the number without it, plus a constant. */
const TIMES_MORE = 100;
const MORE = 1000;

/**
 * Judges mutants.
 *
 * @throws {Error} If a test fails without a mutant.
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
  // In a new process, in which one-time initialisation has not happened yet.
  const notes = await asked(options, (runner) => runner.note(short.map(({ index }) => index)));
  return new Plan(short, notes);
}

async function asked<T>(options: RunnerOptions, ask: (runner: Runner) => Promise<T>): Promise<T> {
  await using runner = new Runner(options);
  return await ask(runner);
}

/** Chooses the tests for a mutant. */
class Plan {
  readonly #atLoad: ReadonlySet<string>;
  readonly #reaching = new Map<string, PlannedTest[]>();
  readonly #all: readonly PlannedTest[];
  readonly #ms: ReadonlyMap<number, number>;

  /** @param tests The fastest first. */
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

  /** Returns the tests that reach it, the fastest first. */
  reaching(mutant: string): readonly PlannedTest[] {
    return this.#reaching.get(mutant) ?? [];
  }

  /** All tests, the fastest first. */
  get all(): readonly PlannedTest[] {
    return this.#all;
  }

  /** Time limit of a test, in milliseconds. */
  readonly limit: Limit = (test) => (this.#ms.get(test) ?? 0) * TIMES_LONGER + GRACE;
}

type Found = Omit<Judged, "mutant">;

/** Judges one mutant at a time, most of them in a reused process. */
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

  /** Judges a mutant in the reused process. Returns `again` if the result is unclear. */
  async #among(mutant: string, tests: readonly PlannedTest[]): Promise<Found | "again"> {
    this.#kept ??= new Runner(this.#options);
    const found = await outcome(this.#kept.judge(mutant, tests, this.#plan.limit));
    const isDirty = found === "dirty" || (found !== "unreached" && found.outcome === "timed out");
    if (isDirty) await this[Symbol.asyncDispose]();
    return typeof found === "string" ? "again" : found;
  }

  /** Judges a mutant in a new process, in which it is active from the start. */
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
