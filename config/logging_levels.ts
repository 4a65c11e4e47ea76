/**
 * Levels of loggers from configuration: the section `logging`, in `distributed` or at the top, as
 * `distributed/config.py` finds it.
 *
 * @module
 */

import type { Config } from "./config.ts";
import { ConfigError } from "./errors.ts";
import { type LogLevel, setLogLevel } from "./logging.ts";

/** Names that Python's `logging` has for a level, and what they are here. */
const LEVELS: Readonly<Record<string, LogLevel>> = {
  notset: "debug",
  debug: "debug",
  info: "info",
  warn: "warning",
  warning: "warning",
  error: "error",
  fatal: "critical",
  critical: "critical",
};

/** Numbers of Python's levels. */
const NUMBERS: readonly (readonly [number, LogLevel])[] = [
  [10, "debug"],
  [20, "info"],
  [30, "warning"],
  [40, "error"],
];

/**
 * Sets the levels that `config` names.
 *
 * @throws {ConfigError} If a level is none.
 */
export function applyLogLevels(config: Config): void {
  const section = config.isGiven("distributed.logging") || config.get("distributed.logging") !== undefined
    ? "distributed.logging"
    : "logging";
  if (config.get(`${section}.version`) !== undefined) {
    throw new ConfigError(
      `"${section}" is a dictConfig of Python's logging, which can't be used here: name levels by logger, such as ` +
        `"distributed.scheduler: debug" (${config.origin(section)})`,
    );
  }
  for (const [name, value] of config.flat(section)) {
    setLogLevel(name, levelOf(config, `${section}.${name}`, value));
  }
}

function levelOf(config: Config, key: string, value: unknown): LogLevel {
  if (typeof value === "string" && Object.hasOwn(LEVELS, value.toLowerCase())) {
    const level = LEVELS[value.toLowerCase()];
    if (level !== undefined) return level;
  }
  if (typeof value === "number") return NUMBERS.find(([number]) => value <= number)?.[1] ?? "critical";
  throw new ConfigError(
    `"${key}" must be a level such as info, warning or debug, not ${JSON.stringify(value)} (${
      config.origin(key)
    })`,
  );
}
