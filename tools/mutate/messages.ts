/**
 * Messages between `deno task mutate` and a process that runs tests.
 *
 * @module
 */

/** A test to run with a mutant. */
export interface PlannedTest {
  /** Its index among all registered tests. */
  readonly index: number;
  /** Number of times that the mutant may be reached before the test counts as endless. */
  readonly mostHits: number;
}

/** Requests to the process, one at a time. */
export type Request =
  /** Runs all tests without a mutant, and measures them. A test that takes longer is tried again. */
  | { readonly do: "time"; readonly longest: number }
  /** Runs tests without a mutant, and notes the mutants that they reach. */
  | { readonly do: "note"; readonly tests: readonly number[] }
  /** Runs tests with a mutant, until one fails. */
  | { readonly do: "judge"; readonly mutant: string; readonly tests: readonly PlannedTest[] };

/** Sent before each test, so that a test that does not end can be identified. */
export interface Begun {
  readonly is: "begun";
  /** Index of the test among all registered tests. */
  readonly test: number;
}

/** Duration of a test without a mutant. */
export interface TimedTest {
  /** Its index among all registered tests. */
  readonly index: number;
  /** Name. */
  readonly name: string;
  /** Milliseconds. */
  readonly ms: number;
  /** Why it failed; absent if it passed. */
  readonly failure?: string;
}

/** Durations of tests without a mutant. */
export interface Times {
  readonly is: "times";
  /** All tests. */
  readonly tests: readonly TimedTest[];
}

/** Number of times that each mutant was reached, by id. */
export type Hits = Record<string, number>;

/** Mutants that tests reach. */
export interface Notes {
  readonly is: "notes";
  /** Mutants that each test reaches, by the test's index. */
  readonly byTest: readonly (readonly [index: number, hits: Hits])[];
  /** Ids of the mutants that were reached while the modules loaded. */
  readonly atLoad: readonly string[];
}

/** Result of the tests with a mutant. */
export type Verdict =
  | { readonly is: "killed"; readonly by: string; readonly why: string }
  /** A loop did not end. */
  | { readonly is: "endless" }
  | { readonly is: "survived" }
  /** No test reached it, although one did before: the code runs only once per process. */
  | { readonly is: "unreached" }
  /** The test also fails without the mutant, because an earlier mutant left changes. */
  | { readonly is: "dirty" };

/** Messages from the process. */
export type Reply = Begun | Times | Notes | Verdict;
