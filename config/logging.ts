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
  /** Something that somebody may want to change. */
  warning(text: string): void;
  /** Something failed. */
  error(text: string): void;
}

const encoder = new TextEncoder();
/** Dask's own (`distributed/config.py`, `_initialize_logging_old_style`). */
const thresholds = new Map<string, number>([
  ["distributed", LEVELS.indexOf("info")],
  ["distributed.client", LEVELS.indexOf("warning")],
]);

/**
 * Sets the lowest level that `name`, and every name below it (`distributed` governs `distributed.worker`), prints.
 * Default: `info` for `distributed`, `warning` for `distributed.client`.
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

/** What a peer may have put into a text; it must not pass for a line of ours, nor reach a terminal. */
// deno-lint-ignore no-control-regex -- they are what is looked for
const UNPRINTABLE = /[\x00-\x08\n-\x1f\x7f-\x9f\u2028\u2029]/g;

/** Lines of one text stay apart, behind the margin. */
function escaped(character: string): string {
  return character === "\n" ? "\n  " : `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

function writeLine(name: string, level: LogLevel, text: string): void {
  const bytes = encoder.encode(
    `${timestamp(new Date())} - ${name} - ${level.toUpperCase()} - ${
      text.replaceAll(UNPRINTABLE, escaped)
    }\n`,
  );
  try {
    for (let written = 0; written < bytes.length;) {
      written += Deno.stderr.writeSync(bytes.subarray(written));
    }
  } catch {
    // A closed stderr must not take a role down.
  }
}

function timestamp(date: Date): string {
  const two = (number: number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())},` +
    String(date.getMilliseconds()).padStart(3, "0");
}
