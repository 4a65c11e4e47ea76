/**
 * A whole mutation run: creates mutants, draws a sample, and judges each by the tests of its folder.
 *
 * @module
 */

import { Random } from "../../testing/random.ts";
import { instrument, type Mutant } from "./instrument.ts";
import { type Judged, judgeMutants } from "./judge.ts";
import { describe, isNoticed } from "./report.ts";
import { readFolder, Tree } from "./tree.ts";

/** Options of a run. */
export interface CampaignOptions {
  /** The checkout. */
  readonly root: URL;
  /** Folders whose files are mutated, and whose tests judge. */
  readonly folders: readonly string[];
  /** Number of mutants. */
  readonly count: number;
  /** Seed of the sample. */
  readonly seed: number;
  /** Number of processes that run tests. */
  readonly jobs: number;
  /** Milliseconds; tests that take longer without a mutant are not used. */
  readonly longest: number;
  /** Called with lines about the progress. */
  readonly log: (line: string) => void;
}

/**
 * Creates mutants and judges them.
 *
 * @throws {Error} If a test fails without a mutant.
 */
export async function runCampaign(options: CampaignOptions): Promise<Judged[]> {
  const { root, count, seed, jobs, longest, log } = options;
  const folders = await Promise.all(
    options.folders.map(async (folder) => ({ folder, ...await readFolder(root, folder) })),
  );
  const { files, mutants } = await instrument(folders.flatMap(({ sources }) => sources));
  const drawn = draw(mutants, count, seed);
  log(`${drawn.length} of ${mutants.length} mutants, seed ${seed}`);
  await using tree = await Tree.copy(root);
  await tree.write(files);
  const judged: Judged[] = [];
  for (const { folder, tests } of folders) {
    const own = drawn.filter(({ path }) => path.startsWith(`${folder}/`));
    if (own.length === 0) continue;
    const started = performance.now();
    const onJudged = (one: Judged): void => {
      if (!isNoticed(one)) log(describe(one));
    };
    judged.push(...await judgeMutants({ root: tree.url, tests, mutants: own, jobs, longest, onJudged }));
    log(`${folder}: ${own.length} mutants in ${((performance.now() - started) / 1000).toFixed(0)} s`);
  }
  return judged;
}

function draw(mutants: readonly Mutant[], count: number, seed: number): Mutant[] {
  const random = new Random(seed);
  const left = [...mutants];
  const drawn: Mutant[] = [];
  while (drawn.length < count && left.length > 0) drawn.push(...left.splice(random.below(left.length), 1));
  return drawn;
}
