/**
 * Runs cases of the matrix, and prints what was expected and what was seen.
 *
 * Our ends are the public roles, and whole programs; Python's are distributed's roles. OpenSSL and Deno's own
 * TLS are told what to say, so that the role at the other end does what it does with a peer of Dask's. An end
 * counts as linked when a message of the other came through, and says with which TLS version; else it counts
 * what the role tells its user: why it does not start, its error, or its log.
 *
 * Run by `deno task test:matrix`; `--pairwise` runs a choice and all programs, `--without-python` leaves
 * Python out, and any other word keeps the cases whose title has it.
 *
 * @module
 */

import { forgedKey } from "../pki/pki.ts";
import { pythonWithDask } from "../../tools/interop.ts";
import { say } from "../../tools/run.ts";
import {
  allCases,
  type Case,
  ENDS,
  expectedOf,
  holdingOf,
  isLibrary,
  isProgram,
  pairwise,
  titleOf,
} from "./cases.ts";
import { KINDS } from "./expected.ts";
import type { End, Holding } from "./kind.ts";
import { writeFiles } from "./files.ts";
import type { Dialled, EndOptions, Listening, Seen } from "./ends.ts";
import { Parties } from "./parties.ts";
import { KEY_TYPES, type KeyType, MatrixPki } from "./pki.ts";

/** Cases at once. */
const AT_ONCE = 10;
const IDLE: Seen = { how: "idle", text: "" };
const NOWHERE: Listening = { port: 1, seen: () => Promise.resolve(IDLE), close: () => Promise.resolve() };

/** What became of a case. */
export interface Result {
  /** Which. */
  readonly case: Case;
  /** Both ends. */
  readonly seen: Readonly<Record<End, Seen>>;
  /** What differs from the expected, in words. */
  readonly differences: readonly string[];
}

/** Certificates and processes for cases. */
export class Matrix implements AsyncDisposable {
  readonly #folder: string;
  readonly #pkis: ReadonlyMap<KeyType, MatrixPki>;
  readonly #parties: Parties;
  #id = 0;

  private constructor(folder: string, pkis: ReadonlyMap<KeyType, MatrixPki>, parties: Parties) {
    this.#folder = folder;
    this.#pkis = pkis;
    this.#parties = parties;
  }

  /** Makes certificates and starts processes. */
  static async start(python: string | undefined): Promise<Matrix> {
    const folder = await Deno.makeTempDir({ prefix: "dask-matrix-" });
    try {
      const pkis = await Promise.all(
        KEY_TYPES.map(async (type) => [type, await MatrixPki.make(folder, type)] as const),
      );
      for (const [type, pki] of pkis) {
        if (type === "ec") await forge(pki, "good", "v1-leaf");
        await writeFiles(pki, type);
      }
      return new Matrix(folder, new Map(pkis), new Parties(python));
    } catch (error) {
      await Deno.remove(folder, { recursive: true });
      throw error;
    }
  }

