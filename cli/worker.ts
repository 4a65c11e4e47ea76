/**
 * The command line of workers.
 *
 * @module
 */

import { parseTimedelta } from "../internal/units.ts";
import { Worker, type WorkerOptions } from "../worker/worker.ts";
import {
  converted,
  type Flags,
  helpText,
  oneOf,
  type ParsedFlags,
  parseFlags,
  refusedFlag,
  UsageError,
  wholeNumber,
} from "./flags.ts";
import { CONFIG_FLAGS, configFromFlags } from "./config_flags.ts";
import { printText, type RunningRole, VERSION } from "./run.ts";
import { SCHEDULER_FILE_FLAG, schedulerAddress } from "./scheduler_address.ts";
import { securityFromFlags, TLS_FLAGS } from "./security_flags.ts";

/**
 * Milliseconds to move results after a signal; the same as Dask gives its nannies
 * (`distributed/cli/dask_worker.py`).
 */
const GRACE_MS = 10_000;
const NO_DASHBOARD = "there is no dashboard yet";
const NO_NANNY = "there is no nanny yet";
const NO_LIMITS = "limits on memory are not supported yet";
const NO_LIFETIME = "a limited lifetime is not supported yet";

const FLAGS: Flags = {
  host: {
    type: "string",
    value: "HOST",
    help: "Name or address to listen on [the interface towards the scheduler]",
  },
  "worker-port": {
    type: "string",
    value: "PORT|FROM:TO",
    help: "Port to listen on, or a range to choose from [any]",
  },
  "listen-address": {
    type: "string",
    value: "ADDRESS",
    help:
      "Address to listen on, such as tls://0.0.0.0:9000, in place of --host, --worker-port and --protocol",
  },
  "contact-address": {
    type: "string",
    value: "ADDRESS",
    help: "Address that peers dial, if it differs from --listen-address, which it needs",
  },
  protocol: { type: "string", value: "tcp|tls", help: "Scheme of the worker's address [the scheduler's]" },
  nthreads: {
    type: "string",
    value: "N",
    help: "Number of tasks that a worker runs at once [1 per core, divided among the workers]",
  },
  nworkers: {
    type: "string",
    value: "N",
    help: "Number of workers in this process, each with its own threads [1]",
  },
  name: {
    type: "string",
    value: "NAME",
    help: "Unique name in the cluster; with several workers: NAME-0, NAME-1, …",
  },
  "death-timeout": {
    type: "string",
    value: "TIME",
    help: "Give up if no scheduler answers within this time, such as 60s",
  },
  ...SCHEDULER_FILE_FLAG,
  ...CONFIG_FLAGS,
  ...TLS_FLAGS,
  help: { type: "boolean", help: "Show this help and exit" },
  version: { type: "boolean", help: "Show the version and exit" },
  nanny: { type: "boolean", help: "Accepted only as --no-nanny: there is no nanny yet" },
  dashboard: { type: "boolean", help: "Accepted only as --no-dashboard: there is no dashboard yet" },
  interface: refusedFlag("string", "give the address of the interface with --host"),
  "scheduler-sni": refusedFlag("string", "links neither send nor check host names"),
  "nanny-port": refusedFlag("string", NO_NANNY),
  "nanny-contact-address": refusedFlag("string", NO_NANNY),
  "preload-nanny": refusedFlag("string", NO_NANNY),
  "memory-limit": refusedFlag("string", NO_LIMITS),
  "local-directory": refusedFlag("string", "results are only kept in memory so far"),
  resources: refusedFlag("string", "abstract resources are not supported yet"),
  lifetime: refusedFlag("string", NO_LIFETIME),
  "lifetime-stagger": refusedFlag("string", NO_LIFETIME),
  "lifetime-restart": refusedFlag("boolean", NO_LIFETIME),
  preload: refusedFlag("string", "preload modules are not supported yet"),
  "pid-file": refusedFlag("string", "pid files are not supported yet"),
  "dashboard-address": refusedFlag("string", NO_DASHBOARD),
  "dashboard-prefix": refusedFlag("string", NO_DASHBOARD),
  "worker-class": refusedFlag("string", "there is only one class of workers"),
  executor: refusedFlag("string", "tasks run in threads; other executors are not supported yet"),
  "task-permissions": refusedFlag("string", "sandboxed tasks are not supported yet"),
};

