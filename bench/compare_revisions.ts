/**
 * Compares two revisions of this package, in turn on one machine. A row is slower if its median is slower by
 * more than 5 % and by more than its quartile distance. Micro-benchmarks are matched by group and name. Rows
 * that look slower are measured for the same number of rounds again, and judged by all rounds.
 *
 * `deno task bench:compare BEFORE [NOW] [--rounds N] [--part clusters|micro] [--json FILE]`, in a checkout
 * with git; `NOW` is the working tree by default. Ends with 1 if a median is slower.
 *
 * @module
 */

import { oneOf, parseFlags, UsageError, wholeNumber } from "../cli/flags.ts";
import { say } from "../tools/run.ts";
import { makeCertificates } from "./clusters.ts";
import { machine, today } from "./report.ts";
import { copyRevision, prepare, type Revision } from "./revisions.ts";
import { clusterSubject, microSubjects, type Subject } from "./subjects.ts";
import { isSlower, Rounds, type Row, type Side, verdictTable } from "./verdict.ts";

/** A row with a larger quartile distance is noisy. */
const NOISE_MAX = 0.25;

/** Result of a comparison. */
interface Result {
  readonly rows: readonly Row[];
  /** Names of rows that only the earlier revision has. */
  readonly onlyBefore: readonly string[];
  /** Names of rows that only the later revision has. */
  readonly onlyNow: readonly string[];
}

/** Measures all subjects in each of `count` rounds. Returns the names of the rows of each subject. */
async function measure(
  subjects: readonly Subject[],
  count: number,
  what: string,
  into: Rounds,
): Promise<ReadonlyMap<Subject, ReadonlySet<string>>> {
  const names = new Map(subjects.map((subject) => [subject, new Set<string>()]));
  for (let round = 1; round <= count; round++) {
    for (const [subject, given] of names) {
      say(`${what} ${round} of ${count}: ${subject.title}`);
      for (const { side, samples } of await subject.measure(ORDERS[round % 2] ?? [])) {
        into.add(side, samples);
        for (const { name } of samples) given.add(name);
      }
    }
  }
  return names;
}

/** The order changes with each round. */
const ORDERS: readonly (readonly Side[])[] = [["now", "before"], ["before", "now"]];

/**
 * Measures all subjects. Rows that look slower are measured for the same number of rounds again, and judged
 * by all rounds.
 */
async function compare(subjects: readonly Subject[], count: number): Promise<Result> {
  const rounds = new Rounds();
  const names = await measure(subjects, count, "round", rounds);
  const slower = rounds.rows().filter(isSlower);
  const doubtful = subjects.filter((subject) => slower.some(({ name }) => names.get(subject)?.has(name)));
  await measure(doubtful, count, "looks slower, round", rounds);
  return { rows: rounds.rows(), onlyBefore: rounds.only("before"), onlyNow: rounds.only("now") };
}

/** Prints the result. */
function show(facts: string, { rows, onlyBefore, onlyNow }: Result): void {
  say(`\n${facts}\n\n${verdictTable(rows, "median")}\n\n${verdictTable(rows, "p99")}`);
  if (onlyBefore.length > 0) say(`\nonly before: ${onlyBefore.join("; ")}`);
  if (onlyNow.length > 0) say(`\nonly now: ${onlyNow.join("; ")}`);
  const medians = rows.filter(({ statistic }) => statistic === "median");
  const noisy = medians.filter(({ quartileDistance }) => quartileDistance > NOISE_MAX);
  if (noisy.length > 0) {
    say(
      `\nThe quartile distance of ${noisy.length} of ${medians.length} medians is above ${
        100 * NOISE_MAX
      } %: ` +
        "an idle machine would tell more.",
    );
  }
  const slower = rows.filter(isSlower).map(({ name }) => name);
  say(slower.length === 0 ? "\nNo median is slower." : `\n${slower.length} slower: ${slower.join("; ")}`);
}

const { text, positional } = parseFlags(Deno.args, {
  rounds: { type: "string", value: "N", help: "Rounds [5]" },
  part: { type: "string", value: "clusters|micro", help: "Only this part" },
  json: { type: "string", value: "FILE", help: "Writes all numbers to this file" },
});
const count = wholeNumber("rounds", text["rounds"] ?? "5", 3, 100);
const part = text["part"] === undefined ? undefined : oneOf("part", text["part"], ["clusters", "micro"]);
const [beforeName, nowName] = positional;
if (beforeName === undefined || positional.length > 2) {
  throw new UsageError("deno task bench:compare BEFORE [NOW]: one or two revisions, as git names them");
}

await using stack = new AsyncDisposableStack();
const folder = await Deno.makeTempDir({ prefix: "distributed-revisions-" });
stack.defer(() => Deno.remove(folder, { recursive: true }));
const copy = async (side: Side, name: string | undefined): Promise<Revision> => {
  const root = new URL(`file://${folder}/${side}/`);
  const revision = await copyRevision(new URL("../", import.meta.url), root, name);
  await prepare(revision);
  return revision;
};
const revisions = { before: await copy("before", beforeName), now: await copy("now", nowName) };
const certificates = stack.use(await makeCertificates());
const subjects = [
  ...part === "micro" ? [] : [
    clusterSubject(revisions, "tls", certificates),
    clusterSubject(revisions, "tcp", certificates),
  ],
  ...part === "clusters" ? [] : microSubjects(revisions),
];
const load = () => (Deno.loadavg()[0] ?? 0).toFixed(2);
const loadBefore = load();
const result = await compare(subjects, count);
const facts =
  `Before: ${revisions.before.title}. Now: ${revisions.now.title}. ${await machine()}; ${today()}. ` +
  `${count} rounds in turn; load before: ${loadBefore}, after: ${load()}.`;
show(facts, result);
if (text["json"] !== undefined) {
  await Deno.writeTextFile(text["json"], `${JSON.stringify({ facts, ...result }, null, 2)}\n`);
}
if (result.rows.some(isSlower)) Deno.exitCode = 1;
