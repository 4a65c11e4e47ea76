/**
 * `client.ts status ADDRESS`: the cluster on one screen.
 *
 * @module
 */

import type { TlsInfo } from "../security/peer.ts";
import { connect } from "../comm/connect.ts";
import { RpcError } from "../rpc/errors.ts";
import { TimeoutError } from "../internal/errors.ts";
import { call } from "../rpc/call.ts";
import { Deadline } from "../internal/deadline.ts";
import { isRecord, MessageError } from "../messages/common.ts";
import type { LinkFacts, SchedulerIdentity, WorkerIdentity } from "../messages/facts.ts";
import { type Operation, untyped } from "../messages/operations.ts";
import { isSchedulerIdentity, SCHEDULER_OPERATIONS } from "../messages/scheduler_operations.ts";
import { printText } from "./run.ts";
import { parseQuestion, type Question, type Subcommand } from "./subcommand.ts";
import { printable, table } from "./table.ts";

/** Maximum number of listed workers, prefixes of tasks, and links, so that the output fits on a screen. */
const LISTED = 30;

/** States of tasks in the order of a task's life. */
const STATES = ["released", "waiting", "no-worker", "queued", "processing", "memory", "erred"] as const;

/** The command. */
export const STATUS: Subcommand = {
  about: "Workers, tasks by state, memory and links of a cluster",
  run: async (args) => {
    const question = await parseQuestion("status", `${STATUS.about}.`, args);
    if (question !== undefined) printText(statusText(await fetchStatus(question)));
  },
};

/** Status of a cluster. */
export interface ClusterStatus {
  /** Scheduler and workers. */
  readonly identity: SchedulerIdentity;
  /** Number of tasks by state, by prefix of their keys; absent if the scheduler does not report it. */
  readonly tasks: Readonly<Record<string, Readonly<Record<string, number>>>> | undefined;
  /** Links of the scheduler; absent if it does not report them. */
  readonly links: readonly LinkFacts[] | undefined;
  /** TLS facts of the link to the scheduler; absent in plain text. */
  readonly tls: TlsInfo | undefined;
  /** Seconds since the epoch. */
  readonly now: number;
}

/** Asks a scheduler. */
export async function fetchStatus({ address, links, timeoutMs }: Question): Promise<ClusterStatus> {
  using deadline = new Deadline(
    { timeout: timeoutMs },
    (ms) => new TimeoutError(`"${address}" did not answer within ${ms / 1000} s`),
  );
  await using comm = await connect(address, {
    ...links,
    expect: "scheduler",
    timeout: timeoutMs,
    signal: deadline.signal,
  });
  const ask = async <Reply>(operation: Operation<unknown, Reply>): Promise<Reply | undefined> => {
    try {
      return await call(comm, operation, {}, deadline.signal);
    } catch (error) {
      // An older or another scheduler.
      if (error instanceof RpcError || error instanceof MessageError) return undefined;
      throw error;
    }
  };
  const answer = await call(comm, untyped("identity"), { n_workers: -1 }, deadline.signal);
  if (!isSchedulerIdentity(answer)) {
    throw new TypeError(`"${address}" is no scheduler: it says that it is ${kindOf(answer)}`);
  }
  return {
    identity: answer,
    tasks: await ask(SCHEDULER_OPERATIONS.get_task_prefix_states),
    links: await ask(SCHEDULER_OPERATIONS.links),
    tls: comm.tls,
    now: Date.now() / 1000,
  };
}

function kindOf(answer: unknown): string {
  return isRecord(answer) && typeof answer["type"] === "string" ? `a ${answer["type"]}` : "something else";
}

/** Returns the text that `status` prints. */
export function statusText(status: ClusterStatus): string {
  const { identity, tasks, links, tls, now } = status;
  const sections = [
    head(identity, tls, now),
    section("Workers", workerTable(identity, now)),
    ...tasks === undefined ? [] : [section("Tasks", taskTable(tasks))],
    ...links === undefined ? [] : [section("Links of the scheduler", linkTable(links, identity))],
  ];
  return `${sections.join("\n\n")}\n`;
}

