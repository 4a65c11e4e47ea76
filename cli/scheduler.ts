/**
 * The command line of the scheduler.
 *
 * @module
 */

import { Scheduler } from "../scheduler/scheduler.ts";
import { parseTimedelta } from "../internal/units.ts";
import {
  converted,
  type Flags,
  helpText,
  oneOf,
  parseFlags,
  refusedFlag,
  UsageError,
  wholeNumber,
} from "./flags.ts";
import { CONFIG_FLAGS, configFromFlags } from "./config_flags.ts";
import { printText, type RunningRole, VERSION } from "./run.ts";
import { securityFromFlags, TLS_FLAGS } from "./security_flags.ts";

const NO_DASHBOARD = "there is no dashboard yet";

const FLAGS: Flags = {
  host: { type: "string", value: "HOST", help: "Name or address to listen on [all interfaces]" },
  port: { type: "string", value: "PORT", help: "Port to listen on, 0 for any [8786]" },
  protocol: {
    type: "string",
    value: "tcp|tls",
    help: "Scheme of the address [tls if a TLS flag is given, else tcp]",
  },
  ...TLS_FLAGS,
  "scheduler-file": {
    type: "string",
    value: "PATH",
    help: "File to write the address to, for workers and clients; needs --allow-write=PATH",
  },
  record: {
    type: "string",
    value: "FILE",
    help: "File to record all events in, for debugging; needs --allow-write=FILE",
  },
  ...CONFIG_FLAGS,
  "idle-timeout": { type: "string", value: "TIME", help: "Close after this time without tasks, such as 1h" },
  help: { type: "boolean", help: "Show this help and exit" },
  version: { type: "boolean", help: "Show the version and exit" },
  interface: refusedFlag("string", "give the address of the interface with --host"),
  dashboard: { type: "boolean", help: "Accepted only as --no-dashboard: there is no dashboard yet" },
  "dashboard-address": refusedFlag("string", NO_DASHBOARD),
  "dashboard-prefix": refusedFlag("string", NO_DASHBOARD),
  show: refusedFlag("boolean", NO_DASHBOARD),
  jupyter: refusedFlag("boolean", "this scheduler has no Python"),
  "use-xheaders": refusedFlag("string", NO_DASHBOARD),
  preload: refusedFlag("string", "preload modules are not supported yet"),
  "pid-file": refusedFlag("string", "pid files are not supported yet"),
};

const USAGE = "deno run --allow-net --allow-read jsr:@dask/distributed/scheduler [OPTIONS]";

/** Starts a scheduler from a command line. Returns `undefined` if it only printed something. */
export async function startScheduler(args: readonly string[]): Promise<RunningRole | undefined> {
  const flags = parseFlags(args, FLAGS);
  if (flags.on["help"] === true) {
    return void printText(helpText(USAGE, "Starts a scheduler and serves until SIGINT or SIGTERM.", FLAGS));
  }
  if (flags.on["version"] === true) return void printText(`${VERSION}\n`);
  if (flags.positional.length > 0) {
    throw new UsageError(`"${flags.positional[0]}" is not expected: a scheduler takes flags only`);
  }
  if (flags.on["dashboard"] === true) throw new UsageError(`--dashboard can't be used: ${NO_DASHBOARD}`);
  const config = configFromFlags(flags);
  const security = securityFromFlags("scheduler", flags, config);
  const { host, port, protocol, record, "idle-timeout": idleTimeout, "scheduler-file": schedulerFile } =
    flags.text;
  return await Scheduler.start({
    ...host !== undefined && { host },
    ...port !== undefined && { port: wholeNumber("port", port, 0, 65535) },
    ...protocol !== undefined && { protocol: oneOf("protocol", protocol, ["tcp", "tls"]) },
    ...security !== undefined && { security },
    ...schedulerFile !== undefined && { schedulerFile },
    ...record !== undefined && { record },
    config,
    ...idleTimeout !== undefined && {
      idleTimeout: converted("idle-timeout", idleTimeout, (text) => parseTimedelta(text) * 1000),
    },
  });
}
