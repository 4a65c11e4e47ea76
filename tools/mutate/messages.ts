/**
 * What `deno task mutate` and a process that runs tests say to each other.
 *
 * @module
 */

/** A test as a mutant's run needs it. */
export interface PlannedTest {
  /** Its place among all tests that were registered. */
  readonly index: number;
  /** How often the mutant may be reached before the test counts as endless. */
  readonly mostHits: number;
}

/** What the process is asked for, one thing at a time. */
export type Request =
  /** Run every test without any mutant. Those that take more than `longest` milliseconds do not judge. */
  | { readonly do: "survey"; readonly longest: number }
  /** Run tests with a mutant, until one fails. */
  | { readonly do: "judge"; readonly mutant: string; readonly tests: readonly PlannedTest[] };

/** Sent before each test, so that one that does not end is told from many. */
export interface Begun {
  readonly is: "begun";
  /** Place of the test among all tests that were registered. */
  readonly test: number;
}

/** How a test went without any mutant. */
export interface SurveyedTest {
  /** Its place among all tests that were registered. */
  readonly index: number;
  /** Name. */
  readonly name: string;
  /** Milliseconds. */
  readonly ms: number;
  /** Why it failed; absent if it passed. */
  readonly failure?: string;
  /** How often each mutant was reached, by id; null: it takes too long to judge. */
  readonly hits: Readonly<Record<string, number>> | null;
}

/** How all tests went without any mutant. */
export interface Survey {
  readonly is: "survey";
  /** Tests, in order of their index. */
  readonly tests: readonly SurveyedTest[];
  /** Ids of the mutants that were reached while the modules loaded. */
  readonly atLoad: readonly string[];
}

/** How tests went with a mutant. */
export type Verdict =
  | { readonly is: "killed"; readonly by: string; readonly why: string }
  /** A loop did not end. */
  | { readonly is: "endless" }
  | { readonly is: "survived" }
  /** No test came to it, though one did in the survey: what is made once had been made before. */
  | { readonly is: "unreached" }
  /** The test that failed fails without the mutant, too: an earlier mutant left traces. */
  | { readonly is: "dirty" };
