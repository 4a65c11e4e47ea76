import { assertEquals } from "@std/assert";
import { Worker } from "node:worker_threads";
import { THREAD_GLOBALS } from "./thread_globals.ts";

Deno.test("THREAD_GLOBALS are all there in a thread", async () => {
  const worker = new Worker(
    new URL(
      `data:text/javascript,import { parentPort } from "node:worker_threads";` +
        `parentPort.postMessage(Object.getOwnPropertyNames(globalThis))`,
    ),
  );
  const names = await new Promise<string[]>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  await worker.terminate();
  const there = new Set(names);
  assertEquals([...THREAD_GLOBALS].filter((name) => !there.has(name)), []);
});
