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
  /** Resolves when the role ended, by itself or by `close`; rejects with why it failed. */
  readonly finished: Promise<void>;
  /** Ends it, saying goodbye. Idempotent. */
  close(): Promise<void>;
  /** Ends it at the first signal, if that takes more than `close`, which the second signal calls. */
  closeGracefully?(): Promise<void>;
  /** Reads certificates again, at SIGHUP. */
  reloadSecurity?(): Promise<void>;
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
  const heard = new Map(signals.map((signal) => [signal, () => onSignal(signal)]));
  const stopListening = () => {
    for (const [signal, listener] of heard) Deno.removeSignalListener(signal, listener);
    heard.clear();
  };
  let isFirst = true;
  const onSignal = (signal: Deno.Signal) => {
    logger.info(`Received signal ${signal}`);
    const end = isFirst && role.closeGracefully !== undefined ? role.closeGracefully() : role.close();
    end.catch(() => {}); // `finished` tells
    if (!isFirst) stopListening(); // one more ends the process, whatever hangs
    isFirst = false;
  };
  if (role.reloadSecurity !== undefined && Deno.build.os !== "windows") {
    heard.set("SIGHUP", () => void role.reloadSecurity?.().catch(() => {})); // it logs, and the old ones stay
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

/** Prints to stdout what the user asked for: help or version. */
export function printText(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}