function section(title: string, content: string): string {
  return `${title}\n\n${content}`;
}

function head(identity: SchedulerIdentity, tls: TlsInfo | undefined, now: number): string {
  const { address, id, n_workers: workers, total_threads: threads, started } = identity;
  const security = tls === undefined
    ? "plain text, no certificates"
    : `${tls.protocol}, ${tls.cipher}; ${tls.peer.name}, signed by ${tls.peer.issuer}`;
  return [
    `Scheduler  ${address}, ${id}, up ${durationText(now - started)}`,
    `Workers    ${workers}, with ${threads} ${threads === 1 ? "thread" : "threads"}`,
    `This link  ${security}`,
  ].map(printable).join("\n");
}

function workerTable({ workers }: SchedulerIdentity, now: number): string {
  const all = Object.entries(workers);
  const rows = all.slice(0, LISTED).map(([address, worker]) => [
    String(worker.name),
    address,
    worker.status ?? "?",
    worker.nthreads,
    ...loadCells(worker),
    `${durationText(Math.max(0, now - worker.last_seen))} ago`,
  ]);
  const title = [
    "name",
    "address",
    "status",
    "threads",
    "tasks",
    "results",
    "memory",
    "limit",
    "cpu",
    "seen",
  ];
  return listed(title, rows, all.length, "workers");
}

/** Returns a worker's cells: tasks, bytes of results, bytes of the process, memory limit, processor load. */
function loadCells({ metrics, memory_limit: limit }: WorkerIdentity): (string | number)[] {
  const counts = metrics?.task_counts ?? {};
  const tasks = Object.entries(counts).filter(([, count]) => count > 0)
    .map(([state, count]) => `${count} ${state}`).join(", ");
  return [
    tasks === "" ? "-" : tasks,
    bytesText(metrics?.managed_bytes),
    bytesText(metrics?.memory),
    bytesText(limit ?? undefined),
    metrics?.cpu === undefined ? "-" : `${Math.round(metrics.cpu)} %`,
  ];
}

function taskTable(tasks: NonNullable<ClusterStatus["tasks"]>): string {
  const used = STATES.filter((state) => Object.values(tasks).some((counts) => (counts[state] ?? 0) > 0));
  const rows = Object.entries(tasks)
    .map(([name, counts]): [string, ...number[]] => [name, ...used.map((state) => counts[state] ?? 0)])
    .sort((a, b) => a[0] < b[0] ? -1 : 1);
  if (rows.length === 0) return "none";
  const total = used.map((_, i) => rows.reduce((sum, row) => sum + Number(row[i + 1]), 0));
  const shown = listed(["prefix", ...used], rows.slice(0, LISTED), rows.length, "prefixes");
  return `${shown}\n\n${total.map((count, i) => `${count} ${used[i]}`).join(", ")}`;
}

function linkTable(links: readonly LinkFacts[], { workers }: SchedulerIdentity): string {
  const rows = links.slice(0, LISTED).map(({ peer, dialled, tls }) => [
    dialled ? "to" : "from",
    workers[peer] === undefined ? peer : `${peer} (${workers[peer].name})`,
    tls?.protocol ?? "plain text",
    tls?.cipher ?? "",
    tls === undefined ? "" : `${tls.peer.name}, signed by ${tls.peer.issuer}`,
  ]);
  return listed(["", "peer", "TLS", "cipher", "certificate"], rows, links.length, "links");
}

function listed(
  title: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  count: number,
  what: string,
): string {
  if (count === 0) return "none";
  const rest = count > rows.length ? `\n… and ${count - rows.length} more ${what}` : "";
  return table(title, rows) + rest;
}

/** `"3.2 MiB"`; `"-"` if unknown. */
export function bytesText(bytes: number | undefined): string {
  if (bytes === undefined) return "-";
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** `"1.4 s"`, `"12 min"`, `"3 h"`, `"5 days"`. */
export function durationText(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 2 * 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}
