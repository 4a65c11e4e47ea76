/**
 * The parent's side of a process that runs tests: sends requests, and kills the process if it does not
 * answer.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Begun, Notes, PlannedTest, Reply, Request, Times, Verdict } from "./messages.ts";

/** Milliseconds for a test without any mutant. */
const UNHURRIED = 600_000;

/** Milliseconds for loading the modules. */
const LOAD_LIMIT = 60_000;

/** Milliseconds for a test, by its index. */
export type Limit = (test: number) => number;

/** The process did not answer in time. */
export class NoAnswer extends Error {
  /** Class name. */
  override readonly name = "NoAnswer";
}

/** The process ended before it answered. */
export class Gone extends Error {
  /** Class name. */
  override readonly name = "Gone";
}

/** The last reply to a request. */
type Answer = Exclude<Reply, Begun>;

/** Options of a process. */
export interface RunnerOptions {
  /** Folder with the instrumented files, and `deno.json`. */
  readonly root: URL;
  /** Paths of test files. */
  readonly tests: readonly string[];
  /** The mutant that is active from the start. Default: none. */
  readonly mutant?: string;
}

/** A process that runs tests. Disposing of it kills it. */
export class Runner implements AsyncDisposable {
  readonly #child: ChildProcess;

  /** Starts one. */
  constructor({ root, tests, mutant }: RunnerOptions) {
    const command = ["run", "--allow-all", "--no-check", "--config", new URL("deno.json", root).pathname];
    const program = new URL("child.ts", import.meta.url).href;
    const files = tests.map((path) => new URL(path, root).href);
    const chosen = mutant === undefined ? [] : ["--mutant", mutant];
    this.#child = spawn(Deno.execPath(), [...command, program, ...chosen, ...files], {
      cwd: root,
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
  }

  /**
   * Measures all tests without a mutant.
   *
   * @param longest Milliseconds; tests that take longer are tried again.
   */
  async time(longest: number): Promise<Times> {
    return await this.#ask({ do: "time", longest }, () => UNHURRIED) as Times;
  }

  /** Notes the mutants that tests reach, by the tests' indexes. */
  async note(tests: readonly number[]): Promise<Notes> {
    return await this.#ask({ do: "note", tests }, () => UNHURRIED) as Notes;
  }

  /**
   * Runs tests with a mutant, in order, until one fails.
   *
   * @param limit Milliseconds for each test, by its index.
   */
  async judge(mutant: string, tests: readonly PlannedTest[], limit: Limit): Promise<Verdict> {
    return await this.#ask({ do: "judge", mutant, tests }, limit) as Verdict;
  }

  async #ask(request: Request, limit: Limit): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const end = (): void => reject(new Gone("the process ended"));
    const late = (): void => reject(new NoAnswer("the process does not answer"));
    let timer = setTimeout(late, LOAD_LIMIT);
    const hear = (message: Reply): void => {
      clearTimeout(timer);
      if (message.is === "begun") timer = setTimeout(late, limit(message.test));
      else resolve(message);
    };
    this.#child.on("message", hear);
    this.#child.once("exit", end);
    try {
      if (this.#child.exitCode !== null) end();
      else this.#child.send(request);
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#child.off("message", hear);
      this.#child.off("exit", end);
    }
  }

  /** Kills it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }
}
