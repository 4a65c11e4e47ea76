/**
 * Settings that are unknown or have no effect: a warning, or an error where a typo would weaken security.
 *
 * @module
 */

import { nearest } from "../internal/nearest.ts";
import type { ConfigLayer } from "./config.ts";
import { DEFAULTS, FREE_SECTIONS, OUTER_SECTIONS, UNUSED } from "./defaults.ts";
import { ConfigError } from "./errors.ts";
import { type ConfigSection, isSection, leaves, plainPath } from "./tree.ts";

const KNOWN: readonly string[] = leaves(DEFAULTS).map(([path]) => plainPath(path));
/** `authorization` is a list of rules, or a section that has them. */
const RULES = "distributed.comm.tls.authorization.rules";
/** With a misspelt name there, links would be open to all, or peers could take what they like. */
const STRICT: readonly (readonly [section: string, known: readonly string[]])[] = [
  "distributed.comm.tls",
  "distributed.comm.limits",
].map((section) => [section, [...KNOWN, RULES].filter((path) => isBelow(path, section))]);

/** Refuses what is unknown in a section where a slip would cost security. */
export function checkStrictKeys({ source, settings }: ConfigLayer): void {
  for (const [section, known] of STRICT) {
    refuseDottedKeys(section, source, settings);
    for (const [given, value] of leaves(settings)) checkStrictKey(section, known, source, given, value);
  }
  for (const [given] of leaves(settings)) checkMisplaced(source, given);
}

/** Parts of names that ask for TLS, and sections that may be indented wrongly. */
const TLS_PARTS: readonly string[] = ["tls", "ca-file", "require-encryption"];
const MISPLACED = /^(?:distributed|comm|tls|security)(?:\.|$)/;

/** Who asks for TLS in the wrong place must not get plain text for it. */
function checkMisplaced(source: string, given: string): void {
  const path = plainPath(given);
  if (!MISPLACED.test(path) || isUsed(path) || UNUSED.some((known) => isBelow(path, known))) return;
  const parts = path.split(".");
  if (!TLS_PARTS.some((part) => parts.includes(part))) return;
  const wanted = parts.at(-1) === "require-encryption"
    ? "distributed.comm.require-encryption"
    : "distributed.comm.tls";
  throw new ConfigError(
    `Unknown setting "${given}" in ${source}, which would be without effect: TLS is set below "${wanted}"`,
  );
}

function checkStrictKey(
  section: string,
  known: readonly string[],
  source: string,
  given: string,
  value: unknown,
): void {
  const path = plainPath(given);
  if (!isBelow(path, section) || known.includes(path)) return;
  if (value === null || (isSection(value) && Object.keys(value).length === 0)) {
    // A headline with nothing below is no slip.
    if (path === section || known.some((one) => one.startsWith(`${path}.`))) return;
  }
  const guess = nearestPath(path, known);
  throw new ConfigError(
    `Unknown setting "${given}" in ${source}: ${
      guess === undefined ? `known are ${known.join(", ")}` : `did you mean "${guess}"?`
    }`,
  );
}

/** A key with dots is no path, in Dask neither: what it says would be without effect. */
function refuseDottedKeys(
  strict: string,
  source: string,
  section: ConfigSection,
  prefix = "",
  isDotted = false,
): void {
  for (const [key, value] of Object.entries(section)) {
    const path = `${prefix}${key}`;
    const dotted = isDotted || key.includes(".");
    if (dotted && plainPath(path).startsWith(`${strict}.`)) {
      throw new ConfigError(
        `Setting "${path}" in ${source} is written with dots, and would have no effect: nest it, a line for each part`,
      );
    }
    if (isSection(value)) refuseDottedKeys(strict, source, value, `${path}.`, dotted);
  }
}

/** What is to be told of settings that do nothing; nothing if all do something. */
export function uselessSettings(layers: readonly ConfigLayer[]): string | undefined {
  const unused: string[] = [];
  const unknown: string[] = [];
  for (const { source, settings } of layers) {
    for (const [given] of leaves(settings)) {
      const path = plainPath(given);
      if (isUsed(path)) continue;
      if (UNUSED.some((known) => isBelow(path, known))) unused.push(`${given} (${source})`);
      else {
        const guess = nearestPath(path, [...KNOWN, ...UNUSED, ...OUTER_SECTIONS]);
        if (guess === undefined && !path.startsWith("distributed.")) continue; // Dask's collections have their own
        unknown.push(`${given} (${source}${guess === undefined ? "" : `; did you mean ${guess}?`})`);
      }
    }
  }
  const texts = [
    ...unused.length === 0 ? [] : [`Settings of Dask that have no effect here: ${unused.join(", ")}`],
    ...unknown.length === 0 ? [] : [`Unknown settings: ${unknown.join(", ")}`],
  ];
  return texts.length === 0 ? undefined : texts.join(". ");
}

/**
 * The path of `known` that may have been meant: the parts up to the first that is wrong are as they should
 * be.
 */
function nearestPath(path: string, known: readonly string[]): string | undefined {
  const parts = path.split(".");
  let prefix = "";
  for (const part of parts) {
    const inner = known.filter((one) => one.startsWith(prefix)).map((one) => one.slice(prefix.length));
    const names = new Set(inner.map((one) => one.split(".", 1)[0] ?? ""));
    if (!names.has(part)) {
      const guess = nearest(part, [...names]);
      return guess === undefined ? undefined : `${prefix}${guess}`;
    }
    prefix += `${part}.`;
  }
  return undefined;
}

function isUsed(path: string): boolean {
  if (isBelow(path, "logging")) return true;
  return FREE_SECTIONS.some((section) => isBelow(path, section)) || KNOWN.includes(path) ||
    path === RULES || KNOWN.some((known) => known.startsWith(`${path}.`));
}

function isBelow(path: string, section: string): boolean {
  return path === section || path.startsWith(`${section}.`);
}
