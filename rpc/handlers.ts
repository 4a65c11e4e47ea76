/**
 * Handlers of requests, typed by the rows of a table of operations: one that is left out, or answers
 * something else, does not compile.
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

/** What a handler returns that has written its answer itself. */
export const DONT_REPLY: unique symbol = Symbol("dont_reply");

/** What the handler of a row returns. */
type AnswerOf<Row> = Row extends { readonly answer: "stream" } ? Promise<void>
  : Row extends { readonly answer: "counted" } ? MaybeLater<ReplyOf<Row> | typeof DONT_REPLY>
  : MaybeLater<ReplyOf<Row>>;

type MaybeLater<T> = T | Promise<T>;

/**
 * Answers one operation: gets the request as its row reads it. What it throws becomes an error reply.
 *
 * The handler of a stream serves the comm until it ends; the server closes the comm then. What it throws
 * becomes a refusal if the comm is still open.
 */
export type Handler<Row> = (request: RequestOf<Row>, comm: Comm, signal: AbortSignal) => AnswerOf<Row>;

/** A handler for each operation that the role of a table has. */
export type Handlers<Table> = { readonly [Op in ServedBy<Table>]: Handler<Table[Op]> };

/** A row with its handler. */
export interface ServedOperation {
  /** The row. */
  readonly operation: Operation;
  /** Answers it. */
  handle(request: unknown, comm: Comm, signal: AbortSignal): unknown;
}

/** A row without a handler. */
export interface UnservedOperation {
  /** The row. */
  readonly operation: LackingOperation;
  /** There is none. */
  readonly handle?: undefined;
}

/** Rows with their handlers, for a server. It takes several, so that parts of a role can bring their own. */
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
