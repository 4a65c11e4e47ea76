/**
 * Roles to be attacked: a scheduler and a worker as processes, looked at from outside.
 *
 * @module
 */

import { Inspector, waitFlag } from "../../bench/inspector.ts";
import { Client } from "../../mod.ts";
import { Certificates } from "../clusters/process_cluster.ts";
import { rolePermissions, TestProcess } from "../processes.ts";
import type { VictimRole } from "./ways.ts";

/** Bytes that a process takes after a collection of garbage. */
export interface Memory {
  /** Resident; nothing where the system does not tell. */
  readonly rss: number | undefined;
  /** V8's heap and array buffers. */
  readonly heap: number;
}

/** How victims are started. */
export interface VictimOptions {
  /** Kind of links. */
  readonly scheme: "tcp" | "tls";
  /** Folder to write to which code the roles ran; nothing for none. */
  readonly coverage?: string | undefined;
}

/** Accepts are limited per host, and here all hosts are one: what is tested is what is behind. */
const SETTINGS = `distributed:
  comm: {limits: {accepts-per-second: 10000000}}
  logging: {distributed: error, distributed.scheduler: info, distributed.worker: info}
`;

/** One role. */
export class Victim implements AsyncDisposable {
  /** Address that it listens at. */
  readonly address: string;
  readonly #process: TestProcess;
  readonly #inspector: Inspector;
  readonly #coverage: string | undefined;

  private constructor(
    process: TestProcess,
    inspector: Inspector,
    address: string,
    coverage: string | undefined,
  ) {
    this.#process = process;
    this.#inspector = inspector;
    this.address = address;
    this.#coverage = coverage;
  }

  /** Starts one. `flags`: beside those that say how it is looked at. */
  static async start(
    role: VictimRole,
    flags: readonly string[],
    coverage: string | undefined,
  ): Promise<Victim> {
    const process = new TestProcess({
      name: role,
      command: [
        Deno.execPath(),
        ...["run", waitFlag, ...rolePermissions],
        new URL(`../../${role}.ts`, import.meta.url).href,
        ...flags,
      ],
    });
    try {
      const inspector = await Inspector.attach(process);
      if (coverage !== undefined) await inspector.startCoverage();
      const [, address = ""] = await process.line(/ at:\s+(t\w+:\S+)/);
      return new Victim(process, inspector, address, coverage);
    } catch (error) {
      await process[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What it takes now. */
  async memory(): Promise<Memory> {
    const heap = await this.#inspector.heapBytes();
    if (Deno.build.os !== "linux") return { heap, rss: undefined };
    const status = Deno.readTextFileSync(`/proc/${this.#process.pid}/status`);
    const [, kib] = /VmRSS:\s+(\d+) kB/.exec(status) ?? [];
    return { heap, rss: Number(kib) * 1024 };
  }

  /** The end of its log. */
  get lastWords(): string {
    return `\n--- ${this.#process.name}\n${this.#process.stderr.slice(-2000)}`;
  }

  /** Ends it as a user would. Whether all went well, and it has not complained of a bug before. */
  async end(): Promise<boolean> {
    if (this.#coverage !== undefined) await this.#inspector.writeCoverage(this.#coverage);
    this.#inspector[Symbol.dispose]();
    this.#process.kill("SIGTERM");
    const { code } = await this.#process.ended;
    return code === 0 && !/ failed: /.test(this.#process.stderr);
  }

  /** Kills it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]();
  }
}

/** A scheduler and a worker called "honest", and an honest client. */
export class Victims implements AsyncDisposable {
  /** The scheduler. */
  readonly scheduler: Victim;
  /** The worker. */
  readonly worker: Victim;
  /** The client. */
  readonly client: Client;
  /** Folder of the certificates; nothing without TLS. */
  readonly certificates: string | undefined;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    parts: Pick<Victims, "scheduler" | "worker" | "client" | "certificates">,
    stack: AsyncDisposableStack,
  ) {
    this.scheduler = parts.scheduler;
    this.worker = parts.worker;
    this.client = parts.client;
    this.certificates = parts.certificates;
    this.#stack = stack;
  }

  /** Starts them. */
  static async start({ scheme, coverage }: VictimOptions): Promise<Victims> {
    await using stack = new AsyncDisposableStack();
    const folder = await Deno.makeTempDir({ prefix: "distributed-fuzz-" });
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    await Deno.writeTextFile(`${folder}/settings.yaml`, SETTINGS);
    const certificates = scheme === "tls" ? stack.use(await Certificates.make()) : undefined;
    const flags = (role: VictimRole) => [
      ...["--config", `${folder}/settings.yaml`],
      ...certificates?.flags(role) ?? [],
    ];
    const listen = ["--host", "127.0.0.1", "--port", "0", "--protocol", scheme];
    const scheduler = stack.use(
      await Victim.start("scheduler", [...listen, ...flags("scheduler")], coverage),
    );
    const work = [scheduler.address, "--nthreads", "2", "--name", "honest"];
    const worker = stack.use(await Victim.start("worker", [...work, ...flags("worker")], coverage));
    const security = certificates === undefined ? {} : { security: certificates.security };
    const client = stack.use(await Client.connect(scheduler.address, security));
    await client.waitForWorkers(1);
    const parts = { scheduler, worker, client, certificates: certificates?.folder };
    return new Victims(parts, stack.move());
  }

  /** The end of both logs. */
  get lastWords(): string {
    return `${this.scheduler.lastWords}${this.worker.lastWords}`;
  }

  /** Ends all as a user would. Whether all went well. */
  async end(): Promise<boolean> {
    await this.client.close();
    const ends = [await this.worker.end(), await this.scheduler.end()];
    return ends.every((isWell) => isWell);
  }

  /** Kills what still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
