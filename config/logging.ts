/**
 * Log lines on stderr, as Dask prints them:
 * `2026-07-01 12:00:00,123 - distributed.scheduler - INFO -   Scheduler at:   tls://10.0.0.7:8786`.
 *
 * @module
 */

/** Levels of Python's `logging`, from chatty to quiet. */
export type LogLevel = "debug" | "info" | "warning" | "error" | "critical";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warning", "error", "critical"];

/** Writes lines under one name. */
export interface Logger {
  /** For someone who looks for a bug. */
  debug(text: string): void;
  /** What happens in normal life. */
  info(text: string): void;
  /** Something that an operator may want to change. */
  warning(text: string): void;
  /** Something failed. */
  error(text: string): void;
}

const encoder = new TextEncoder();
/** Characters of a line's text; a stack has fewer. */
const LINE_MAX = 8192;
/** Control characters but tabs, separators of lines, and what turns the direction of writing. */
const UNPRINTABLE = /(?!\t)[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
/** Dask's own (`distributed/config.py`, `_initialize_logging_old_style`). */
const thresholds = new Map<string, number>([
  ["distributed", LEVELS.indexOf("info")],
  ["distributed.client", LEVELS.indexOf("warning")],
]);

/**
 * Sets the lowest level that `name`, and every name below it (`distributed` governs `distributed.worker`),
 * prints. Default: `info` for `distributed`, `warning` for `distributed.client`.
 */
export function setLogLevel(name: string, level: LogLevel): void {
  thresholds.set(name, LEVELS.indexOf(level));
}

/** A logger for `name`, such as `distributed.scheduler`. */
export function getLogger(name: string): Logger {
  const write = (level: LogLevel) => (text: string): void => {
    if (LEVELS.indexOf(level) >= threshold(name)) writeLine(name, level, text);
  };
  return {
    debug: write("debug"),
    info: write("info"),
    warning: write("warning"),
    error: write("error"),
  };
}

function threshold(name: string): number {
  for (let prefix = name;;) {
    const level = thresholds.get(prefix);
    if (level !== undefined) return level;
    const dot = prefix.lastIndexOf(".");
    if (dot < 0) return LEVELS.indexOf("warning");
    prefix = prefix.slice(0, dot);
  }
}

function writeLine(name: string, level: LogLevel, text: string): void {
  const bytes = encoder.encode(
    `${timestamp(new Date())} - ${name} - ${level.toUpperCase()} - ${printable(text)}\n`,
  );
  try {
    for (let written = 0; written < bytes.length;) {
      written += Deno.stderr.writeSync(bytes.subarray(written));
    }
  } catch {
    // A closed stderr must not take a role down.
  }
}

/** Peers choose parts of what is logged: it must look like no other line, and steer no terminal. */
function printable(text: string): string {
  const more = text.length - LINE_MAX;
  const cut = more > 0 ? `${text.slice(0, LINE_MAX)}… (${more} characters more)` : text;
  return cut.replace(
    UNPRINTABLE,
    (char) => char === "\n" ? "\n    " : `\\u{${char.codePointAt(0)?.toString(16)}}`,
  );
}

function timestamp(date: Date): string {
  const two = (number: number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())},` +
    String(date.getMilliseconds()).padStart(3, "0");
}
