/**
 * The client's commands, for questions about a cluster.
 *
 * @module
 */

import { UsageError } from "./flags.ts";
import { printText, type RunningRole, VERSION } from "./run.ts";
import { type Subcommand, SUBCOMMAND_USAGE } from "./subcommand.ts";
import { CHECK } from "./check.ts";
import { STATUS } from "./status.ts";

/** Commands by name. */
const SUBCOMMANDS: Readonly<Record<string, Subcommand>> = { status: STATUS, check: CHECK };

/** Runs a command of the client; it starts no role. */
export async function runClient(args: readonly string[]): Promise<RunningRole | undefined> {
  const [name, ...rest] = args;
  if (name === "--help") return void printText(help());
  if (name === "--version") return void printText(`${VERSION}\n`);
  const names = Object.keys(SUBCOMMANDS).join(", ");
  if (name === undefined) throw new UsageError(`a command is missing; there is ${names}`);
  const subcommand = Object.hasOwn(SUBCOMMANDS, name) ? SUBCOMMANDS[name] : undefined;
  if (subcommand === undefined) {
    throw new UsageError(`"${name}" is no command of the client; there is ${names}`);
  }
  await subcommand.run(rest);
  return undefined;
}

function help(): string {
  const width = Math.max(...Object.keys(SUBCOMMANDS).map((name) => name.length));
  const lines = Object.entries(SUBCOMMANDS).map(([name, { about }]) => `  ${name.padEnd(width)}  ${about}`);
  return `Usage: ${SUBCOMMAND_USAGE} COMMAND [OPTIONS] ADDRESS\n\nCommands:\n${lines.join("\n")}\n\n` +
    `COMMAND --help lists the options of a command.\n`;
}
