import { assertEquals, assertRejects } from "@std/assert";
import type { Address } from "../messages/common.ts";
import { serializeValue } from "../protocol/values.ts";
import { copiesOf, scatterToWorkers, type Values } from "./scatter_to_workers.ts";

const WORKERS = ["a", "b", "c"] as Address[];
const VALUES = { x: serializeValue(1), y: serializeValue(2) };

function listed(whoHas: ReadonlyMap<string, readonly string[]>): Record<string, readonly string[]> {
  return Object.fromEntries(whoHas);
}

/** Takes note of what workers are given; those that `refuse` take nothing. */
function recorder(...refuse: string[]) {
  const given: [string, string[]][] = [];
  const give = (worker: Address, values: Values) => {
    given.push([worker, Object.keys(values)]);
    return Promise.resolve(!refuse.includes(worker));
  };
  return { given, give };
}

Deno.test("scatterToWorkers gives keys to workers in turn", async () => {
  const { given, give } = recorder();
  const whoHas = await scatterToWorkers(VALUES, WORKERS, 1, 2, give);
  assertEquals(listed(whoHas), { x: ["c"], y: ["a"] });
  assertEquals(given, [["c", ["x"]], ["a", ["y"]]]);
});

Deno.test("scatterToWorkers asks a worker once for all that it is to hold", async () => {
  const { given, give } = recorder();
  const whoHas = await scatterToWorkers(VALUES, WORKERS, 3, 0, give);
  assertEquals(Array.from(whoHas.values(), (holders) => holders.toSorted()), [WORKERS, WORKERS]);
  assertEquals(given, [["a", ["x", "y"]], ["b", ["x", "y"]], ["c", ["x", "y"]]]);
});

Deno.test("scatterToWorkers tries the next workers in the place of those that take nothing", async () => {
  const { given, give } = recorder("a");
  const whoHas = await scatterToWorkers({ x: VALUES.x }, WORKERS, 2, 0, give);
  assertEquals(listed(whoHas), { x: ["b", "c"] });
  assertEquals(given.map(([worker]) => worker), ["a", "b", "c"]);
});

Deno.test("scatterToWorkers says that no worker holds what none took", async () => {
  const { given, give } = recorder("a", "b", "c");
  const whoHas = await scatterToWorkers({ x: VALUES.x }, WORKERS, 1, 1, give);
  assertEquals(listed(whoHas), { x: [] });
  assertEquals(given.map(([worker]) => worker), ["b", "c", "a"]);
});

Deno.test("scatterToWorkers ends with what a worker throws", async () => {
  const give = () => Promise.reject(new TypeError("broken"));
  await assertRejects(() => scatterToWorkers(VALUES, WORKERS, 1, 0, give), TypeError, "broken");
});

Deno.test("copiesOf is one without broadcast, all with it, and never more than there are workers", () => {
  const cases = [[false, 1], [true, 3], [1, 1], [2, 2], [2.5, 2], [0, 1], [-1, 1], [NaN, 1], [9, 3]] as const;
  for (const [broadcast, expected] of cases) assertEquals(copiesOf(broadcast, 3), expected);
});
