/**
 * The ways in which hostile peers send input to a live role, and what they send by each.
 *
 * @module
 */

import { isRecord, type RawMessage } from "../../messages/common.ts";
import { CLIENT_STREAM } from "../../messages/client_scheduler.ts";
import { isLacking, type OperationTable, type StreamTable } from "../../messages/operations.ts";
import { SCHEDULER_OPERATIONS } from "../../messages/scheduler_operations.ts";
import { WORKER_OPERATIONS } from "../../messages/worker_operations.ts";
import { WORKER_STREAM } from "../../messages/worker_scheduler.ts";
import type { Random } from "../random.ts";
import { type Corpus, registration, type Seed } from "./corpus.ts";

/** What a role is to whom it hears. */
export type VictimRole = "scheduler" | "worker";

/** How input comes to a role. */
export type Way = "TLS handshake" | "first message" | "requests" | "client's stream" | "worker's stream";

/** Ways to a role, in the order of tables. */
export function waysTo(role: VictimRole, scheme: "tcp" | "tls"): Way[] {
  return [
    ...scheme === "tls" ? ["TLS handshake" as const] : [],
    "first message",
    "requests",
    ...role === "scheduler" ? ["client's stream" as const, "worker's stream" as const] : [],
  ];
}

/** Share of sessions that go each way; what is refused at the door needs fewer. */
const WEIGHTS: Readonly<Record<Way, number>> = {
  "TLS handshake": 1,
  "first message": 1,
  "requests": 5,
  "client's stream": 5,
  "worker's stream": 5,
};

/** One of the ways, by weight. */
export function pickWay(ways: readonly Way[], random: Random): Way {
  let at = random.next() * ways.reduce((sum, way) => sum + WEIGHTS[way], 0);
  return ways.find((way) => (at -= WEIGHTS[way]) < 0) ?? "requests";
}

/** What ends or empties a role by right: whoever may say it needs no damage to do harm. */
const RIGHTFUL = new Set([
  "terminate",
  "retire_workers",
  "close",
  "unregister",
  "close-client",
  "close-stream",
]);

/** Messages that fit a way. */
export function seedsFor(way: Way, role: VictimRole, { captured, own }: Corpus): Seed[] {
  const all = [...own, ...own, ...own, ...captured];
  if (way === "TLS handshake" || way === "first message") return all;
  const table: OperationTable | StreamTable = way === "requests"
    ? (role === "scheduler" ? SCHEDULER_OPERATIONS : WORKER_OPERATIONS)
    : way === "client's stream"
    ? CLIENT_STREAM
    : WORKER_STREAM;
  const known = new Set(Object.values(table).filter((row) => !isLacking(row)).map(({ op }) => op));
  const fits = (message: unknown) => opsOf(message).some((op) => known.has(op));
  return all.filter(({ message }) => Array.isArray(message) === (way !== "requests") && fits(message));
}

/** Whether a message asks for what ends or empties a role. */
export function isRightful(message: unknown): boolean {
  return opsOf(message).some((op) => RIGHTFUL.has(op));
}

function opsOf(message: unknown): string[] {
  const items: readonly unknown[] = Array.isArray(message) ? message : [message];
  return items.flatMap((item) => isRecord(item) && typeof item["op"] === "string" ? [item["op"]] : []);
}

/** What turns a link into a stream; nothing for other ways. */
export function registrationFor(way: Way, scheme: "tcp" | "tls", session: number): RawMessage | undefined {
  const name = `hostile-${session}`;
  if (way === "client's stream") return { op: "register-client", client: name, versions: {}, reply: false };
  if (way !== "worker's stream") return undefined;
  // An address of its own, where nobody listens.
  const host = `127.9.${(session >> 8) & 0xff}.${session & 0xff}`;
  return registration(`${scheme}://${host}:1`, name);
}

/** What a role answers at once if it still listens; nothing where it answers nothing. */
export function questionFor(way: Way, role: VictimRole, mark: string): unknown {
  if (way === "client's stream") return [{ op: "heartbeat-client" }];
  if (way === "worker's stream") return [{ op: "add-keys", keys: [mark], stimulus_id: "s" }];
  return role === "scheduler" ? { op: "who_has", keys: [mark] } : { op: "ping" };
}

/** Whether `message` has the answer to {@linkcode questionFor}. */
export function isAnswer(message: unknown, way: Way, role: VictimRole, mark: string): boolean {
  if (way === "requests") {
    if (role === "worker") return message instanceof Uint8Array;
    return isRecord(message) && Object.hasOwn(message, mark);
  }
  return Array.isArray(message) && message.some((item) => {
    if (!isRecord(item)) return false;
    if (way === "client's stream") return item["op"] === "adjust-heartbeat-interval";
    const { keys } = item;
    return item["op"] === "remove-replicas" && Array.isArray(keys) && keys.includes(mark);
  });
}
