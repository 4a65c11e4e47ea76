/**
 * How fast tasks pass through a thread. Run with `deno bench --allow-net --allow-read worker/executor/`.
 *
 * @module
 */

import type { FunctionHash, Key } from "../../../messages/common.ts";
import { encodeMsgpack } from "../../../protocol/msgpack.ts";
import { serializeArguments, serializeValue } from "../../../protocol/values.ts";
import type { ExecutionRequest } from "../executor.ts";
import { ThreadExecutor } from "./thread_executor.ts";

const hash = "increment" as FunctionHash;
let left = 0;
let finish: () => void = () => {};

const executor = await ThreadExecutor.start({
  nthreads: 1,
  onOutcomes: (outcomes) => {
    left -= outcomes.length;
    if (left === 0) finish();
  },
});
executor.addFunction(hash, encodeMsgpack({ kind: "source", name: "increment", source: "(x) => x + 1" }));
const sizeOf = "sizeOf" as FunctionHash;
executor.addFunction(
  sizeOf,
  encodeMsgpack({ kind: "source", name: "sizeOf", source: "(x) => x.byteLength" }),
);

function requests(count: number): ExecutionRequest[] {
  return Array.from({ length: count }, (_, i) => ({
    key: `increment-0123456789abcdef-${i}` as Key,
    runId: i,
    functionHash: hash,
    args: serializeArguments([i]),
    references: [],
    dependencies: [],
  }));
}

async function run(batches: readonly (readonly ExecutionRequest[])[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  finish = resolve;
  for (const batch of batches) left += batch.length;
  for (const batch of batches) executor.execute(batch);
  await promise;
}

const one = requests(1);
const all = requests(10_000);
const hundreds = Array.from({ length: 100 }, (_, i) => all.slice(i * 100, i * 100 + 100));

Deno.bench("one task at a time", async () => await run([one]));
Deno.bench("10 000 tasks in one batch", async () => await run([all]));
Deno.bench("10 000 tasks in batches of 100", async () => await run(hundreds));

for (const mib of [1, 16]) {
  const big: ExecutionRequest = {
    key: "size" as Key,
    runId: 1,
    functionHash: sizeOf,
    args: serializeArguments([null]),
    references: [["big" as Key, 0]],
    dependencies: [["big" as Key, serializeValue(new Uint8Array(mib * 2 ** 20))]],
  };
  Deno.bench(`one task with a dependency of ${mib} MiB`, async () => await run([[big]]));
}

Deno.bench("start and close of a thread", async () => {
  await using _ = await ThreadExecutor.start({ nthreads: 1, onOutcomes: () => {} });
});

globalThis.addEventListener("unload", () => void executor.close());
