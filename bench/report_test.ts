import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { type Measured, quantile, replaceSection, type Sizes, table } from "./report.ts";

const sizes: Sizes = {
  rounds: 3,
  tasks: 1000,
  leaves: 8,
  submits: 3,
  calls: 3,
  nbytes: 2 ** 20,
  transfers: 1,
};

/** Measurements of a cluster that is slower by `factor`. */
function measured(factor: number): Measured {
  const seconds = [4, 1, 2].map((s) => s * factor);
  return Object.fromEntries(
    ["mapGather", "tree", "latency", "rpc", "gatherBulk", "workerToWorker"].map((name) => [name, seconds]),
  );
}

Deno.test("quantile is the middle of an odd number of values, and the part below which the given part is", () => {
  assertEquals(quantile([3, 1, 2]), 2);
  assertEquals(quantile(Array.from({ length: 100 }, (_, i) => i), 0.99), 99);
  assertEquals(quantile([7], 0.99), 7);
  assert(Number.isNaN(quantile([])));
});

Deno.test("table tells rates and times, ratios in favour of the quicker one, and what TLS costs", () => {
  const runs = {
    python: { tcp: [measured(8)], tls: [measured(10)] },
    deno: { tcp: [measured(1), measured(1), measured(99)], tls: [measured(1.25)] },
  };
  const lines = table(runs, sizes).split("\n");
  const line = (start: string) => lines.find((one) => one.startsWith(`| ${start}`)) ?? "";
  assertEquals(
    line("map + gather of 1,000 tasks, new cluster | tls"),
    "| map + gather of 1,000 tasks, new cluster | tls | 25.0 tasks/s | 200 tasks/s | 8.0× | 25 % |",
  );
  assertMatch(line("submit → result, median | tcp"), /16,000 ms \| 2,000 ms \| 8\.0× \| {2}\|$/);
  assertMatch(line("submit → result, median | tls"), /20,000 ms \| 2,500 ms \| 8\.0× \| 25 % \|$/);
});

Deno.test("replaceSection puts a text between its markers, leaves the rest, and wants both markers", async () => {
  const path = await Deno.makeTempFile();
  const file = new URL(`file://${path}`);
  try {
    await Deno.writeTextFile(path, "before\n<!-- a: begin -->\nold\n<!-- a: end -->\nafter\n");
    await replaceSection(file, "a", "new");
    await replaceSection(file, "a", "newer");
    assertEquals(
      await Deno.readTextFile(path),
      "before\n<!-- a: begin -->\nnewer\n<!-- a: end -->\nafter\n",
    );
    await assertRejects(() => replaceSection(file, "b", "new"), Error, "<!-- b: begin -->");
  } finally {
    await Deno.remove(path);
  }
});
