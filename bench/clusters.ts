/**
 * Clusters of real processes for benchmarks, of this package and of Python's Dask: one scheduler and two
 * workers of one thread each, started with the same flags.
 *
 * @module
 */

import { Security } from "../mod.ts";
import { rolePermissions, TestProcess } from "../testing/processes.ts";
import { inspectFlag } from "./inspector.ts";

/** Package of a cluster. */
export type Kind = "python" | "deno";

/** Scheme of all links. */
export type Protocol = "tcp" | "tls";

/** Files of a CA and the roles' certificates. Disposing removes them. */
export interface Certificates extends AsyncDisposable {
  /** Folder of `ca.pem`, `<role>.pem` and `<role>.key`. */
  readonly folder: string;
}

/** Options of a cluster. */
export interface ClusterOptions {
  /** Package. */
  readonly kind: Kind;
  /** Scheme of all links. */
  readonly protocol: Protocol;
  /** Certificates of the roles. */
  readonly certificates: Certificates;
  /** Python interpreter with `distributed`. */
  readonly python?: string;
  /** Whether the processes can be inspected; only for this package. */
  readonly inspect?: boolean;
  /** Folder of the package to run, with a slash at the end. Default: this checkout. */
  readonly root?: URL;
}

/** A running cluster. Disposing kills its processes. */
export interface Cluster extends AsyncDisposable {
  /** Its scheduler. */
  readonly scheduler: TestProcess;
  /** Its workers. */
  readonly workers: readonly TestProcess[];
  /**
   * Returns the command line of a client program of `bench/`, with the address and the client's certificate.
   */
  clientCommand(program: string): readonly [string, ...string[]];
}

/** Number of workers of every cluster. */
export const WORKERS = 2;

/** Makes certificates for all roles. */
export async function makeCertificates(): Promise<Certificates> {
  const folder = await Deno.makeTempDir();
  const security = await Security.temporary();
  const write = (name: string, text: string | undefined) =>
    Deno.writeTextFile(`${folder}/${name}`, text ?? "");
  await write("ca.pem", security.tlsCaFile);
  await write("scheduler.pem", security.tlsSchedulerCert);
  await write("scheduler.key", security.tlsSchedulerKey);
  await write("worker.pem", security.tlsWorkerCert);
  await write("worker.key", security.tlsWorkerKey);
  await write("client.pem", security.tlsClientCert);
  await write("client.key", security.tlsClientKey);
  return { folder, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

/** Starts a cluster, and waits until its workers are registered. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { kind, protocol, certificates: { folder }, python = "python3", inspect = false } = options;
  const root = options.root ?? new URL("../", import.meta.url);
  await using cleanup = new AsyncDisposableStack();
  const stack = cleanup.use(new AsyncDisposableStack());
  const deno = [Deno.execPath(), "run", ...inspect ? [inspectFlag] : [], ...rolePermissions] as const;
  const files = (role: string) =>
    [`${folder}/ca.pem`, `${folder}/${role}.pem`, `${folder}/${role}.key`] as const;
  const start = (role: "scheduler" | "worker", args: readonly string[]) => {
    const [ca, cert, key] = files(role);
    const tls = protocol === "tls" ? ["--tls-ca-file", ca, "--tls-cert", cert, "--tls-key", key] : [];
    const command = kind === "python"
      ? [python, "-m", `distributed.cli.dask_${role}`, "--no-dashboard", ...args, ...tls] as const
      : [...deno, new URL(`${role}.ts`, root).href, ...args, ...tls] as const;
    return stack.use(new TestProcess({ command, name: `${kind} ${role}` }));
  };
  const scheduler = start("scheduler", ["--host", "127.0.0.1", "--port", "0", "--protocol", protocol]);
  const [, address = ""] = await scheduler.line(/Scheduler at:\s+(t\S+)/);
  const workers: TestProcess[] = [];
  for (let i = 0; i < WORKERS; i++) {
    const worker = start("worker", [address, "--nthreads", "1", "--nworkers", "1", "--no-nanny"]);
    await worker.line(/Registered to:\s+t\S+/);
    workers.push(worker);
  }
  cleanup.move();
  const connection = protocol === "tls" ? [address, ...files("client")] : [address, "", "", ""];
  return {
    scheduler,
    workers,
    clientCommand: (program) => {
      const path = new URL(`bench/${program}`, root).pathname;
      return kind === "python" ? [python, path, ...connection] : [...deno, path, ...connection];
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
