/**
 * Configuration of a program, gathered in Dask's order: files, the one named by `--config` after those in
 * Dask's places; variables of the environment; and over them what flags and options say.
 *
 * @module
 */

import { checkStrictKeys, uselessSettings } from "./check.ts";
import { Config } from "./config.ts";
import { getLogger } from "./logging.ts";
import { applyLogLevels } from "./logging_levels.ts";
import {
  type ConfigEnvironment,
  mayRead,
  places,
  readEnvironment,
  readPlace,
  readVariables,
} from "./sources.ts";

/** Where to look. */
export interface LoadOptions {
  /** File or folder to read besides Dask's own places. It must exist. */
  readonly path?: string | undefined;
  /** Environment variables. Default: those of the process, as far as permissions allow. */
  readonly env?: ConfigEnvironment | undefined;
}

/**
 * Reads settings from Dask's files and environment variables. It never prompts for a permission: places that
 * the program may not read are left out and listed in {@linkcode Config.unread}.
 *
 * ```ts
 * import { Client, loadConfig } from "jsr:@dask/distributed";
 *
 * const config = loadConfig({ env: { DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL: "10 minutes" } });
 * console.log(config.seconds("distributed.scheduler.worker-ttl")); // 600
 * await using client = await Client.connect(undefined, { config });
 * ```
 *
 * @throws {ConfigError} If a file is malformed, `path` can't be read, or a setting below
 * `distributed.comm.tls` or `distributed.comm.limits` is unknown.
 */
export function loadConfig(options: LoadOptions = {}): Config {
  const { env, unread } = options.env === undefined ? readEnvironment() : { env: options.env, unread: [] };
  const found = places(env).map((place) => readPlace(place));
  if (options.path !== undefined) found.push(readPlace(options.path, true));
  const layers = [...found.flatMap((place) => place.layers), ...readVariables(env)];
  for (const layer of layers) checkStrictKeys(layer);
  const config = new Config(layers, [...unread, ...found.flatMap((place) => place.unread)]);
  loadedWith.set(config, options);
  return config;
}

const loadedWith = new WeakMap<Config, LoadOptions>();

/**
 * Gathers the settings of `config` again, as they are now. One that was not gathered stays what it is.
 *
 * @throws {ConfigError} As {@linkcode loadConfig}.
 */
export function reloadConfig(config: Config): Config {
  const options = loadedWith.get(config);
  return options === undefined ? config : loadConfig(options);
}

/** Files that `config` was gathered from. */
export function filesOf(config: Config): string[] {
  if (!loadedWith.has(config)) return [];
  return config.layers.map(({ source }) => source).filter((source) => {
    return /\.(json|ya?ml)$/i.test(source) && mayRead(source);
  });
}

let current: Config | undefined;
const applied = new WeakSet<Config>();
const told = new Set<string>();

/** Configuration of this program, gathered when it is first asked for. */
export function currentConfig(): Config {
  return current ??= loadConfig();
}

/**
 * Makes the log as `config` wants it, and tells once what of `config` has no effect, and what could not be
 * read.
 *
 * @param role Which logger tells it.
 */
export function announceConfig(config: Config, role: "client" | "scheduler" | "worker"): void {
  if (applied.has(config)) return;
  applied.add(config);
  applyLogLevels(config);
  const logger = getLogger(`distributed.${role}`);
  const useless = uselessSettings(config.layers);
  if (useless !== undefined) tellOnce(useless, (text) => logger.warning(text));
  if (config.unread.length === 0) return;
  const what = config.unread.map((place) => place.what).join(", ");
  const text = `Configuration not read, for want of permission: ${what} (${flagsFor(config)})`;
  tellOnce(text, (line) => logger.info(line));
}

/** Deno takes a flag once: what it is given stands in one list. */
function flagsFor({ unread }: Config): string {
  const lists = new Map<string, Set<string>>();
  for (const { flag } of unread) {
    const [name = "", what] = flag.split("=", 2);
    const list = lists.get(name) ?? new Set();
    lists.set(name, what === undefined ? list : list.add(what));
  }
  return Array.from(lists, ([name, list]) => list.size === 0 ? name : `${name}=${[...list].join(",")}`).join(
    " ",
  );
}

function tellOnce(text: string, tell: (text: string) => void): void {
  if (told.has(text)) return;
  told.add(text);
  tell(text);
}
