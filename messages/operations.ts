/**
 * What a table of operations says of each. There is one table per role that answers requests
 * (`scheduler_operations.ts`, `worker_operations.ts`), and one per direction of a stream
 * (`client_scheduler.ts`, `worker_scheduler.ts`). Both ends are typed and checked by these rows, and nothing
 * else lists operations.
 *
 * @module
 */

import { MessageError, type RawMessage } from "./common.ts";
import { type ClientAccess, type Grant, includes } from "./grant.ts";

/** Who may use an operation, once `authorization` is configured. */
export interface Access {
  /** The least that a client needs. Absent: no client may, whatever its level. */
  readonly client?: ClientAccess;
  /** Other roles that may. */
  readonly roles?: readonly Exclude<Grant["role"], "client">[];
}

/** Clients that may look. */
export const OBSERVE: Access = { client: "observe" };
/** Clients that may run tasks. */
export const SUBMIT: Access = { client: "submit" };
/** Clients that may do everything; also for an operation that is in no table. */
export const ADMINISTER: Access = { client: "administer" };
/** Workers alone. */
export const WORKERS: Access = { roles: ["worker"] };
/** The scheduler alone. */
export const THE_SCHEDULER: Access = { roles: ["scheduler"] };
/** All peers that are let in. */
export const EVERYBODY: Access = { client: "observe", roles: ["scheduler", "worker"] };

/** Whether the owner of `grant` has `access`. */
export function mayUse({ client, roles }: Access, grant: Grant): boolean {
  if (grant.role === "client") return client !== undefined && includes(grant.access, client);
  return roles !== undefined && roles.includes(grant.role);
}

/**
 * How large an answer may be, and so how a server bounds what waits for a peer that does not read:
 * - `small`: it is written at once.
 * - `question`: it may be large, and the handler only looks. A large answer waits for its turn, and the
 *   handler looks again then.
 * - `large`: the handler is called when it is the request's turn.
 * - `counted`: the handler writes the answer itself, and counts what it writes.
 * - `stream`: there is no answer. The comm becomes a stream.
 */
export type AnswerSize = "small" | "question" | "large" | "counted" | "stream";

/** A request: how both ends read it, who may ask, and what a server does with it. */
export interface Operation<Request = unknown, Reply = unknown> {
  /** Name in wire spelling. */
  readonly op: string;
  /** Who may ask. */
  readonly access: Access;
  /** How large the answer may be. */
  readonly answer: AnswerSize;
  /** Reads a request, at the serving end. Throws {@linkcode MessageError} if it is not one. */
  request(message: RawMessage): Request;
  /** Reads the reply, at the asking end. Throws {@linkcode MessageError} if it is not one. */
  reply(value: unknown): Reply;
  /** Whether the asking end confirms this reply by {@linkcode CONFIRMATION}. Absent: none. */
  isConfirmed?(reply: Reply): boolean;
  /** A refusal as the asker reads it, in place of an error reply. `time`: seconds since the epoch. */
  refusal?(text: string, time: number): unknown;
  /**
   * Whether the answer may be a long time in coming, and is for the asker alone: the server gives up when the
   * link ends. Default false.
   */
  readonly mayWait?: boolean;
  /** Whether the link ends with the answer. Default false. */
  readonly endsLink?: boolean;
}

/** The operation that ends one direction of any stream. */
export const STREAM_END = "close-stream";

/** What the asking end writes once it has a reply that is to be confirmed. */
export const CONFIRMATION = "OK";

/** An operation of Dask that this role does not have. */
export interface LackingOperation {
  /** Name in wire spelling. */
  readonly op: string;
  /** Who may ask, once it is there. */
  readonly access: Access;
  /** Marks it. */
  readonly isLacking: true;
  /** As in {@linkcode Operation}. */
  refusal?(text: string, time: number): unknown;
}

/** The requests that a role answers, by name. */
export type OperationTable = Readonly<Record<string, Operation | LackingOperation>>;

/** Something that is said on a stream, where nothing is answered. */
export interface StreamOperation<Message = unknown> {
  /** Name in wire spelling. */
  readonly op: string;
  /** Who may say it. */
  readonly access: Access;
  /** Reads it, at the other end. Throws {@linkcode MessageError} if it is not what it should be. */
  parse(message: RawMessage): Message;
}

