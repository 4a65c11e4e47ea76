/**
 * Entry of an executor thread. Started by `threads/thread.ts`, also from a remote URL, with no permissions
 * but the worker's.
 *
 * @module
 */

import { parentPort, workerData } from "node:worker_threads";
import process from "node:process";
import { getHeapStatistics } from "node:v8";
import { tracebackText } from "../../../protocol/remote_error.ts";
import type { ThreadCommand, ThreadData, ThreadReport } from "./packing.ts";
import { TaskLoop } from "./task_loop.ts";

const port = parentPort;
if (port === null) {
  throw new Error("Cannot start an executor thread by itself: a worker starts it");
}

const post = (report: ThreadReport, transfer: ArrayBuffer[]): void => port.postMessage(report, transfer);

/** How often a thread that waits for a promise looks whether its heap was full. */
const HEAP_CHECK_MS = 250;
const heapLimit = getHeapStatistics().heap_size_limit;
let heapTimer: ReturnType<typeof setInterval> | undefined;

/**
 * A full heap in a microtask ends the asynchronous function at once, without an error: its promise never
 * settles. But Deno has raised the limit to get so far, and that shows.
 */
function checkHeap(): void {
  if (getHeapStatistics().heap_size_limit <= heapLimit) return;
  post({ op: "out-of-memory" }, []);
  process.exit(1);
}

function onAwait(isAwaiting: boolean): void {
  if (isAwaiting) heapTimer ??= setInterval(checkHeap, HEAP_CHECK_MS);
  else clearInterval(heapTimer);
  if (!isAwaiting) heapTimer = undefined;
}

const loop = new TaskLoop((workerData as ThreadData).flags, post, onAwait);

// A task may leave promises and timers behind: what they throw is told, and ends neither the thread nor
// another task.
const onStray = (error: unknown): void => {
  post({ op: "stray", text: tracebackText(error) }, []);
};
process.on("uncaughtException", onStray);
process.on("unhandledRejection", onStray);
// A task that ends its thread must not take the results of others with it.
process.on("exit", () => loop.flush());

port.on("message", (command: ThreadCommand) => {
  if (command.op === "close") process.exit(0);
  loop.handle(command);
});
post({ op: "ready", timeOrigin: performance.timeOrigin }, []);
