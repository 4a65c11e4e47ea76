/**
 * Where settings are looked for, as `dask.config` does it: files in known places, variables of the
 * environment. What permissions do not cover is left out and told, never asked for.
 *
 * @module
 */

import { parse as parseYaml } from "@std/yaml/parse";
import type { ConfigLayer, UnreadPlace } from "./config.ts";
import { DEFAULTS } from "./defaults.ts";
import { ConfigError } from "./errors.ts";
import { type ConfigValue, interpretValue } from "./literal.ts";
import { type ConfigSection, emptySection, isSection, leaves } from "./tree.ts";

/** Variables by name. */
export type ConfigEnvironment = Readonly<Record<string, string>>;

/** What was found, and what could not be looked at. */
export interface Found {
  /** Settings, those that count most at the end. */
  readonly layers: readonly ConfigLayer[];
  /** Places that permissions do not cover. */
  readonly unread: readonly UnreadPlace[];
}

/** Variable that holds the settings of a parent, Dask's way to hand them to a child. */
const INHERITED = "DASK_INTERNAL_INHERIT_CONFIG";
const HOME = Deno.build.os === "windows" ? "USERPROFILE" : "HOME";
const PREFIXES = ["VIRTUAL_ENV", "CONDA_PREFIX"];
/** Variables of Dask's that name places and hold no settings. */
const PLACES = ["DASK_CONFIG", "DASK_ROOT_CONFIG"];

/** The part of the environment that may be read. */
export function readEnvironment(): {
  readonly env: ConfigEnvironment;
  readonly unread: readonly UnreadPlace[];
} {
  if (granted({ name: "env" })) return { env: Deno.env.toObject(), unread: [] };
  const env: Record<string, string> = {};
  const missing = new Set<string>();
  for (const name of [HOME, ...PREFIXES, ...PLACES, INHERITED, ...leaves(DEFAULTS).map(variableOf)]) {
    if (granted({ name: "env", variable: name })) {
      const value = Deno.env.get(name);
      if (value !== undefined) env[name] = value;
    } else if (!PREFIXES.includes(name)) {
      missing.add(name.startsWith("DASK_") ? "DASK_*" : name);
    }
  }
  return {
    env,
    unread: [
      ...missing.has("DASK_*") ? [{ what: "DASK_… variables", flag: "--allow-env=DASK_*" }] : [],
      ...missing.has(HOME) ? [{ what: "~/.config/dask", flag: `--allow-env=${HOME}` }] : [],
    ],
  };
}

function variableOf([path]: [path: string, value: ConfigValue]): string {
  return `DASK_${path.replaceAll(".", "__").replaceAll("-", "_").toUpperCase()}`;
}

/** Places of files in Dask's order (`dask.config._get_paths`), the one that counts most at the end. */
export function places(env: ConfigEnvironment): string[] {
  const home = env[HOME];
  const all = [
    env["DASK_ROOT_CONFIG"] ?? "/etc/dask",
    ...PREFIXES.flatMap((name) => env[name] === undefined ? [] : [`${env[name]}/etc/dask`]),
    ...home === undefined ? [] : [`${home}/.config/dask`],
    ...env["DASK_CONFIG"] === undefined ? [] : [env["DASK_CONFIG"]],
  ];
  return all.filter((place, at) => all.lastIndexOf(place) === at);
}

/**
 * Settings in a file, or in all `*.yaml`, `*.yml` and `*.json` files of a folder, sorted by name. A place
 * that is not there has none.
 *
 * @param isNamed Whether it was named on the command line: then it must exist and be readable.
 * @throws {ConfigError} If a file is malformed.
 */
export function readPlace(place: string, isNamed = false): Found {
  if (!granted({ name: "read", path: place })) {
    const flag = `--allow-read=${place}`;
    if (isNamed) throw new ConfigError(`Cannot read configuration "${place}": add ${flag}`);
    return { layers: [], unread: [{ what: place, flag }] };
  }
  try {
    return { layers: filesAt(place).flatMap(readFile), unread: [] };
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    if (!isNamed && cause instanceof Deno.errors.NotFound) return { layers: [], unread: [] };
    const why = cause instanceof Error ? cause.message : String(cause);
    if (isNamed) throw new ConfigError(`Cannot read configuration "${place}": ${why}`, { cause });
    return { layers: [], unread: [{ what: `${place} (${why})`, flag: "the right to read it" }] };
  }
}

function filesAt(place: string): string[] {
  if (!Deno.statSync(place).isDirectory) return [place];
  const folder = place.replace(/[/\\]$/, "");
  return Array.from(Deno.readDirSync(place), ({ name }) => name)
    .filter((name) => /\.(json|ya?ml)$/i.test(name))
    .sort()
    .map((name) => `${folder}/${name}`);
}

function readFile(path: string): ConfigLayer[] {
  const text = Deno.readTextFileSync(path);
  let value: unknown;
  try {
    value = parseYaml(text); // JSON is YAML, too
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split("\n", 1)[0] : String(cause);
    throw new ConfigError(`Configuration "${path}" is malformed: ${why}`, { cause });
  }
  if (value === null) return [];
  if (!isSection(value)) {
    throw new ConfigError(
      `Configuration "${path}" is malformed: it must be sections such as "distributed:" at the top, not ${
        Array.isArray(value) ? "a list" : `a ${typeof value}`
      }`,
    );
  }
  return [{ source: path, settings: value }];
}

/** Settings in variables: `DASK_DISTRIBUTED__COMM__TLS__CA_FILE=…` (`dask.config.collect_env`). */
export function readVariables(env: ConfigEnvironment): ConfigLayer[] {
  const layers: ConfigLayer[] = [];
  const inherited = env[INHERITED];
  if (inherited !== undefined) layers.push({ source: INHERITED, settings: inheritedSettings(inherited) });
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith("DASK_") || name === INHERITED || PLACES.includes(name)) continue;
    const path = name.slice("DASK_".length).toLowerCase().split("__");
    const settings = path.reduceRight<ConfigValue>((inner, key) => {
      const section = emptySection();
      section[key] = inner;
      return section;
    }, interpretValue(text));
    layers.push({ source: `environment variable ${name}`, settings: settings as ConfigSection });
  }
  return layers;
}

function inheritedSettings(text: string): ConfigSection {
  try {
    const bytes = Uint8Array.from(
      atob(text.replaceAll("-", "+").replaceAll("_", "/")),
      (c) => c.charCodeAt(0),
    );
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (isSection(value)) return value;
  } catch {
    // Below.
  }
  throw new ConfigError(`${INHERITED} does not hold what Dask puts there: JSON in base64`);
}

/** Whether `path` may be read without a prompt. */
export function mayRead(path: string): boolean {
  return granted({ name: "read", path });
}

function granted(descriptor: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(descriptor).state === "granted";
}
