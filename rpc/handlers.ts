/**
 * Handlers of requests, typed by a table of operations: a missing handler or a wrong answer is a compile
 * error.
 *
 * @module
 */

import type { Comm } from "../comm/comm.ts";
import {
  isLacking,
  type LackingOperation,
  type Operation,
  type OperationTable,
  type ReplyOf,
  type RequestOf,
  type ServedBy,
} from "../messages/operations.ts";

/** Returned by a handler that has written the answer itself. */
export const DONT_REPLY: unique symbol = Symbol("dont_reply");

/** Type that the handler of a row returns. */
type AnswerOf<Row> = Row extends { readonly answer: "stream" } ? Promise<void>
  : Row extends { readonly answer: "counted" } ? MaybeLater<ReplyOf<Row> | typeof DONT_REPLY>
  : MaybeLater<ReplyOf<Row>>;

type MaybeLater<T> = T | Promise<T>;

/**
 * Answers one operation. It gets the parsed request. An error that it throws becomes an error reply.
 *
 * The handler of a stream serves the comm until the stream ends; then the server closes the comm. An error
 * that it throws becomes a refusal, if the comm is still open.
 */
export type Handler<Row> = (request: RequestOf<Row>, comm: Comm, signal: AbortSignal) => AnswerOf<Row>;

/** A handler for each operation of a table that the role serves. */
export type Handlers<Table> = { readonly [Op in ServedBy<Table>]: Handler<Table[Op]> };

/** A row with its handler. */
export interface ServedOperation {
  /** The row. */
  readonly operation: Operation;
  /** Handles a request. */
  handle(request: unknown, comm: Comm, signal: AbortSignal): unknown;
}

/** A row without a handler. */
export interface UnservedOperation {
  /** The row. */
  readonly operation: LackingOperation;
  /** No handler. */
  readonly handle?: undefined;
}

/**
 * Joins the rows of a table with their handlers, for a server. A server takes several such lists, so that
 * parts of a role can have their own.
 */
export function serve<Table extends OperationTable>(
  table: Table,
  handlers: Handlers<Table>,
): (ServedOperation | UnservedOperation)[] {
  const byName: Readonly<Record<string, ServedOperation["handle"]>> = handlers;
  return Object.values<Operation | LackingOperation>(table).map((operation) => {
    if (isLacking(operation)) return { operation };
    const handle = byName[operation.op];
    if (handle === undefined) throw new TypeError(`Cannot serve "${operation.op}": it has no handler`);
    return { operation, handle };
  });
}
