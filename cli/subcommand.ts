/**
 * The common part of the client's commands.
 *
 * @module
 */

import { defaultScheme } from "../comm/settings.ts";
import type { Config } from "../config/config.ts";
import { announceConfig } from "../config/load.ts";
import { formatAddress, parseAddress } from "../comm/address.ts";
import type { LinkOptions } from "../comm/link_options.ts";
import { linkOptions, withConfigured } from "../comm/secure.ts";
import { parseTimedelta } from "../internal/units.ts";
import type { Address } from "../messages/common.ts";
import { asksForTls, type Security } from "../security/security.ts";
import { converted, type Flags, helpText, parseFlags, UsageError } from "./flags.ts";
import { CONFIG_FLAGS, configFromFlags } from "./config_flags.ts";
import { printText } from "./run.ts";
import { SCHEDULER_FILE_FLAG, schedulerAddress } from "./scheduler_address.ts";
import { securityFromFlags, TLS_FLAGS } from "./security_flags.ts";

/** How the client's program is started, up to the command. */
export const SUBCOMMAND_USAGE = "deno run --allow-net --allow-read jsr:@dask/distributed/client";

/** One command of the client. */
export interface Subcommand {
  /** One line for `--help`. */
  readonly about: string;
  /** Runs the command; rejects if it fails. */
  readonly run: (args: readonly string[]) => Promise<void>;
}

/** Options of a command that sends a request to an address. */
export interface Question {
  /** Address to send the request to. */
  readonly address: Address;
  /** How to dial. */
  readonly links: LinkOptions;
  /** Milliseconds for the whole command. */
  readonly timeoutMs: number;
}

const FLAGS: Flags = {
  ...TLS_FLAGS,
  ...CONFIG_FLAGS,
  ...SCHEDULER_FILE_FLAG,
  timeout: { type: "string", value: "TIME", help: "Give up after this time [10s]" },
  help: { type: "boolean", help: "Show this help and exit" },
};

/** Parses `[OPTIONS] ADDRESS`. Returns `undefined` if it only printed help. */
export async function parseQuestion(
  name: string,
  about: string,
  args: readonly string[],
): Promise<Question | undefined> {
  const flags = parseFlags(args, FLAGS);
  if (flags.on["help"] === true) {
    printText(helpText(`${SUBCOMMAND_USAGE} ${name} [OPTIONS] ADDRESS`, about, FLAGS));
    return undefined;
  }
  const [address, more] = flags.positional;
  if (more !== undefined) throw new UsageError(`"${more}" is not expected: ${name} asks at one address`);
  const config = configFromFlags(flags);
  announceConfig(config, "client");
  const security = securityFromFlags("client", flags, config);
  const timeoutMs = converted(
    "timeout",
    flags.text["timeout"] ?? "10s",
    (text) => parseTimedelta(text) * 1000,
  );
  return {
    address: complete(await schedulerAddress(flags, config, timeoutMs, address), security, config),
    links: await linkOptions(security, "client", config),
    timeoutMs,
  };
}

/** Completes an address: the scheme (`tls` if there are certificates) and the port. */
function complete(text: string, security: Security | undefined, config: Config): Address {
  const { scheme, host, port } = parseAddress(
    text,
    asksForTls(withConfigured(security, config)) ? "tls" : defaultScheme(config).name,
  );
  return scheme === "inproc" ? text as Address : formatAddress(scheme, host, port ?? 8786);
}
