/**
 * Parses command-line flags by a table. The result is typed values or a {@linkcode UsageError}. The table
 * includes Dask's unsupported flags, so that they are refused by name.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { editDistance } from "../internal/nearest.ts";

/** The command line is invalid; the process should end with exit code 2. */
export class UsageError extends Error {
  /** Class name. */
  override readonly name = "UsageError";
}

/** One flag of a command. */
export interface Flag {
  /** `string` takes a value; `boolean` is on or off (`--flag`, `--no-flag`). */
  readonly type: "string" | "boolean";
  /** Name of the value, for `--help`. */
  readonly value?: string;
  /** One line for `--help`. */
  readonly help: string;
  /** Why this flag of Dask is refused. */
  readonly refused?: string;
}

/** Flags by name, without the dashes. */
export type Flags = Readonly<Record<string, Flag>>;

/** Returns a flag of Dask that this command does not support. */
export function refusedFlag(type: Flag["type"], why: string): Flag {
  return { type, help: "", refused: why };
}

/** Values of the flags that were given, by name, and the remaining arguments. */
export interface ParsedFlags {
  /** Texts. */
  readonly text: Readonly<Record<string, string | undefined>>;
  /** Switches. */
  readonly on: Readonly<Record<string, boolean | undefined>>;
  /** Arguments that are not flags, in order. */
  readonly positional: readonly string[];
}

/**
 * Parses a command line by the table `flags`.
 *
 * @throws {UsageError} If a flag is unknown, refused, given twice, or lacks its value.
 */
export function parseFlags(args: readonly string[], flags: Flags): ParsedFlags {
  const names = Object.keys(flags);
  checkEach(args, flags);
  const parsed = parseArgs([...args], {
    string: names.filter((name) => flags[name]?.type === "string"),
    boolean: names.filter((name) => flags[name]?.type === "boolean"),
    negatable: names.filter((name) => flags[name]?.type === "boolean"),
  }) as Record<string, unknown>;
  const text: Record<string, string | undefined> = {};
  const on: Record<string, boolean | undefined> = {};
  for (const name of names) {
    const value = parsed[name];
    if (typeof value === "string") text[name] = value;
    if (typeof value === "boolean" && wasGiven(args, name)) on[name] = value;
  }
  return { text, on, positional: (parsed["_"] as unknown[]).map(String) };
}

/** Checks each argument, because `parseArgs` accepts invalid ones. */
function checkEach(args: readonly string[], flags: Flags): void {
  const seen = new Set<string>();
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string;
    if (arg === "--") return;
    if (!arg.startsWith("-") || arg === "-") continue;
    const [given = "", attached] = splitOnce(arg, "=");
    const bare = given.replace(/^--?/, "");
    const name = bare.startsWith("no-") && flags[bare] === undefined ? bare.slice(3) : bare;
    const flag = Object.hasOwn(flags, name) && given.startsWith("--") ? flags[name] : undefined;
    if (flag === undefined) throw new UsageError(unknownFlag(given, flags));
    if (flag.refused !== undefined) throw new UsageError(`${given} can't be used: ${flag.refused}`);
    if (seen.has(name)) throw new UsageError(`${given} is given twice`);
    seen.add(name);
    if (flag.type === "boolean") {
      if (attached !== undefined) throw new UsageError(`${given} takes no value, got "${attached}"`);
    } else {
      if (name !== bare) throw new UsageError(unknownFlag(given, flags));
      const value = attached ?? args[++i];
      if (value === undefined || (attached === undefined && /^--\w/.test(value))) {
        throw new UsageError(`${given} needs a value: ${flag.value ?? "text"}`);
      }
      if (value === "") throw new UsageError(`${given} needs a value, got an empty one`);
    }
  }
}

function wasGiven(args: readonly string[], name: string): boolean {
  return args.includes(`--${name}`) || args.includes(`--no-${name}`);
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function unknownFlag(given: string, flags: Flags): string {
  const wanted = given.replace(/^-+/, "");
  let best: string | undefined;
  let bestDistance = 4;
  for (const name of Object.keys(flags)) {
    if (flags[name]?.refused !== undefined) continue;
    const distance = editDistance(wanted, name);
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return `${given} is not a flag of this command` +
    (best === undefined ? "; --help lists them" : `; did you mean --${best}?`);
}

/** Text for `--help`. */
export function helpText(usage: string, about: string, flags: Flags): string {
  const lines: string[] = [];
  const shown = Object.entries(flags).filter(([, flag]) => flag.refused === undefined);
  const labels = shown.map(([name, flag]) =>
    flag.type === "string" ? `--${name} ${flag.value ?? "TEXT"}` : `--${name}`
  );
  const width = Math.max(...labels.map((label) => label.length));
  shown.forEach(([, flag], i) => lines.push(`  ${(labels[i] ?? "").padEnd(width)}  ${flag.help}`));
  return `Usage: ${usage}\n\n${about}\n\nOptions:\n${lines.join("\n")}\n`;
}

/** Parses an integer from a flag. Throws {@linkcode UsageError}. */
export function wholeNumber(flag: string, text: string, least: number, most: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= least && number <= most) return number;
  throw new UsageError(`--${flag} must be a whole number from ${least} to ${most}, got "${text}"`);
}

/** Parses one of a few words from a flag. Throws {@linkcode UsageError}. */
export function oneOf<const T extends string>(
  flag: string,
  text: string,
  choices: readonly T[],
): T {
  const found = choices.find((choice) => choice === text);
  if (found !== undefined) return found;
  throw new UsageError(`--${flag} must be one of ${choices.join(", ")}, got "${text}"`);
}

/** Parses a flag's text with `read`; its `RangeError` becomes a {@linkcode UsageError}. */
export function converted<T>(flag: string, text: string, read: (text: string) => T): T {
  try {
    return read(text);
  } catch (error) {
    throw new UsageError(`--${flag}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
