/**
 * Entry of an executor thread. Started by `thread.ts`, also from a remote URL, with no permissions but the worker's.
 *
 * @module
 */

import { parentPort, workerData } from "node:worker_threads";
import process from "node:process";
import { tracebackText } from "../../protocol/remote_error.ts";
import type { ThreadCommand, ThreadData, ThreadReport } from "./packing.ts";
import { Runner } from "./runner.ts";

const port = parentPort;
if (port === null) {
  throw new Error("Cannot start an executor thread by itself: a worker starts it");
}

const post = (report: ThreadReport, transfer: ArrayBuffer[]): void => port.postMessage(report, transfer);
const runner = new Runner((workerData as ThreadData).flags, post);

// A task may leave promises and timers behind: what they throw is told, and ends neither the thread nor another task.
const onStray = (error: unknown): void => {
  post({ op: "stray", text: tracebackText(error) }, []);
};
process.on("uncaughtException", onStray);
process.on("unhandledRejection", onStray);
// A task that ends its thread must not take the results of others with it.
process.on("exit", () => runner.flush());

port.on("message", (command: ThreadCommand) => {
  if (command.op === "close") process.exit(0);
  runner.handle(command);
});
post({ op: "ready", timeOrigin: performance.timeOrigin }, []);
