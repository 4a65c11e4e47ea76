/**
 * Settings by Dask's names, read as what they should be.
 *
 * @module
 */

import { parseBytes, parseTimedelta } from "../internal/units.ts";
import { DEFAULTS } from "./defaults.ts";
import { ConfigError } from "./errors.ts";
import type { ConfigValue } from "./literal.ts";
import { canonicalName, type ConfigSection, emptySection, isSection, leaves, Tree } from "./tree.ts";

/** Settings from one place. */
export interface ConfigLayer {
  /** Name of the place in messages, such as a path. */
  readonly source: string;
  /** The settings. */
  readonly settings: ConfigSection;
}

/** A place that can contain settings and could not be read. */
export interface UnreadPlace {
  /** Name of the place, such as `~/.config/dask`. */
  readonly what: string;
  /** Flag for the missing permission, such as `--allow-env=HOME`. */
  readonly flag: string;
}

/** Name of the layer of built-in settings. */
const BUILT_IN = "built-in defaults";

/**
 * Settings by name. `-` and `_` mean the same in names, as in Dask.
 *
 * ```ts
 * import { Config } from "jsr:@dask/distributed";
 *
 * const config = new Config().with({ "distributed.scheduler.allowed-failures": 5 }, "my program");
 * console.log(config.number("distributed.scheduler.allowed_failures")); // 5
 * console.log(config.origin("distributed.scheduler.allowed-failures")); // my program
 * ```
 */
export class Config {
  /** Places that could not be read. */
  readonly unread: readonly UnreadPlace[];
  // Private: a setting may be a key as PEM text, which no inspection shows.
  readonly #layers: readonly ConfigLayer[];
  readonly #tree = new Tree();

  /** Combines `layers` with the built-in settings; later layers take precedence. */
  constructor(layers: readonly ConfigLayer[] = [], unread: readonly UnreadPlace[] = []) {
    this.#layers = layers;
    this.unread = unread;
    this.#tree.merge(DEFAULTS, BUILT_IN);
    for (const { source, settings } of layers) this.#tree.merge(settings, source);
  }

  /** Layers on top of the built-in settings, the one with the highest precedence last. */
  get layers(): readonly ConfigLayer[] {
    return this.#layers;
  }

  /** Returns a copy in which `settings` take precedence: nested records, or values by dotted names. */
  with(settings: Readonly<Record<string, unknown>>, source = "the program"): Config {
    const nested = Object.entries(settings).map(([path, value]): ConfigLayer => ({
      source,
      settings: path.split(".").reduceRight<ConfigValue>(
        (inner, name) => ({ [name]: inner }),
        value as ConfigValue,
      ) as ConfigSection,
    }));
    return new Config([...this.layers, ...nested], this.unread);
  }

  /** Returns a copy in which only the built-in settings remain below `key`. */
  without(key: string): Config {
    const path = key.split(".");
    return new Config(
      this.layers.map(({ source, settings }) => ({ source, settings: omit(settings, path) })),
      this.unread,
    );
  }

  /**
   * Returns the value of a setting or section, such as `"distributed.comm.default-scheme"`; `undefined` if it
   * is not set.
   */
  get(key: string): unknown {
    return this.#tree.get(key);
  }

  /** Returns the settings of a section by name, one level deep; an empty record if it is not set. */
  section(key: string): Readonly<Record<string, unknown>> {
    const value = this.#tree.get(key) ?? null;
    if (value === null) return {};
    return isSection(value) ? value : this.#refuse(key, "a section", value);
  }

  /** Returns the settings below a section, by dotted path. */
  flat(key: string): readonly (readonly [path: string, value: unknown])[] {
    return leaves(this.section(key) as ConfigSection);
  }

  /** Returns where a setting comes from, for messages. */
  origin(key: string): string {
    return this.#tree.origin(key) ?? BUILT_IN;
  }

  /** Returns whether a layer on top of the built-in settings sets `key`. */
  isGiven(key: string): boolean {
    return this.origin(key) !== BUILT_IN;
  }

