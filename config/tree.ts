/**
 * Nested settings, merged as Dask merges them (`dask.config.update`, `canonical_name`), and where each comes
 * from.
 *
 * @module
 */

import type { ConfigValue } from "./literal.ts";

/** A section: settings and further sections by name. */
export type ConfigSection = { [key: string]: ConfigValue };

/** Whether a value is a section. */
export function isSection(value: unknown): value is ConfigSection {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A section without a prototype, so that `__proto__` is a key like others. */
export function emptySection(): ConfigSection {
  return Object.create(null) as ConfigSection;
}

/** The spelling of `key` in `section`: `-` and `_` mean the same, and the first spelling counts. */
export function canonicalName(key: string, section: ConfigSection): string {
  if (Object.hasOwn(section, key)) return key;
  const other = key.includes("_") ? key.replaceAll("_", "-") : key.replaceAll("-", "_");
  return Object.hasOwn(section, other) ? other : key;
}

/** Settings, and by their path with dots what said them. */
export class Tree {
  /** The topmost section. */
  readonly root: ConfigSection = emptySection();
  readonly #origins = new Map<string, string>();

  /** Lays `section` over what is here. @param source Name of the place in messages, such as a path. */
  merge(section: ConfigSection, source: string): void {
    this.#merge(this.root, section, source, "");
  }

  /** Value at a path with dots; `undefined` if there is none. */
  get(path: string): ConfigValue | undefined {
    let value: ConfigValue = this.root;
    for (const part of path.split(".")) {
      if (!isSection(value)) return undefined;
      const name = canonicalName(part, value);
      if (!Object.hasOwn(value, name)) return undefined;
      value = value[name] as ConfigValue;
    }
    return value;
  }

  /** What said the value at `path`, or last something below it, or the section that is nearest above it. */
  origin(path: string): string | undefined {
    const plain = plainPath(path);
    const own = this.#origins.get(plain);
    if (own !== undefined) return own;
    const below = Array.from(this.#origins).findLast(([other]) => other.startsWith(`${plain}.`));
    if (below !== undefined) return below[1];
    const dot = plain.lastIndexOf(".");
    return dot < 0 ? undefined : this.#above(plain.slice(0, dot));
  }

  #above(path: string): string | undefined {
    for (let prefix = path;;) {
      const found = this.#origins.get(prefix);
      const dot = prefix.lastIndexOf(".");
      if (found !== undefined || dot < 0) return found;
      prefix = prefix.slice(0, dot);
    }
  }

  #merge(into: ConfigSection, from: ConfigSection, source: string, prefix: string): void {
    for (const [key, value] of Object.entries(from)) {
      const name = canonicalName(key, into);
      const path = `${prefix}${name}`;
      const old = Object.hasOwn(into, name) ? into[name] : undefined;
      if (isSection(value)) {
        const section = isSection(old) ? old : emptySection();
        into[name] = section;
        if (Object.keys(value).length === 0) this.#origins.set(plainPath(path), source);
        this.#merge(section, value, source, `${path}.`);
        continue;
      }
      if (value === null && isSection(old)) continue; // a headline in YAML with nothing below
      into[name] = value;
      this.#origins.delete(plainPath(path)); // the last one stands at the end
      this.#origins.set(plainPath(path), source);
    }
  }
}

/** A path in the one spelling that paths are compared in. */
export function plainPath(path: string): string {
  return path.replaceAll("_", "-").toLowerCase();
}

/** Path and value of every setting below a section that is no section itself. */
export function leaves(section: ConfigSection, prefix = ""): [path: string, value: ConfigValue][] {
  return Object.entries(section).flatMap(([key, value]): [string, ConfigValue][] =>
    isSection(value) && Object.keys(value).length > 0
      ? leaves(value, `${prefix}${key}.`)
      : [[`${prefix}${key}`, value]]
  );
}
