/**
 * How a role runs as a program: exit codes, signals, errors as one line.
 *
 * @module
 */

import denoJson from "../deno.json" with { type: "json" };
import { UsageError } from "./flags.ts";

/** Version of this package. */
export const VERSION: string = denoJson.version;

/** A role that runs until it is closed. */
export interface RunningRole {
  /** Resolves when the role ended, by itself or by `close`; rejects with why it failed. */
  readonly finished: Promise<void>;
  /** Ends it gracefully. Idempotent. */
  close(): Promise<void>;
}

/**
 * Runs `start` as a program and ends the process: 0 after a clean end or a signal, 1 if it fails, 2 if the
 * command line can't be used.
 */
export async function runProgram(
  name: string,
  start: (args: readonly string[]) => Promise<RunningRole | undefined>,
): Promise<never> {
  let code = 0;
  try {
    const role = await start(Deno.args);
    if (role !== undefined) await untilEnd(role);
  } catch (error) {
    code = error instanceof UsageError ? 2 : 1;
    printError(name, error);
  }
  // A thread that is stuck in a task's loop would keep the process alive.
  Deno.exit(code);
}

async function untilEnd(role: RunningRole): Promise<void> {
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT", "SIGBREAK"] : ["SIGINT", "SIGTERM"];
  const onSignal = () => void role.close().catch(() => {});
  for (const signal of signals) Deno.addSignalListener(signal, onSignal);
  try {
    await role.finished;
  } finally {
    for (const signal of signals) Deno.removeSignalListener(signal, onSignal);
  }
}

function printError(name: string, error: unknown): void {
  const text = error instanceof Error ? error.message : String(error);
  const hint = error instanceof UsageError ? `\nTry --help` : "";
  try {
    Deno.stderr.writeSync(new TextEncoder().encode(`${name}: ${text}${hint}\n`));
  } catch {
    // Nobody listens.
  }
}

/** Prints to stdout what the user asked for: help or version. */
export function printText(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}
