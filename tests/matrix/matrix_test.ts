/**
 * A choice of the matrix in which all pairs of values occur; `deno task test:matrix` runs the whole product.
 */

import { assert, assertEquals } from "@std/assert";
import { allCases, isLibrary, isProgram, pairwise, titleOf } from "../../testing/matrix/cases.ts";
import { KINDS } from "../../testing/matrix/expected.ts";
import { Matrix } from "../../testing/matrix/run.ts";

Deno.test("pairwise chooses few cases, and every value of each field is in them", () => {
  const all = allCases(true).filter(isLibrary);
  const chosen = pairwise(all);
  assert(chosen.length * 10 < all.length, `${chosen.length} of ${all.length}`);
  assertEquals(new Set(chosen.map(({ kind }) => kind.name)), new Set(all.map(({ kind }) => kind.name)));
  assertEquals(new Set(chosen.map(({ key }) => key)), new Set(["ec", "rsa", "ed25519"]));
  assertEquals(new Set(chosen.flatMap(({ parties }) => Object.values(parties))).size, 4);
});

Deno.test("allCases tries scheduler, worker and client as programs with every kind that flags can name", () => {
  const programs = allCases(false).filter(isProgram);
  const unnameable = ["PEM texts in memory", "forged key", "forged key, v1"];
  for (
    const [role, odd] of [["scheduler", "listener"], ["worker", "dialler"], ["client", "dialler"]] as const
  ) {
    const tried = programs.filter((one) => one.odd === odd && one.roles[odd] === role);
    const kinds = new Set([...tried.map(({ kind }) => kind.name), ...unnameable]);
    assertEquals(kinds, new Set(KINDS.map(({ name }) => name)), role);
  }
});

Deno.test("Links with every kind of certificate and file, to every peer, end as the table says", async () => {
  const python = Deno.env.get("DASK_PYTHON");
  const cases = pairwise(allCases(python !== undefined).filter(isLibrary));
  await using matrix = await Matrix.start(python);
  const results = await matrix.run(cases);
  assertEquals(results.length, cases.length);
  assertEquals(
    results.flatMap(({ case: one, differences }) => differences.map((what) => `${titleOf(one)}: ${what}`)),
    [],
  );
});
