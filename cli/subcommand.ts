/**
 * What the client's commands have in common.
 *
 * @module
 */

import { formatAddress, parseAddress } from "../comm/address.ts";
import type { LinkOptions } from "../comm/link_options.ts";
import { linkOptions } from "../comm/secure.ts";
import { parseTimedelta } from "../internal/units.ts";
import type { Address } from "../messages/common.ts";
import { asksForTls, type Security } from "../security/security.ts";
import { converted, type Flags, helpText, parseFlags, UsageError } from "./flags.ts";
import { printText } from "./run.ts";
import { securityFromFlags, TLS_FLAGS } from "./security_flags.ts";

/** How the client's program is started, up to the command. */
export const SUBCOMMAND_USAGE = "deno run --allow-net --allow-read jsr:@dask/distributed/client";

/** One command of the client. */
export interface Subcommand {
  /** One line for `--help`. */
  readonly about: string;
  /** Does it; rejects if it can't be done. */
  readonly run: (args: readonly string[]) => Promise<void>;
}

/** What a command that asks somebody at an address was told. */
export interface Question {
  /** Whom to ask. */
  readonly address: Address;
  /** How to dial. */
  readonly links: LinkOptions;
  /** Milliseconds for all of it. */
  readonly timeoutMs: number;
}

const FLAGS: Flags = {
  ...TLS_FLAGS,
  timeout: { type: "string", value: "TIME", help: "Give up after that long [10s]" },
  help: { type: "boolean", help: "Show this and exit" },
};

/** Reads `[OPTIONS] ADDRESS`; `undefined` if there was only help to print. */
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
  if (address === undefined) {
    throw new UsageError("the address of the scheduler is missing, such as tls://10.0.0.5:8786");
  }
  if (more !== undefined) throw new UsageError(`"${more}" is not expected: ${name} asks at one address`);
  const security = securityFromFlags("client", flags);
  const timeoutMs = converted(
    "timeout",
    flags.text["timeout"] ?? "10s",
    (text) => parseTimedelta(text) * 1000,
  );
  return { address: complete(address, security), links: await linkOptions(security, "client"), timeoutMs };
}

/** Adds what may be left out: the scheme, `tls` with certificates, and the port. */
function complete(text: string, security: Security | undefined): Address {
  const { scheme, host, port } = parseAddress(text, asksForTls(security) ? "tls" : "tcp");
  return scheme === "inproc" ? text as Address : formatAddress(scheme, host, port ?? 8786);
}
