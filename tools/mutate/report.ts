/**
 * Reports of a mutation run.
 *
 * @module
 */

import type { Judged, Outcome } from "./judge.ts";

/** Whether a test noticed the mutant. */
export function isNoticed({ outcome }: Judged): boolean {
  return outcome === "killed" || outcome === "timed out";
}

/** Share of noticed mutants, from 0 to 1. */
export function score(judged: readonly Judged[]): number {
  return judged.length === 0 ? 1 : judged.filter(isNoticed).length / judged.length;
}

/** A table: a row per folder, and one for all. */
export function table(judged: readonly Judged[], folders: readonly string[]): string {
  const header = ["folder", "mutants", "killed", "timed out", "survived", "not reached", "score"];
  const rows = folders.map((folder) =>
    row(folder, judged.filter(({ mutant }) => mutant.path.startsWith(`${folder}/`)))
  );
  const lines = [header, ...rows, ...(folders.length > 1 ? [row("all", judged)] : [])];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  return lines.map((line) =>
    line.map((cell, i) => i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)).join("  ")
  ).join("\n");
}

function row(name: string, judged: readonly Judged[]): string[] {
  const count = (outcome: Outcome): string => String(judged.filter((one) => one.outcome === outcome).length);
  const counts = (["killed", "timed out", "survived", "not reached"] as const).map(count);
  return [name, String(judged.length), ...counts, `${(100 * score(judged)).toFixed(1)} %`];
}

/** Mutants that no test noticed, in the order of the files. */
export function survivors(judged: readonly Judged[]): string[] {
  const left = judged.filter((one) => !isNoticed(one));
  left.sort(({ mutant: a }, { mutant: b }) =>
    a.path === b.path ? a.line - b.line || a.column - b.column : a.path < b.path ? -1 : 1
  );
  return left.map(describe);
}

/** A mutant in one line. */
export function describe({ mutant, outcome }: Judged): string {
  const { path, line, column, kind, original, replacement } = mutant;
  const change = `${short(original)} → ${short(replacement) || "nothing"}`;
  return `${path}:${line}:${column} ${kind}: ${change}${outcome === "not reached" ? " (not reached)" : ""}`;
}

function short(code: string): string {
  const flat = code.replace(/\s+/g, " ");
  return flat.length <= 100 ? flat : `${flat.slice(0, 60)} … ${flat.slice(-35)}`;
}
