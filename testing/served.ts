/**
 * Operations that a test makes up, for servers of no role.
 *
 * @module
 */

import type { Comm } from "../comm/comm.ts";
import type { RawMessage } from "../messages/common.ts";
import { type Operation, untyped } from "../messages/operations.ts";
import type { ServedOperation } from "../rpc/handlers.ts";

/** Answers one operation, whose request is as it came. */
export type LooseHandler = (request: RawMessage, comm: Comm, signal: AbortSignal) => unknown;

/**
 * Handlers by operation, each with a row that lets everything through.
 *
 * @param rows What is different in the rows of some.
 */
export function served(
  handlers: Readonly<Record<string, LooseHandler>>,
  rows: Readonly<Record<string, Partial<Operation>>> = {},
): ServedOperation[] {
  return Object.entries(handlers).map(([op, handler]) => ({
    operation: { ...untyped(op), ...rows[op] },
    handle: (request, comm, signal) => handler(request as RawMessage, comm, signal),
  }));
}