const USAGE = "deno run --allow-net --allow-read jsr:@dask/distributed/worker [OPTIONS] ADDRESS";
const ABOUT =
  "Starts workers for the scheduler at ADDRESS, such as tls://10.0.0.5:8786, until SIGINT or SIGTERM.";

/** Starts workers from a command line. Returns `undefined` if it only printed something. */
export async function startWorkers(args: readonly string[]): Promise<RunningRole | undefined> {
  const flags = parseFlags(args, FLAGS);
  if (flags.on["help"] === true) return void printText(helpText(USAGE, ABOUT, FLAGS));
  if (flags.on["version"] === true) return void printText(`${VERSION}\n`);
  for (const [name, why] of [["nanny", NO_NANNY], ["dashboard", NO_DASHBOARD]] as const) {
    if (flags.on[name] === true) throw new UsageError(`--${name} can't be used: ${why}`);
  }
  const [given, more] = flags.positional;
  if (more !== undefined) throw new UsageError(`"${more}" is not expected: a worker has one scheduler`);
  const { host, protocol, name, nthreads, nworkers } = flags.text;
  const count = nworkers === undefined ? 1 : wholeNumber("nworkers", nworkers, 1, 1024);
  const deathTimeout = flags.text["death-timeout"] === undefined
    ? undefined
    : converted("death-timeout", flags.text["death-timeout"], (text) => parseTimedelta(text) * 1000);
  const config = configFromFlags(flags);
  const security = securityFromFlags("worker", flags, config);
  const address = await schedulerAddress(flags, config, deathTimeout, given);
  const port = flags.text["worker-port"];
  const options: WorkerOptions = {
    ...host !== undefined && { host },
    ...port !== undefined && { port: portRange(port) },
    ...protocol !== undefined && { protocol: oneOf("protocol", protocol, ["tcp", "tls"]) },
    nthreads: nthreads === undefined
      ? Math.max(1, Math.floor(navigator.hardwareConcurrency / count))
      : wholeNumber("nthreads", nthreads, 1, 1024),
    ...security !== undefined && { security },
    ...deathTimeout !== undefined && { deathTimeout },
    ...addressesFromFlags(flags, count),
    config,
  };
  return await startAll(address, name, options, count);
}

/** `--listen-address` and `--contact-address`, under the conditions of `distributed/cli/dask_worker.py`. */
function addressesFromFlags({ text }: ParsedFlags, count: number): WorkerOptions {
  const { "listen-address": listenAddress, "contact-address": contactAddress } = text;
  if (listenAddress === undefined) {
    if (contactAddress === undefined) return {};
    throw new UsageError("--contact-address needs --listen-address beside it");
  }
  if (count > 1) throw new UsageError("--listen-address is for one worker, and --nworkers says more");
  const other = ["host", "worker-port", "protocol"].find((flag) => text[flag] !== undefined);
  if (other !== undefined) throw new UsageError(`--listen-address says it all: leave --${other} out`);
  return { listenAddress, ...contactAddress !== undefined && { contactAddress } };
}

/** `"9000"` or `"9000:9010"`. Throws {@linkcode UsageError}. */
export function portRange(text: string): readonly [from: number, to: number] {
  const [first = "", last = first, ...rest] = text.split(":");
  const from = wholeNumber("worker-port", first, 0, 65535);
  const to = wholeNumber("worker-port", last, 0, 65535);
  if (rest.length > 0 || (text.includes(":") && to <= from)) {
    throw new UsageError(`--worker-port must be a port or FROM:TO, got "${text}"`);
  }
  return [from, to];
}

/** Starts several workers that end together. */
async function startAll(
  address: string,
  name: string | undefined,
  options: WorkerOptions,
  count: number,
): Promise<RunningRole> {
  const started = await Promise.allSettled(Array.from({ length: count }, (_, i) =>
    Worker.start(address, {
      ...options,
      ...name !== undefined && { name: count === 1 ? name : `${name}-${i}` },
    })));
  const workers = started.flatMap((result) => result.status === "fulfilled" ? [result.value] : []);
  const close = async () => void await Promise.all(workers.map((worker) => worker.close()));
  const failed = started.find((result) => result.status === "rejected");
  if (failed !== undefined) {
    await close();
    throw failed.reason;
  }
  return {
    finished: Promise.all(workers.map((worker) => worker.finished)).then(() => {}),
    close,
    reloadSecurity: async () => void await Promise.all(workers.map((worker) => worker.reloadSecurity())),
    closeGracefully: () => Worker.closeGracefully(workers, { timeout: GRACE_MS }),
  };
}
