/**
 * Stand-in for `@std/cli/parse-args` where JSR is out of reach: the part of it that this package uses.
 *
 * @module
 */

/** Options of {@linkcode parseArgs}. */
export interface ParseOptions {
  /** Flags that hold a text. */
  string?: readonly string[];
  /** Flags that are on or off. */
  boolean?: readonly string[];
  /** Flags that `--no-` turns off. */
  negatable?: readonly string[];
}

/** Flags by name, and in `_` the remaining arguments. */
export type Args = Record<string, unknown> & {
  /** Arguments that are no flags. */
  _: (string | number)[];
};

/** One flag, as it stands in a command line. */
const FLAG = /^--(no-)?([^=]+)(?:=(.*))?$/s;

/**
 * Reads a command line; `--` ends the flags. Texts that look like numbers become numbers, unless the flag is
 * known to hold a text.
 *
 * @throws {TypeError} If there is a flag of one dash, or one with a dot: the real one reads these, this one
 * can't.
 */
export function parseArgs(
  args: readonly string[],
  options: ParseOptions = {},
): Args {
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const parsed: Args = { _: [] };
  for (let i = 0; i < end; i++) {
    const arg = args[i] as string;
    if (!arg.startsWith("-") || arg === "-") {
      parsed._.push(numberIfOne(arg));
      continue;
    }
    const next = i + 1 < end ? args[i + 1] : undefined;
    const { name, value, usedNext } = readFlag(arg, next, options);
    parsed[name] = value;
    if (usedNext) i++;
  }
  for (const name of options.boolean ?? []) parsed[name] ??= false;
  parsed._.push(...args.slice(end + 1));
  return parsed;
}

interface Read {
  readonly name: string;
  readonly value: unknown;
  /** Whether the argument after the flag is its value. */
  readonly usedNext: boolean;
}

function readFlag(
  arg: string,
  next: string | undefined,
  options: ParseOptions,
): Read {
  const [, no, bare, attached] = FLAG.exec(arg) ?? [];
  if (bare === undefined || bare.includes(".")) {
    throw new TypeError(`this stand-in can't read ${arg}`);
  }
  const isText = (name: string): boolean => options.string?.includes(name) ?? false;
  const isSwitch = (name: string): boolean => options.boolean?.includes(name) ?? false;
  const texts = (name: string, text: string): unknown => isText(name) ? text : numberIfOne(text);
  if (attached !== undefined) {
    const value = isSwitch(bare) ? attached !== "false" : texts(bare, attached);
    return { name: bare, value, usedNext: false };
  }
  if (no !== undefined && options.negatable?.includes(bare)) {
    return { name: bare, value: false, usedNext: false };
  }
  const name = `${no ?? ""}${bare}`;
  if (next && !next.startsWith("-") && !isSwitch(name)) {
    return { name, value: texts(name, next), usedNext: true };
  }
  if (next === "true" || next === "false") {
    return { name, value: next === "true", usedNext: true };
  }
  return { name, value: isText(name) ? "" : true, usedNext: false };
}

function numberIfOne(text: string): string | number {
  return text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}
