/**
 * What a worker tells about itself with each heartbeat.
 *
 * @module
 */

import { cpuUsage } from "node:process";
import type { StoredBytes } from "./memory/store.ts";
import type { Clock } from "../internal/clock.ts";
import type { WorkerMetrics } from "../messages/facts.ts";

/** What this process uses. */
export interface ProcessUsage {
  /** Resident bytes. */
  readonly memory: number;
  /** Processor time since it began, in seconds. */
  readonly cpuSeconds: number;
}

/** Metrics of a process now. */
export class Metrics {
  readonly #clock: Clock;
  readonly #usage: () => ProcessUsage;
  #lastTime: number;
  #lastCpuSeconds: number;

  /** Begins to measure. */
  constructor(clock: Clock, usage: () => ProcessUsage = processUsage) {
    this.#clock = clock;
    this.#usage = usage;
    this.#lastTime = clock.now();
    this.#lastCpuSeconds = usage().cpuSeconds;
  }

  /**
   * Takes a sample. `stored`: bytes of results by tier. `taskCounts`: number of tasks by state.
   */
  sample(stored: StoredBytes, taskCounts: Readonly<Record<string, number>>): WorkerMetrics {
    const now = this.#clock.now();
    const { memory, cpuSeconds } = this.#usage();
    const elapsed = (now - this.#lastTime) / 1000;
    const cpu = elapsed > 0 ? 100 * (cpuSeconds - this.#lastCpuSeconds) / elapsed : 0;
    this.#lastTime = now;
    this.#lastCpuSeconds = cpuSeconds;
    return {
      bandwidth: { total: 100_000_000, workers: {}, types: {} },
      digests_total_since_heartbeat: {},
      memory,
      managed_bytes: stored.memory,
      spilled_bytes: { memory: stored.disk, disk: stored.disk },
      task_counts: taskCounts,
      time: this.#clock.time(),
      cpu: Math.round(cpu * 10) / 10,
    };
  }
}

function processUsage(): ProcessUsage {
  const { user, system } = cpuUsage();
  return { memory: Deno.memoryUsage().rss, cpuSeconds: (user + system) / 1e6 };
}