  /** A text; `undefined` if it is not set or null. */
  text(key: string): string | undefined {
    const value = this.#value(key);
    if (value === undefined) return undefined;
    return typeof value === "string" && value !== ""
      ? value
      : this.#refuse(key, "text that is not empty", value);
  }

  /** True or false; `undefined` if it is not set or null. */
  boolean(key: string): boolean | undefined {
    const value = this.#value(key);
    return value === undefined || typeof value === "boolean"
      ? value
      : this.#refuse(key, "true or false", value);
  }

  /** A number of at least `least`; `undefined` if it is not set or null. */
  number(key: string, least = -Infinity): number | undefined {
    const value = this.#value(key);
    if (value === undefined) return undefined;
    const number = value === "inf" || value === ".inf" ? Infinity : value;
    if (typeof number === "number" && number >= least) return number;
    return this.#refuse(key, least === -Infinity ? "a number" : `a number of at least ${least}`, value);
  }

  /** A whole number of at least `least`; `undefined` if it is not set or null. */
  wholeNumber(key: string, least = 0): number | undefined {
    const value = this.#value(key);
    if (value === undefined) return undefined;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= least) return value;
    return this.#refuse(key, `a whole number of at least ${least}`, value);
  }

  /** Seconds, from a number or a text such as `"30s"`; `undefined` if it is not set or null. */
  seconds(key: string): number | undefined {
    return this.#unit(key, 'a duration such as "30s"', (value) => parseTimedelta(value));
  }

  /**
   * Milliseconds, from a number of seconds or a text such as `"30s"`; `undefined` if it is not set or null.
   */
  milliseconds(key: string): number | undefined {
    const seconds = this.seconds(key);
    return seconds === undefined ? undefined : Math.round(seconds * 1e6) / 1e3; // 0.7000000000000001 is 700
  }

  /** Bytes, from a number or a text such as `"64MiB"`; `undefined` if it is not set or null. */
  bytes(key: string): number | undefined {
    return this.#unit(key, 'a number of bytes such as "64MiB"', parseBytes);
  }

  /** One of `choices`; `undefined` if it is not set or null. */
  oneOf<const T extends string>(key: string, choices: readonly T[]): T | undefined {
    const value = this.#value(key);
    if (value === undefined) return undefined;
    const found = choices.find((choice) => choice === value);
    return found ?? this.#refuse(key, `one of ${choices.join(", ")}`, value);
  }

  /** Complains of the value of `key`, and says where it comes from. */
  #refuse(key: string, wanted: string, value: unknown): never {
    throw new ConfigError(`"${key}" must be ${wanted}, not ${shown(value)} (${this.origin(key)})`);
  }

  #value(key: string): ConfigValue | undefined {
    return this.#tree.get(key) ?? undefined;
  }

  #unit(key: string, wanted: string, read: (value: number | string) => number): number | undefined {
    const value = this.#value(key);
    if (value === undefined) return undefined;
    if (typeof value !== "number" && typeof value !== "string") return this.#refuse(key, wanted, value);
    let number: number;
    try {
      number = read(value);
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      throw new ConfigError(`"${key}": ${cause.message} (${this.origin(key)})`, { cause });
    }
    return number >= 0 ? number : this.#refuse(key, wanted, value);
  }
}

function omit(section: ConfigSection, [name = "", ...rest]: readonly string[]): ConfigSection {
  const key = canonicalName(name, section);
  const copy: ConfigSection = Object.assign(emptySection(), section);
  const inner = copy[key];
  if (rest.length === 0) delete copy[key];
  else if (isSection(inner)) copy[key] = omit(inner, rest);
  return copy;
}

/** A value in a message; long ones, which may be secrets by mistake, by their kind only. */
export function shown(value: unknown): string {
  if (isSection(value)) return "a section";
  if (Array.isArray(value)) return "a list";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 || text.includes("\\n") ? `a long ${typeof value}` : text;
}
