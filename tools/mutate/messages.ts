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
  /** Run every test without any mutant, and say how long it takes. One that takes longer is tried again. */
  | { readonly do: "time"; readonly longest: number }
  /** Run tests without any mutant, and say which mutants they reach. */
  | { readonly do: "note"; readonly tests: readonly number[] }
  /** Run tests with a mutant, until one fails. */
  | { readonly do: "judge"; readonly mutant: string; readonly tests: readonly PlannedTest[] };

/** Sent before each test, so that one that does not end is told from many. */
export interface Begun {
  readonly is: "begun";
  /** Place of the test among all tests that were registered. */
  readonly test: number;
}

/** How long a test takes without any mutant. */
export interface TimedTest {
  /** Its place among all tests that were registered. */
  readonly index: number;
  /** Name. */
  readonly name: string;
  /** Milliseconds. */
  readonly ms: number;
  /** Why it failed; absent if it passed. */
  readonly failure?: string;
}

/** How long tests take without any mutant. */
export interface Times {
  readonly is: "times";
  /** All tests. */
  readonly tests: readonly TimedTest[];
}

/** How often each mutant was reached, by id. */
export type Hits = Record<string, number>;

/** What tests reach. */
export interface Notes {
  readonly is: "notes";
  /** What each test reaches, by its index. */
  readonly byTest: readonly (readonly [index: number, hits: Hits])[];
  /** Ids of the mutants that were reached while the modules loaded. */
  readonly atLoad: readonly string[];
}

/** How tests went with a mutant. */
export type Verdict =
  | { readonly is: "killed"; readonly by: string; readonly why: string }
  /** A loop did not end. */
  | { readonly is: "endless" }
  | { readonly is: "survived" }
  /** No test came to it, though one did before: what is made once had been made then. */
  | { readonly is: "unreached" }
  /** The test that failed fails without the mutant, too: an earlier mutant left traces. */
  | { readonly is: "dirty" };

/** All that the process says. */
export type Reply = Begun | Times | Notes | Verdict;
