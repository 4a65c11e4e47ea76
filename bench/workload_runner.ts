/**
 * A cluster with one client that runs workloads on request.
 *
 * @module
 */

import { TestProcess } from "../testing/processes.ts";
import { type ClusterOptions, startCluster } from "./clusters.ts";
import type { Sizes } from "./report.ts";

/** Time limit of a workload, in seconds. */
const DEADLINE = 600;

/** A cluster of this package and its client. Disposing kills their processes. */
export class WorkloadRunner implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #client: TestProcess;
  #asked = 0;

  private constructor(stack: AsyncDisposableStack, client: TestProcess) {
    this.#stack = stack;
    this.#client = client;
  }

  /** Starts both. */
  static async start(
    options: Omit<ClusterOptions, "kind" | "python">,
    sizes: Sizes,
  ): Promise<WorkloadRunner> {
    await using cleanup = new AsyncDisposableStack();
    const cluster = cleanup.use(await startCluster({ ...options, kind: "deno" }));
    const command = cluster.clientCommand("workload_client.ts");
    const client = new TestProcess({
      command: [...command, JSON.stringify(sizes)],
      name: "client",
      stdin: "piped",
    });
    cleanup.use(client);
    return new WorkloadRunner(cleanup.move(), client);
  }

  /** Runs a workload of `workloads.ts` by name. Returns its seconds. */
  async run(workload: string): Promise<number[]> {
    const answer = new RegExp(`^${this.#asked++} (.*)\n`, "m");
    await this.#client.write(`${workload}\n`);
    const [, seconds = "[]"] = await this.#client.line(answer, { stream: "stdout", deadline: DEADLINE });
    return JSON.parse(seconds) as number[];
  }

  /** Kills all processes. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
