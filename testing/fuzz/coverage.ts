/**
 * Which code the fuzzer ran: lines and branches of what a peer's bytes reach, as a table.
 *
 * @module
 */

import { runToEnd } from "../processes.ts";

const ROOT = new URL("../..//", import.meta.url);

/**
 * What a peer's bytes reach, from the outside in. A file counts for the first part that has it, or its
 * folder.
 */
const PARTS: readonly (readonly [part: string, places: readonly string[]])[] = [
  ["links", [
    "comm/limits/admission.ts",
    "transport/byte_stream.ts",
    "comm/listen.ts",
    "transport/tcp.ts",
    "security/live/admission.ts",
    "transport/tls/inbox.ts",
    "transport/tls/node_stream.ts",
    "transport/tls/node_tls.ts",
    "security/policy.ts",
    "transport/tls/slices.ts",
  ]],
  ["handshake, framing", ["comm/handshake.ts", "comm/stream_comm.ts", "protocol/frames.ts"]],
  ["protocol", ["protocol/"]],
  ["messages", ["messages/"]],
  ["dispatch", [
    "rpc/guard.ts",
    "rpc/handlers.ts",
    "rpc/batched.ts",
    "rpc/fairness/backlog.ts",
    "rpc/server.ts",
    "rpc/stream.ts",
  ]],
  ["scheduler's handlers", [
    "scheduler/access.ts",
    "scheduler/event_log.ts",
    "scheduler/gather.ts",
    "scheduler/identity.ts",
    "scheduler/operations.ts",
    "scheduler/peers.ts",
    "scheduler/scatter.ts",
    "scheduler/shell.ts",
  ]],
  ["scheduler's state", ["scheduler/state/"]],
  ["worker's handlers", [
    "worker/commands.ts",
    "worker/operations.ts",
    "worker/performer.ts",
    "worker/memory/memory_store.ts",
    "worker/operands.ts",
  ]],
  ["worker's state", ["worker/state/"]],
  ["client's state", ["client/state/"]],
];

/** Files that are named per part. */
const NAMED = 3;

/** Lines and branches, those that were run and all. */
export interface Coverage {
  /** Path from the root. */
  readonly path: string;
  /** Lines that were run, and lines. */
  readonly lines: readonly [run: number, all: number];
  /** Branches that were run, and branches. */
  readonly branches: readonly [run: number, all: number];
}

/** Coverage by file from what `deno run --coverage` wrote to `folder`. */
export async function coverageOf(folder: string): Promise<Coverage[]> {
  const { code, stdout, stderr } = await runToEnd({
    command: [Deno.execPath(), "coverage", "--lcov", folder],
    cwd: ROOT,
  });
  if (code !== 0) throw new Error(`deno coverage ended with ${code}: ${stderr}`);
  return parseLcov(stdout, ROOT);
}

/** Reads a report in the format of lcov. */
export function parseLcov(text: string, root: URL): Coverage[] {
  const found: Coverage[] = [];
  for (const record of text.split("end_of_record")) {
    const field = (name: string) => new RegExp(`^${name}:(.*)$`, "m").exec(record)?.[1];
    const path = field("SF");
    if (path === undefined) continue;
    const number = (name: string) => Number(field(name) ?? 0);
    found.push({
      path: path.replace(root.pathname, "").replaceAll("\\", "/"),
      lines: [number("LH"), number("LF")],
      branches: [number("BRH"), number("BRF")],
    });
  }
  return found;
}

/** A table by part; with `isLong` by file. */
export function describeCoverage(files: readonly Coverage[], isLong = false): string {
  const rows = PARTS.flatMap(([part]) => {
    const inPart = files.filter(({ path }) => partOf(path) === part)
      .sort((a, b) => shareOf(a.lines) - shareOf(b.lines));
    const least = inPart.slice(0, NAMED).map(({ path, lines }) => `${path} ${percent(lines)}`).join(", ");
    const whole = row(part, sum(inPart, "lines"), sum(inPart, "branches"));
    if (!isLong) return [`${whole}  ${inPart.length} files${least === "" ? "" : `; least: ${least}`}`];
    return [whole, ...inPart.map(({ path, lines, branches }) => row(`  ${path}`, lines, branches))];
  });
  return [row("what a peer's bytes reach", "lines", "branches"), ...rows].join("\n");
}

function partOf(path: string): string | undefined {
  if (path.endsWith("_test.ts")) return undefined;
  return PARTS.find(([, places]) =>
    places.some((place) => place.endsWith("/") ? path.startsWith(place) : path === place)
  )?.[0];
}

function sum(files: readonly Coverage[], field: "lines" | "branches"): readonly [number, number] {
  return files.reduce<readonly [number, number]>(
    ([run, all], file) => [run + file[field][0], all + file[field][1]],
    [0, 0],
  );
}

function shareOf([run, all]: readonly [number, number]): number {
  return all === 0 ? 1 : run / all;
}

function percent(pair: readonly [number, number]): string {
  return `${(100 * shareOf(pair)).toFixed(0)} %`;
}

function row(
  name: string,
  lines: readonly [number, number] | string,
  branches: readonly [number, number] | string,
): string {
  const cell = (value: readonly [number, number] | string) =>
    typeof value === "string" ? value : `${value[0]} of ${value[1]}, ${percent(value)}`;
  return `${name.padEnd(38)} ${cell(lines).padStart(20)} ${cell(branches).padStart(20)}`;
}
