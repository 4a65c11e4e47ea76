import { assert, assertEquals, assertRejects } from "@std/assert";
import { pathToFileURL } from "node:url";
import { readManifest } from "../package.ts";
import { runCampaign } from "./campaign.ts";
import type { Judged } from "./judge.ts";
import { score, survivors, table } from "./report.ts";

/** A checkout of one folder with one source and one test. */
async function checkout(source: string, test: string): Promise<URL> {
  const root = pathToFileURL(`${await Deno.makeTempDir({ prefix: "distributed-mutated-" })}/`);
  const { imports } = await readManifest();
  await Deno.mkdir(new URL("part/", root));
  const files = {
    "deno.json": JSON.stringify({ imports: { "fast-check": imports["fast-check"] } }),
    "part/part.ts": source,
    "part/part_test.ts": `import * as part from "./part.ts";
      function equal(a: unknown, b: unknown) { if (a !== b) throw new Error(a + " is not " + b); }
      ${test}`,
  };
  for (const [path, text] of Object.entries(files)) await Deno.writeTextFile(new URL(path, root), text);
  return root;
}

/** Returns the outcomes of the mutants of `source` by `test`, by `original → replacement`. */
async function outcomes(source: string, test: string, options?: JudgeOptions): Promise<Map<string, string>> {
  const judged = await judge(source, test, options);
  return new Map(
    judged.map(({ mutant, outcome }) => [`${mutant.original} → ${mutant.replacement}`, outcome]),
  );
}

interface JudgeOptions {
  readonly count?: number;
  readonly seed?: number;
  readonly longest?: number;
}

