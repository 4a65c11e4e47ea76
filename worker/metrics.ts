/**
 * What a worker tells about itself with each heartbeat.
 *
 * @module
 */

import { cpuUsage } from "node:process";
import type { WorkerMetrics } from "../messages/rpc.ts";

/** Metrics of this process now. */
export class Metrics {
  #lastCpu = performance.now();
  #lastCpuTime = cpuSeconds();

  /** Takes a sample. `managedBytes`: bytes of results that are held. `taskCounts`: number of tasks by state. */
  sample(managedBytes: number, taskCounts: Readonly<Record<string, number>>): WorkerMetrics {
    const now = performance.now();
    const cpuTime = cpuSeconds();
    const elapsed = (now - this.#lastCpu) / 1000;
    const cpu = elapsed > 0 ? 100 * (cpuTime - this.#lastCpuTime) / elapsed : 0;
    this.#lastCpu = now;
    this.#lastCpuTime = cpuTime;
    return {
      bandwidth: { total: 100_000_000, workers: {}, types: {} },
      digests_total_since_heartbeat: {},
      memory: Deno.memoryUsage().rss,
      managed_bytes: managedBytes,
      spilled_bytes: { memory: 0, disk: 0 },
      task_counts: taskCounts,
      time: Date.now() / 1000,
      cpu: Math.round(cpu * 10) / 10,
    };
  }
}

/** Processor time of this process, in seconds. */
function cpuSeconds(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1e6;
}
