/**
 * Whole clusters of real processes over mutual TLS, for tests that end them in every way.
 *
 * @module
 */

import { Client, type Security } from "../../mod.ts";
import { TestCa } from "../pki/pki.ts";
import { startRole, type TestProcess } from "../processes.ts";

/** A folder with a CA and certificates of roles, and the flags that name them. Disposing it removes it. */
export class Certificates implements AsyncDisposable {
  /** Where the files are. */
  readonly folder: string;
  /** The same certificates, for roles inside the test. */
  readonly security: Security;

  private constructor(folder: string, security: Security) {
    this.folder = folder;
    this.security = security;
  }

  /** Makes them. */
  static async make(): Promise<Certificates> {
    const security = await (await TestCa.make()).security();
    const folder = await Deno.makeTempDir({ prefix: "distributed-test-" });
    const made = new Certificates(folder, security);
    await Promise.all([
      made.#write("ca.pem", security.tlsCaFile),
      made.#write("scheduler.pem", security.tlsSchedulerCert),
      made.#write("scheduler.key", security.tlsSchedulerKey),
      made.#write("worker.pem", security.tlsWorkerCert),
      made.#write("worker.key", security.tlsWorkerKey),
      made.#write("client.pem", security.tlsClientCert),
      made.#write("client.key", security.tlsClientKey),
    ]);
    return made;
  }

  /** Flags of a role. */
  flags(role: "client" | "scheduler" | "worker"): string[] {
    return [
      ...["--tls-ca-file", `${this.folder}/ca.pem`],
      ...["--tls-cert", `${this.folder}/${role}.pem`],
      ...["--tls-key", `${this.folder}/${role}.key`],
    ];
  }

  async #write(name: string, text: string | undefined): Promise<void> {
    await Deno.writeTextFile(`${this.folder}/${name}`, text ?? "", { mode: 0o600 });
  }

  /** Removes the files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Starts a worker of one thread as a process, and waits until it is registered. */
export async function startWorkerProcess(
  address: string,
  certificates: Certificates,
  ...flags: readonly string[]
): Promise<TestProcess> {
  const process = startRole("worker.ts", [
    address,
    ...["--nthreads", "1"],
    ...certificates.flags("worker"),
    ...flags,
  ]);
  try {
    await process.line(/Registered to:/);
    return process;
  } catch (error) {
    await process[Symbol.asyncDispose]();
    throw error;
  }
}

/** A scheduler and workers as processes, and a client. Disposing it kills what still runs. */
export class ProcessCluster implements AsyncDisposable {
  /** What all of them prove themselves with. */
  readonly certificates: Certificates;
  /** Address of the scheduler. */
  readonly address: string;
  /** The scheduler. */
  readonly scheduler: TestProcess;
  /** Workers `w0`, `w1`, … of one thread each. */
  readonly workers: readonly TestProcess[];
  /** A client. */
  readonly client: Client;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    parts: Pick<ProcessCluster, "certificates" | "address" | "scheduler" | "workers" | "client">,
    stack: AsyncDisposableStack,
  ) {
    this.certificates = parts.certificates;
    this.address = parts.address;
    this.scheduler = parts.scheduler;
    this.workers = parts.workers;
    this.client = parts.client;
    this.#stack = stack;
  }

  /**
   * Starts one with `nWorkers` workers; `settings`: YAML below `distributed.comm.limits`, for the scheduler.
   */
  static async start(nWorkers: number, settings?: string): Promise<ProcessCluster> {
    await using stack = new AsyncDisposableStack();
    const certificates = stack.use(await Certificates.make());
    const flags = ["--host", "127.0.0.1", "--port", "0", ...certificates.flags("scheduler")];
    if (settings !== undefined) {
      const file = `${certificates.folder}/limits.yaml`;
      await Deno.writeTextFile(file, `distributed: {comm: {limits: ${settings}}}\n`);
      flags.push("--config", file);
    }
    const scheduler = stack.use(startRole("scheduler.ts", flags));
    const [, address = ""] = await scheduler.line(/Scheduler at:\s+(tls:\S+)/);
    const started = await Promise.allSettled(
      Array.from(
        { length: nWorkers },
        (_, i) => startWorkerProcess(address, certificates, "--name", `w${i}`),
      ),
    );
    const workers = started.flatMap((result) => result.status === "fulfilled" ? stack.use(result.value) : []);
    for (const result of started) if (result.status === "rejected") throw result.reason;
    const client = stack.use(await Client.connect(address, { security: certificates.security }));
    await client.waitForWorkers(nWorkers);
    return new ProcessCluster({ certificates, address, scheduler, workers, client }, stack.move());
  }

  /** Address of worker `w<index>`. */
  async workerAddress(index: number): Promise<string> {
    const { workers } = await this.client.schedulerInfo();
    const found = Object.entries(workers).find(([, { name }]) => name === `w${index}`);
    if (found === undefined) throw new Error(`Worker w${index} is not registered`);
    return found[0];
  }

  /** Ends everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