async function judge(
  source: string,
  test: string,
  { count = Infinity, seed = 1, longest = 5000 }: JudgeOptions = {},
): Promise<Judged[]> {
  const root = await checkout(source, test);
  try {
    return await runCampaign({
      root,
      folders: ["part"],
      count,
      seed,
      jobs: 1,
      longest,
      log: () => {},
    });
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("runCampaign tells mutants that tests notice from those that they don't", async () => {
  const found = await outcomes(
    `export function least(a: number, b: number): number { return a < b ? a : b; }
     export function never(): number { return 1 + 1; }`,
    `Deno.test("least gives the smaller one", () => equal(part.least(1, 2), 1));`,
  );
  assertEquals(found.get("a < b → a >= b"), "killed");
  assertEquals(found.get("a < b → false"), "killed");
  assertEquals(found.get("a < b → true"), "survived"); // no test has the smaller number second
  assertEquals(found.get("a < b → a <= b"), "survived"); // equivalent
  assertEquals(found.get("1 + 1 → 1 - 1"), "not reached");
});

Deno.test("runCampaign notices loops that do not end, within and around the mutant", async () => {
  const found = await outcomes(
    `export function count(most: number): number {
       let n = 0;
       while (n < most) n++;
       return n;
     }`,
    `Deno.test("count counts", () => equal(part.count(3), 3));`,
  );
  assertEquals(found.get("n++ → n--"), "timed out");
  assertEquals(found.get("n < most → false"), "killed");
});

Deno.test("runCampaign judges what is made once, at load or at first use, in processes of their own", async () => {
  const found = await outcomes(
    `export const names = new Set(["a"]);
     let made: number | undefined;
     export const lazy = (): number => made ??= 2 * 3;`,
    `Deno.test("names has a", () => equal(part.names.has("a"), true));
     Deno.test("lazy is 6", () => equal(part.lazy(), 6));`,
  );
  assertEquals(found.get('"a" → ""'), "killed");
  assertEquals(found.get("2 * 3 → 2 / 3"), "killed");
});

Deno.test("runCampaign does not blame a mutant for what an earlier one left behind", async () => {
  const found = await outcomes(
    `const seen: string[] = [];
     export function note(name: string): number {
       if (!seen.includes(name)) seen.push(name);
       return seen.length;
     }
     export function double(n: number): number { return n > 0 ? n * 2 : n * 2; }`,
    `Deno.test("note notes each name once", () => { part.note("a"); equal(part.note("a"), 1); });
     Deno.test("double doubles", () => { equal(part.note("a"), 1); equal(part.double(2), 4); });`,
  );
  assertEquals(found.get("!seen.includes(name) → true"), "killed");
  assertEquals(found.get("n > 0 → false"), "survived"); // equivalent
});

Deno.test("runCampaign runs steps and waits for tests, and takes uncaught errors for failures", async () => {
  const found = await outcomes(
    `export const stepped = (): number => 1 + 2;
     export const waited = (): number => 1 + 3;
     export const loose = (): number => 1 + 4;`,
    `Deno.test("steps", async (t) => { await t.step("one", () => equal(part.stepped(), 3)); });
     Deno.test({ name: "waits", fn: async () => { await 0; equal(part.waited(), 4); } });
     Deno.test("lets go", () => { Promise.resolve().then(() => equal(part.loose(), 5)); });
     Deno.test({ name: "is ignored", ignore: true, fn: () => equal(1, 2) });`,
  );
  assertEquals(found.get("1 + 2 → 1 - 2"), "killed");
  assertEquals(found.get("1 + 3 → 1 - 3"), "killed");
  assertEquals(found.get("1 + 4 → 1 - 4"), "killed");
});

Deno.test("runCampaign leaves out texts of errors, and checks of what holds anyway", async () => {
  const found = await outcomes(
    `function assert(held: boolean, why: string): void { if (!held) throw new Error("wrong: " + why); }
     function unreachable(value: never): never { throw new Error(String(value)); }
     function validateHalf(n: number): void { if (n > 100) throw new TypeError("large"); }
     export function half(n: number, by: "two" = "two"): number {
       assert(n % 2 === 0, "odd");
       validateHalf(n);
       switch (by) {
         case "two":
           return n / 2;
         default:
           return unreachable(by);
       }
     }`,
    `Deno.test("half halves", () => equal(part.half(4), 2));`,
  );
  assertEquals(found.get("n / 2 → n * 2"), "killed");
  for (const code of found.keys()) {
    assert(!/^("wrong|"odd|assert|n % 2|n > 100|default:|return unr)/.test(code), code);
  }
});

Deno.test("runCampaign does without tests that take too long", async () => {
  const found = await outcomes(
    `export const slow = (): number => 1 + 2;`,
    `Deno.test("slow is 3", () => {
       for (const start = performance.now(); performance.now() - start < 200;);
       equal(part.slow(), 3);
     });`,
    { longest: 100 },
  );
  assertEquals(found.get("1 + 2 → 1 - 2"), "not reached");
});

Deno.test("runCampaign refuses tests that fail anyway", async () => {
  const source = "export const one = (): number => 1 + 0;";
  const test = `Deno.test("one is two", () => equal(part.one(), 2));`;
  await assertRejects(() => judge(source, test), Error, "one is two: Error: 1 is not 2");
});

Deno.test("runCampaign draws as many mutants as asked, by the seed; the report counts and names them", async () => {
  const source = "export const sum = (a: number, b: number): number => a + b + (a > b ? 0 : 0);";
  const test = `Deno.test("sum adds", () => equal(part.sum(1, 2), 3));`;
  const drawn = async (seed: number): Promise<string[]> =>
    (await judge(source, test, { count: 3, seed })).map(({ mutant }) => mutant.id);
  assertEquals((await drawn(1)).length, 3);
  assertEquals(await drawn(1), await drawn(1));
  const all = await judge(source, test);
  const left = survivors(all);
  assert(left.includes("part/part.ts:1:63 EqualityOperator: a > b → a <= b"), left.join("\n"));
  assertEquals(score(all), 1 - left.length / all.length);
  const [, row] = table(all, ["part"]).split("\n");
  assertEquals(row?.trim().split(/ +/).slice(0, 2), ["part", String(all.length)]);
});
