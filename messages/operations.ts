/**
 * Types of the tables of operations. There is one table for each role that answers requests
 * (`scheduler_operations.ts`, `worker_operations.ts`), and one for each direction of a stream
 * (`client_scheduler.ts`, `worker_scheduler.ts`). Both ends take their types and checks from these tables; no
 * other place lists operations.
 *
 * @module
 */

import { MessageError, type RawMessage } from "./common.ts";
import { type ClientAccess, type Grant, includes } from "./grant.ts";

/** Peers that may use an operation, if `authorization` is configured. */
export interface Access {
  /** Access level that a client needs. Absent: no client may use it. */
  readonly client?: ClientAccess;
  /** Other roles that may use it. */
  readonly roles?: readonly Exclude<Grant["role"], "client">[];
}

/** Clients that may observe. */
export const OBSERVE: Access = { client: "observe" };
/** Clients that may submit tasks. */
export const SUBMIT: Access = { client: "submit" };
/** Clients that may administer the cluster. Also required for operations that are in no table. */
export const ADMINISTER: Access = { client: "administer" };
/** Only workers. */
export const WORKERS: Access = { roles: ["worker"] };
/** Only the scheduler. */
export const THE_SCHEDULER: Access = { roles: ["scheduler"] };
/** All peers that are let in. */
export const EVERYBODY: Access = { client: "observe", roles: ["scheduler", "worker"] };

/** Whether a peer with this grant has `access`. */
export function mayUse({ client, roles }: Access, grant: Grant): boolean {
  if (grant.role === "client") return client !== undefined && includes(grant.access, client);
  return roles !== undefined && roles.includes(grant.role);
}

/**
 * The size of an operation's answers. It decides how a server limits the answers that wait for a slow peer:
 * - `small`: written at once.
 * - `question`: may be large, and the handler only reads state. A large answer is dropped; the handler is
 *   called again when it is the request's turn.
 * - `large`: the handler is called when it is the request's turn.
 * - `counted`: the handler writes the answer itself, and counts the bytes.
 * - `stream`: no answer; the comm becomes a stream.
 */
export type AnswerSize = "small" | "question" | "large" | "counted" | "stream";

/**
 * A row of a table: how both ends parse a request and its reply, which peers may send it, and how a server
 * answers it.
 */
export interface Operation<Request = unknown, Reply = unknown> {
  /** Name, in the spelling of the wire. */
  readonly op: string;
  /** Peers that may send it. */
  readonly access: Access;
  /** Size of the answers. */
  readonly answer: AnswerSize;
  /** Parses a request, at the server. Throws {@linkcode MessageError} if it is invalid. */
  request(message: RawMessage): Request;
  /** Parses the reply, at the caller. Throws {@linkcode MessageError} if it is invalid. */
  reply(value: unknown): Reply;
  /** Whether the caller confirms this reply with {@linkcode CONFIRMATION}. Absent: never. */
  isConfirmed?(reply: Reply): boolean;
  /**
   * Returns a refusal in the form that the caller expects, in place of an error reply. `time`: seconds since
   * the epoch.
   */
  refusal?(text: string, time: number): unknown;
  /**
   * Whether the answer may be a long time in coming, and is for the asker alone: the server gives up when the
   * link ends. Default false.
   */
  readonly mayWait?: boolean;
  /** Whether the link ends after the answer. Default: false. */
  readonly endsLink?: boolean;
}

/** The operation that ends one direction of any stream. */
export const STREAM_END = "close-stream";

/** Message with which a caller confirms a reply. */
export const CONFIRMATION = "OK";

/** An operation of Dask that this package does not have yet. */
export interface LackingOperation {
  /** Name, in the spelling of the wire. */
  readonly op: string;
  /** Peers that may send it, once it exists. */
  readonly access: Access;
  /** Marks such operations. */
  readonly isLacking: true;
  /** Same as in {@linkcode Operation}. */
  refusal?(text: string, time: number): unknown;
}

/** Table of the requests that a role answers, by name. */
export type OperationTable = Readonly<Record<string, Operation | LackingOperation>>;

/** A message on a stream; it gets no answer. */
export interface StreamOperation<Message = unknown> {
  /** Name, in the spelling of the wire. */
  readonly op: string;
  /** Peers that may send it. */
  readonly access: Access;
  /** Parses it, at the receiver. Throws {@linkcode MessageError} if it is invalid. */
  parse(message: RawMessage): Message;
}

/** Table of the messages in one direction of a stream, by name. */
export type StreamTable = Readonly<Record<string, StreamOperation | LackingOperation>>;

/** A row of any table. */
type Row =
  | Omit<Operation, "op">
  | Omit<StreamOperation, "op">
  | Omit<LackingOperation, "op">;

/** Rows with their names. */
export type Named<Rows> = { readonly [Op in keyof Rows]: Rows[Op] & { readonly op: Op } };

/** Names of a table's operations that the role serves. */
export type ServedBy<Table> = {
  [Op in keyof Table]: Table[Op] extends { readonly isLacking: true } ? never : Op;
}[keyof Table];

/** Type of an operation's request. */
export type RequestOf<Row> = Row extends { request(message: RawMessage): infer Request } ? Request : never;

/** Type of an operation's reply. */
export type ReplyOf<Row> = Row extends { reply(value: unknown): infer Reply } ? Reply : never;

/** Type of all messages in one direction of a stream. */
export type MessageOf<Table> = {
  [Op in keyof Table]: Table[Op] extends { parse(message: RawMessage): infer Message } ? Message : never;
}[keyof Table];

/** A request without the fields that the protocol adds. */
export type FieldsOf<Request> = RawMessage extends Request ? RawMessage : Omit<Request, "op" | "reply">;

/** Gives each row its name. */
export function named<const Rows extends Readonly<Record<string, Row>>>(rows: Rows): Named<Rows> {
  const entries = Object.entries(rows).map(([op, row]) => [op, { op, ...row }]);
  return Object.fromEntries(entries) as Named<Rows>;
}

/**
 * Returns rows of operations that a role lacks. Only administrators may send them; the answer is the same as
 * for unknown operations.
 */
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
 * Returns a parser of all messages in one direction of a stream.
 *
 * @param onUnknown Called for an operation that is unknown or lacking; it may throw.
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

/** Returns a parser of requests without fields. */
export function plain<const Op extends string>(op: Op): () => Plain<Op> {
  return () => ({ op });
}

/** Parses messages that have no fields, or whose fields are not used. */
export function unchecked<Message>(message: RawMessage): Message {
  return message as unknown as Message;
}

/** Returns a parser of replies that accepts those that pass `isReply`. `wanted` describes them in errors. */
export function expecting<Reply>(
  wanted: string,
  isReply: (value: unknown) => value is Reply,
): (value: unknown) => Reply {
  return (value) => {
    if (isReply(value)) return value;
    throw new MessageError(`it must be ${wanted}`);
  };
}

/** Parses replies without content. */
export function nothing(): null {
  return null;
}

/** Returns a row for tools that send an operation to any role and accept any answer. */
export function untyped(op: string): Operation<RawMessage, unknown> {
  return { op, access: ADMINISTER, answer: "small", request: (message) => message, reply: (value) => value };
}