  /** Runs cases, some at once; `done` is told of each. */
  async run(cases: readonly Case[], done?: (result: Result) => void): Promise<readonly Result[]> {
    const results: Result[] = [];
    const left = cases.values();
    const worker = async (): Promise<void> => {
      for (const one of left) {
        const result = await this.#run(one).catch((error): Result => ({
          case: one,
          seen: { dialler: IDLE, listener: IDLE },
          differences: [String(error)],
        }));
        results.push(result);
        done?.(result);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return results;
  }

  async #run(one: Case): Promise<Result> {
    const id = ++this.#id;
    const { parties } = one;
    const expected = expectedOf(one);
    // Nobody comes: it need not listen. A dialler that comes after all finds nobody, and that is a
    // difference.
    const listening = expected.listener.how === "idle"
      ? NOWHERE
      : await this.#parties.listen(parties.listener, this.#end(one, "listener", id));
    let dialled: Dialled | undefined;
    let listener: Seen = IDLE;
    try {
      if (listening.port !== undefined) {
        dialled = await this.#parties.dial(parties.dialler, this.#end(one, "dialler", id), listening.port);
      }
      const { seen = IDLE } = dialled ?? {};
      if (seen.how !== "start") listener = await listening.seen(seen, expected.listener.text);
    } finally {
      await dialled?.close();
      await listening.close();
    }
    const seen = { dialler: dialled?.seen ?? IDLE, listener };
    const differences = [...compare(one, seen), ...misnamed(seen[one.odd], this.#end(one, one.odd, id))];
    return { case: one, seen, differences };
  }

  #end(one: Case, end: End, id: number): EndOptions {
    const { kind, odd, roles, version } = one;
    const pki = this.#pkis.get(one.key);
    if (pki === undefined) throw new Error(`no certificates with ${one.key} keys`);
    const holding: Holding = end === odd
      ? holdingOf(kind, odd)
      : { ...kind.judge, cert: "good", key: "leaf" };
    const { cert, key, ca = "root", crl, revoked, inMemory = false } = holding;
    const paths = {
      ca: pki.file(end === odd ? ca : kind.trusts),
      ...cert !== undefined && { cert: pki.file(cert) },
      ...key !== undefined && { key: pki.key(key === "forged" ? `forged-${cert}` : key) },
    };
    return {
      id,
      role: roles[end],
      whom: roles[end === "dialler" ? "listener" : "dialler"],
      version,
      value: `matrix-${id}`,
      inMemory,
      ...paths,
      ...crl !== undefined && { crl: pki.list(crl) },
      ...revoked !== undefined && { revoked: pki.fingerprint(revoked) },
      ...end === odd && kind.denied !== undefined && { denied: paths[kind.denied] },
    };
  }

  /** Ends processes, removes certificates. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parties[Symbol.asyncDispose]();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

async function forge(pki: MatrixPki, ...names: readonly string[]): Promise<void> {
  for (const name of names) {
    await Deno.writeTextFile(
      pki.key(`forged-${name}`),
      await forgedKey(await Deno.readTextFile(pki.file(name))),
    );
  }
}

function compare(one: Case, seen: Readonly<Record<End, Seen>>): readonly string[] {
  const expected = expectedOf(one);
  return ENDS.flatMap((end) => {
    const [wanted, got] = [expected[end], seen[end]];
    if (wanted.how !== got.how) return [`${end}: expected ${wanted.how}, seen ${got.how} ${shown(got.text)}`];
    return wanted.text.test(got.text) ? [] : [`${end}: expected ${wanted.text}, seen ${shown(got.text)}`];
  });
}

/** A role that does not start names the file that is at fault: one that it was given. */
function misnamed({ how, text }: Seen, { ca, cert, key, crl }: EndOptions): readonly string[] {
  const [, file] = text.match(/ file "([^"]*)"/) ?? [];
  if (how !== "start" || file === undefined || [ca, cert, key, crl].includes(file)) return [];
  return [`the file "${file}" was not given`];
}

function shown(text: string): string {
  return JSON.stringify(text.length > 600 ? `${text.slice(0, 300)} … ${text.slice(-300)}` : text);
}

/** A line per kind and peers: cases, what was expected, and how often it was seen. */
export function table(results: readonly Result[]): readonly string[] {
  const rows: string[][] = [[
    "odd end holds",
    "at the",
    "dialler -> listener",
    "expected",
    "cases",
    "as expected",
  ]];
  for (const { name } of KINDS) {
    const ofKind = results.filter((result) => result.case.kind.name === name);
    const groups = Map.groupBy(
      ofKind,
      ({ case: { odd, parties } }) => `${odd}|${parties.dialler} -> ${parties.listener}`,
    );
    for (const [group, members] of groups) {
      const [odd = "", peers = ""] = group.split("|");
      const first = members[0];
      if (first === undefined) continue;
      const { dialler, listener } = expectedOf(first.case);
      const same = members.filter(({ differences }) => differences.length === 0).length;
      rows.push([name, odd, peers, `${dialler.how} / ${listener.how}`, String(members.length), String(same)]);
    }
  }
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0))) ?? [];
  return rows.map((row) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  ").trimEnd());
}

async function main(args: readonly string[]): Promise<number> {
  const started = performance.now();
  const words = args.filter((arg) => !arg.startsWith("--"));
  const python = args.includes("--without-python")
    ? undefined
    : Deno.env.get("DASK_PYTHON") ?? await pythonWithDask();
  const all = allCases(python !== undefined).filter((one) =>
    words.every((word) => titleOf(one).includes(word))
  );
  const cases = args.includes("--pairwise")
    ? [...pairwise(all.filter(isLibrary)), ...all.filter(isProgram)]
    : all;
  await using matrix = await Matrix.start(python);
  let count = 0;
  const results = await matrix.run(cases, (result) => {
    for (const difference of result.differences) say(`DIFFERENT ${titleOf(result.case)}\n  ${difference}`);
    if (++count % 200 === 0) say(`${count} of ${cases.length}`);
  });
  for (const line of table(results)) say(line);
  const different = results.filter(({ differences }) => differences.length > 0).length;
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  say(`\n${results.length} cases, expected = seen in ${results.length - different}, in ${seconds} s`);
  say(`${different} differences`);
  say(`\n${results.length - different} passed, ${different} failed`);
  return different === 0 && results.length > 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
