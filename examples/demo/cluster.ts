/**
 * A scheduler and workers as processes, under the permissions that roles need and no more.
 *
 * @module
 */

import { type Address, type Client, Security } from "../../mod.ts";
import type { Link } from "./rows.ts";
import { startRole, type TestProcess } from "../../testing/processes.ts";

/** Processes of one cluster and the certificates that they trust. */
export class DemoCluster implements AsyncDisposable {
  /** Where the scheduler listens. */
  readonly address: string;
  /** Certificates of all roles. */
  readonly security: Security;
  /** First lines of each role, to be shown. */
  readonly lines: readonly string[];
  #scheduler: TestProcess;
  #resources: AsyncDisposableStack;

  constructor(
    address: string,
    security: Security,
    lines: readonly string[],
    scheduler: TestProcess,
    resources: AsyncDisposableStack,
  ) {
    this.address = address;
    this.security = security;
    this.lines = lines;
    this.#scheduler = scheduler;
    this.#resources = resources;
  }

  /** Names of the workers by address. */
  async workerNames(client: Client): Promise<Map<string, string>> {
    const { workers } = await client.schedulerInfo();
    return new Map(Object.entries(workers).map(([address, { name }]) => [address, name]));
  }

  /** Links between the roles, the client's too. */
  async links(client: Client): Promise<Link[]> {
    const names = await this.workerNames(client);
    names.set(this.address, "scheduler");
    const found: Link[] = [];
    for (const [address, name] of [["", "client"], ...names] as [Address, string][]) {
      for (const { peer, dialled, tls } of await client.links(address === "" ? undefined : address)) {
        if (!dialled || tls === undefined) continue;
        found.push({ from: name, to: names.get(peer) ?? peer, tls });
      }
    }
    return found;
  }

  /** The scheduler's log line about a peer that it refused. */
  async refusalSeen(signal: AbortSignal): Promise<string> {
    const [line] = await this.#scheduler.line(/^.*Refused a connection.*$/m, { signal });
    return line;
  }

  /** Ends all processes and removes the certificates. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

/** Starts a scheduler and `nWorkers` workers on loopback, with certificates made for them. */
export async function startCluster(nWorkers: number, signal: AbortSignal): Promise<DemoCluster> {
  await using resources = new AsyncDisposableStack();
  const security = await Security.temporary();
  const folder = await Deno.makeTempDir({ prefix: "distributed-demo-" });
  resources.defer(() => Deno.remove(folder, { recursive: true }));
  const flags = async (role: "scheduler" | "worker") => [
    "--tls-ca-file",
    await pem(`${folder}/ca.pem`, security.tlsCaFile),
    "--tls-cert",
    await pem(
      `${folder}/${role}.pem`,
      role === "worker" ? security.tlsWorkerCert : security.tlsSchedulerCert,
    ),
    "--tls-key",
    await pem(`${folder}/${role}.key`, role === "worker" ? security.tlsWorkerKey : security.tlsSchedulerKey),
  ];

  const start = (module: string, args: readonly string[]): TestProcess => {
    const role = startRole(module, args);
    resources.defer(async () => {
      role.kill("SIGTERM");
      await role.ended;
    });
    return role;
  };
  const scheduler = start("scheduler.ts", [
    "--host",
    "127.0.0.1",
    "--port",
    "0",
    ...await flags("scheduler"),
  ]);
  const [, address = ""] = await scheduler.line(/Scheduler at:\s+(tls:\S+)/, { signal });
  const workerFlags = await flags("worker");
  const workers = Array.from(
    { length: nWorkers },
    (_, i) => start("worker.ts", [address, "--nthreads", "1", "--name", `worker-${i + 1}`, ...workerFlags]),
  );
  const lines = [`scheduler at ${address}`];
  for (const [i, worker] of workers.entries()) {
    const [, at] = await worker.line(/Start worker at:\s+(tls:\S+)[^]*Registered to/, { signal });
    lines.push(`worker-${i + 1} at ${at}`);
  }
  return new DemoCluster(address, security, lines, scheduler, resources.move());
}

async function pem(path: string, text: string | undefined): Promise<string> {
  await Deno.writeTextFile(path, text ?? "", { mode: 0o600 });
  return path;
}