/** What is said on one direction of a stream, by name. */
export type StreamTable = Readonly<Record<string, StreamOperation | LackingOperation>>;

/** A row as it is written down. */
type Row =
  | Omit<Operation, "op">
  | Omit<StreamOperation, "op">
  | Omit<LackingOperation, "op">;

/** Rows that know their own names. */
export type Named<Rows> = { readonly [Op in keyof Rows]: Rows[Op] & { readonly op: Op } };

/** Names of the operations of a table that its role has. */
export type ServedBy<Table> = {
  [Op in keyof Table]: Table[Op] extends { readonly isLacking: true } ? never : Op;
}[keyof Table];

/** What is asked by an operation. */
export type RequestOf<Row> = Row extends { request(message: RawMessage): infer Request } ? Request : never;

/** What is answered to an operation. */
export type ReplyOf<Row> = Row extends { reply(value: unknown): infer Reply } ? Reply : never;

/** Everything that can be said on one direction of a stream. */
export type MessageOf<Table> = {
  [Op in keyof Table]: Table[Op] extends { parse(message: RawMessage): infer Message } ? Message : never;
}[keyof Table];

/** What the asking end gives: a request without the fields that are the protocol's. */
export type FieldsOf<Request> = RawMessage extends Request ? RawMessage : Omit<Request, "op" | "reply">;

/** Gives each row its name. */
export function named<const Rows extends Readonly<Record<string, Row>>>(rows: Rows): Named<Rows> {
  const entries = Object.entries(rows).map(([op, row]) => [op, { op, ...row }]);
  return Object.fromEntries(entries) as Named<Rows>;
}

/** Rows of operations that a role lacks: they are for administrators, and answered as unknown ones. */
export function lacking<const Op extends string>(
  ops: readonly Op[],
): Readonly<Record<Op, Omit<LackingOperation, "op">>> {
  const rows = ops.map((op) => [op, { access: ADMINISTER, isLacking: true }]);
  return Object.fromEntries(rows) as Record<Op, Omit<LackingOperation, "op">>;
}

/** Whether a role lacks an operation. */
export function isLacking(
  row: Operation | StreamOperation | LackingOperation,
): row is LackingOperation {
  return "isLacking" in row;
}

/**
 * A parser of everything on one direction of a stream.
 *
 * @param onUnknown What becomes of an operation that is in no row, or lacking; it may throw.
 */
export function streamParser<Table extends StreamTable, Unknown>(
  table: Table,
  onUnknown: (op: string) => Unknown,
): (message: RawMessage) => MessageOf<Table> | Unknown {
  const rows = new Map<unknown, (message: RawMessage) => unknown>();
  for (const row of Object.values<StreamOperation | LackingOperation>(table)) {
    if (!isLacking(row)) rows.set(row.op, row.parse);
  }
  return (message) => { // hot: per message
    const { op } = message as { readonly op?: unknown };
    const parse = rows.get(op);
    return parse === undefined ? onUnknown(String(op)) : parse(message) as MessageOf<Table>;
  };
}

/** A request without fields. */
export interface Plain<Op extends string> {
  /** Operation. */
  readonly op: Op;
}

/** A parser of requests without fields. */
export function plain<const Op extends string>(op: Op): () => Plain<Op> {
  return () => ({ op });
}

/** A parser of messages that have no fields, or whose fields are not used. */
export function unchecked<Message>(message: RawMessage): Message {
  return message as unknown as Message;
}

/** A parser of replies: those that pass `isReply`, which is `wanted` in words. */
export function expecting<Reply>(
  wanted: string,
  isReply: (value: unknown) => value is Reply,
): (value: unknown) => Reply {
  return (value) => {
    if (isReply(value)) return value;
    throw new MessageError(`it must be ${wanted}`);
  };
}

/** A parser of replies that say nothing. */
export function nothing(): null {
  return null;
}

/** A row for tools that ask a role whatever it is, and take whatever it answers. */
export function untyped(op: string): Operation<RawMessage, unknown> {
  return { op, access: ADMINISTER, answer: "small", request: (message) => message, reply: (value) => value };
}
