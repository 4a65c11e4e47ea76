/**
 * Messages as the record of a run has them: short, and without anything that differs between two runs of a
 * seed.
 *
 * @module
 */

import { isRecord } from "../../messages/common.ts";

/** Whether a message is a batch of a stream, not a request or an answer. */
export function isBatch(message: unknown): message is readonly { readonly op: string }[] {
  return Array.isArray(message) && message.length > 0 && isRecord(message[0]) && "op" in message[0];
}

/** A message: what it is, and about which keys. */
export function briefly(message: object): string {
  const { op } = message as { op: string };
  const parts = [op];
  if ("key" in message) parts.push(String(message.key));
  if ("keys" in message) parts.push(String(message.keys));
  if ("run_id" in message) parts.push(`#${message.run_id}`);
  if ("who_has" in message) {
    const whoHas = message.who_has as Record<string, readonly string[]>;
    parts.push(
      Object.keys(whoHas).map((key) => `${key}@${(whoHas[key] ?? []).map(tail).join("+")}`).join(","),
    );
  }
  if ("functions" in message) {
    const { functions } = message;
    const hashes = Array.isArray(functions) ? functions as string[] : Object.keys(functions as object);
    parts.push(hashes.map((hash) => hash.slice(0, 4)).join(","));
  }
  if ("groups" in message) parts.push(graphOf(message.groups as Rows));
  if ("status" in message && op === "worker-status-change") parts.push(String(message.status));
  if ("worker" in message) parts.push(tail(String(message.worker)));
  return parts.join(" ");
}

type Rows = readonly {
  readonly tasks: readonly (readonly [string, unknown, readonly (readonly [string])[]])[];
}[];

function graphOf(groups: Rows): string {
  return groups.flatMap((group) => group.tasks)
    .map(([key, , references]) => `${key}(${references.map(([name]) => name).join(",")})`).join(" ");
}

/** `"3:1000"` of `"tcp://10.0.0.3:1000"`. */
export function tail(address: string): string {
  return address.slice(address.lastIndexOf(".") + 1);
}
