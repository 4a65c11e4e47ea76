/**
 * How a role runs as a program: exit codes, signals, errors as one line.
 *
 * @module
 */

import denoJson from "../deno.json" with { type: "json" };
import { getLogger } from "../config/logging.ts";
import { UsageError } from "./flags.ts";

const logger = getLogger("distributed._signals");

/** Version of this package. */
export const VERSION: string = denoJson.version;

/** A role that runs until it is closed. */
export interface RunningRole {
  /** Resolves when the role has ended, by itself or by `close`; rejects with the error if it failed. */
  readonly finished: Promise<void>;
  /** Says goodbye and closes. Idempotent. */
  close(): Promise<void>;
  /** Handles the first signal, if that is not the same as `close`. The second signal calls `close`. */
  closeGracefully?(): Promise<void>;
  /** Reads certificates again, at SIGHUP. */
  reloadSecurity?(): Promise<void>;
}

/**
 * Runs `start` as a program and ends the process. Exit codes: 0 after a clean end or a signal, 1 if it fails,
 * 2 if the command line is invalid.
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
  // A thread in an endless loop of a task would keep the process alive.
  Deno.exit(code);
}

async function untilEnd(role: RunningRole): Promise<void> {
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT", "SIGBREAK"] : ["SIGINT", "SIGTERM"];
  const heard = new Map(signals.map((signal) => [signal, () => onSignal(signal)]));
  const stopListening = () => {
    for (const [signal, listener] of heard) Deno.removeSignalListener(signal, listener);
    heard.clear();
  };
  let isFirst = true;
  const onSignal = (signal: Deno.Signal) => {
    logger.info(`Received signal ${signal}`);
    const end = isFirst && role.closeGracefully !== undefined ? role.closeGracefully() : role.close();
    end.catch(() => {}); // `finished` reports it
    if (!isFirst) stopListening(); // a third signal ends the process, even if it hangs
    isFirst = false;
  };
  if (role.reloadSecurity !== undefined && Deno.build.os !== "windows") {
    heard.set("SIGHUP", () => void role.reloadSecurity?.().catch(() => {})); // it logs failures
  }
  for (const [signal, listener] of heard) Deno.addSignalListener(signal, listener);
  try {
    await role.finished;
  } finally {
    stopListening();
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

/** Prints help or version to stdout. */
export function printText(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}
