/**
 * Rows of the demo's tables.
 *
 * @module
 */

import type { Address, Future, Key, TlsInfo } from "../../mod.ts";
import type { WordStatistics } from "./words.ts";

/** A link between two roles, as one of them sees it. */
export interface Link {
  /** Name of the role that dialled. */
  readonly from: string;
  /** Name of the role that was dialled. */
  readonly to: string;
  /** TLS facts as the role that dialled sees them. */
  readonly tls: TlsInfo;
}

/** The most frequent words. */
export function wordRows(total: WordStatistics, count: number): [string, number][] {
  return Object.entries(total.counts)
    .filter(([word]) => word.length > 3)
    .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .slice(0, count);
}

/** Futures of the tasks. */
export interface Futures {
  /** Paths, one per leaf. */
  readonly files: readonly string[];
  /** Counts of single files. */
  readonly leaves: readonly Future<unknown>[];
  /** Sums, level by level. */
  readonly levels: readonly (readonly Future<unknown>[])[];
  /** Parts of the picture. */
  readonly bands: readonly Future<unknown>[];
  /** The picture. */
  readonly picture: Future<unknown>;
}

/** Each task and the worker that computed it: the first that held its result. */
export function placeRows(
  { files, leaves, levels, bands, picture }: Futures,
  rowsPerBand: number,
  whoHas: Readonly<Record<Key, readonly Address[]>>,
  names: ReadonlyMap<string, string>,
): [string, string][] {
  const place = (future: Future<unknown>) => {
    const [address = "?"] = whoHas[future.key] ?? [];
    return names.get(address) ?? address;
  };
  const prefix = commonFolder(files);
  return [
    ...leaves.map((leaf, i): [string, string] => [`count ${files[i]?.slice(prefix.length)}`, place(leaf)]),
    ...levels.flatMap((level, depth) =>
      level.map((node, i): [string, string] => [`merge ${depth + 1}.${i + 1}`, place(node)])
    ),
    ...bands.map((band, i): [string, string] => [`draw rows from ${i * rowsPerBand}`, place(band)]),
    ["join the picture", place(picture)],
  ];
}

/** One row per distinct link. */
export function linkRows(links: readonly Link[]): string[][] {
  const rows = links.map(({ from, to, tls }) => [
    from,
    to,
    tls.protocol,
    tls.cipher,
    `${tls.peer.name}, signed by ${tls.peer.issuer}`,
  ]);
  return [...new Map(rows.map((row) => [row.join("\n"), row])).values()];
}

function commonFolder(paths: readonly string[]): string {
  let prefix = paths[0]?.slice(0, paths[0].lastIndexOf("/") + 1) ?? "";
  for (const path of paths) {
    while (!path.startsWith(prefix)) prefix = prefix.slice(0, prefix.lastIndexOf("/", prefix.length - 2) + 1);
  }
  return prefix;
}
