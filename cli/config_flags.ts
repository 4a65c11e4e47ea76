/**
 * `--config`, which all programs share.
 *
 * @module
 */

import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/load.ts";
import type { Flags, ParsedFlags } from "./flags.ts";

/** The flag that names a file of settings. */
export const CONFIG_FLAGS: Flags = {
  config: {
    type: "string",
    value: "PATH",
    help: "File or folder of settings, YAML or JSON, in addition to Dask's own files",
  },
};

/** Configuration of a program. @throws {ConfigError} If a file can't be used. */
export function configFromFlags({ text }: ParsedFlags): Config {
  return loadConfig({ path: text["config"] });
}
