/** A choice of the matrix in which all pairs of values occur; `deno task test:matrix` runs the whole product. */

import { assert, assertEquals } from "@std/assert";
import { allCases, pairwise, titleOf } from "./cases.ts";
import { Matrix } from "./run.ts";

Deno.test("pairwise chooses few cases, and every value of each field is in them", () => {
  const all = allCases(true);
  const chosen = pairwise(all);
  assert(chosen.length * 10 < all.length, `${chosen.length} of ${all.length}`);
  assertEquals(new Set(chosen.map(({ kind }) => kind.name)), new Set(all.map(({ kind }) => kind.name)));
  assertEquals(new Set(chosen.map(({ key }) => key)), new Set(["ec", "rsa", "ed25519"]));
  assertEquals(new Set(chosen.flatMap(({ parties }) => Object.values(parties))).size, 4);
});

Deno.test("Links with every kind of certificate and file, to every peer, end as the table says", async () => {
  const python = Deno.env.get("DASK_PYTHON");
  const cases = pairwise(allCases(python !== undefined));
  await using matrix = await Matrix.start(python);
  const results = await matrix.run(cases);
  assertEquals(results.length, cases.length);
  assertEquals(
    results.flatMap(({ case: one, differences }) => differences.map((what) => `${titleOf(one)}: ${what}`)),
    [],
  );
});
