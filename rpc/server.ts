/**
 * Answers requests: reads maps with an `op` from comms, and calls handlers. Source: `Server` in
 * `distributed/core.py`. It reacts to invalid input as Dask does (`tests/vectors/rpc-behaviour.json`).
 *
 * The rows that it gets define the operations and their rules. The handler of a stream keeps the comm until
 * the end, usually with a {@linkcode BatchedSend} and {@linkcode handleStream}.
 *
 * @module
 */

import { getLogger, type Logger } from "../config/logging.ts";
import { Scope } from "../internal/scope.ts";
import { isRecord, type RawMessage } from "../messages/common.ts";
import { encodeFrames } from "../protocol/frames.ts";
import { encodeMessage } from "../protocol/message.ts";
import { errorReply } from "../protocol/remote_error.ts";
import { ADMINISTER } from "../messages/operations.ts";
import type { AccessGuard } from "./guard.ts";
import { DONT_REPLY, type ServedOperation, type UnservedOperation } from "./handlers.ts";
import { addressHost } from "../comm/address.ts";
import { hostGroup } from "../comm/limits/admission.ts";
import { DEFAULT_LINK_LIMITS, type LinkLimits } from "../comm/limits/limits.ts";
import type { Comm, Listener } from "../comm/comm.ts";
import { CommClosed } from "../comm/errors.ts";
import { messageOf } from "../internal/errors.ts";
import { Lanes } from "./fairness/lanes.ts";
import type { ListenOptions } from "../comm/listen.ts";
import { type Platform, systemPlatform } from "../comm/platform.ts";
import { PeerLog } from "../comm/peer_log.ts";
import { StallWatch } from "./fairness/stalled.ts";

/** Smaller answers are not counted: the number of links limits their total size. */
const LARGE_BYTES = 2 ** 20;

/** The row of an operation, with its handler; undefined for an unknown operation. */
type Served = ServedOperation | UnservedOperation | undefined;

/** Options of a {@linkcode Server}. */
export interface ServerOptions {
  /** Name of the role, for the log and for errors, such as `"Scheduler"`. */
  readonly name: string;
  /** Operations with their handlers, from {@linkcode serve}. */
  readonly operations: readonly (ServedOperation | UnservedOperation)[];
  /** Operations that are refused although they have a handler (`distributed.scheduler.blocked-handlers`). */
  readonly blockedHandlers?: readonly string[] | undefined;
  /** Checks which peers may use an operation. Default: all peers may. */
  readonly access?: AccessGuard | undefined;
  /**
   * Maximum number of comms in total and per host, of large answers at once to one peer, and of milliseconds
   * for which a peer may read nothing.
   */
  readonly limits?:
    | Pick<LinkLimits, "links" | "linksPerHost" | "answersPerPeer" | "stallTimeout">
    | undefined;
  /** Clock and network. Default: the real ones. */
  readonly platform?: Platform | undefined;
}

/** Serves comms. It owns the comms, and all work for them. */
export class Server implements AsyncDisposable {
  readonly #name: string;
  readonly #operations: ReadonlyMap<unknown, ServedOperation | UnservedOperation>;
  readonly #blocked: ReadonlySet<string>;
  readonly #access: AccessGuard | undefined;
  readonly #maxComms: number;
  readonly #maxCommsPerHost: number;
  readonly #stalls: StallWatch;
  readonly #lanes: Lanes;
  readonly #commsOfHost = new Map<string, number>();
  readonly #platform: Platform;
  readonly #logger: Logger;
  readonly #peers: PeerLog;
  readonly #listeners: Listener[] = [];
  readonly #comms = new Set<Comm>();
  readonly #tasks: Scope;
  /** What is read already of links whose last request waited: the next request, or the end. */
  readonly #ahead = new WeakMap<Comm, Promise<unknown>>();
  #closing: Promise<void> | undefined = undefined;

  /** Creates a server that does not listen yet. */
  constructor(options: ServerOptions) {
    this.#name = options.name;
    this.#platform = options.platform ?? systemPlatform;
    this.#operations = new Map(options.operations.map((served) => [served.operation.op, served]));
    this.#blocked = new Set(options.blockedHandlers);
    this.#access = options.access;
    const limits = { ...DEFAULT_LINK_LIMITS, ...options.limits };
    this.#lanes = new Lanes(limits.answersPerPeer);
    this.#maxComms = limits.links;
    this.#maxCommsPerHost = limits.linksPerHost;
    this.#stalls = new StallWatch(limits.stallTimeout, (comm, bytes) => {
      this.#peers.about(
        comm.peerAddress,
        `${this.#name} dropped the connection from ${comm.peerAddress}: ${bytes} bytes wait, of which it took none for ` +
          `${limits.stallTimeout / 1000} s`,
      );
      comm.abort();
    }, this.#platform.clock);
    this.#logger = getLogger("distributed.core");
    this.#peers = PeerLog.warnings(this.#logger, this.#platform.clock);
    this.#tasks = new Scope({
      onError: (error) => this.#logger.error(`${this.#name}: a connection failed: ${messageOf(error)}`),
    });
  }

  /** Returns the open comms. */
  comms(): ReadonlySet<Comm> {
    return this.#comms;
  }

  /** Listens, and serves accepted comms. The listener is closed with the server, or earlier by the caller. */
  async listen(address: string, options: Omit<ListenOptions, "onComm"> = {}): Promise<Listener> {
    this.#tasks.signal.throwIfAborted();
    const onComm = (comm: Comm) => this.serve(comm);
    const listener = await this.#platform.network.listen(address, { ...options, onComm });
    if (this.#closing !== undefined) {
      await listener.close();
      throw new TypeError(`Cannot listen on "${address}": the ${this.#name} is closed`);
    }
    this.#listeners.push(listener);
    return listener;
  }

  /** Takes over a comm, and answers its requests until it ends. */
  serve(comm: Comm): void {
    const host = hostGroup(addressHost(comm.peerAddress));
    const ofHost = this.#commsOfHost.get(host) ?? 0;
    if (this.#comms.size >= this.#maxComms || ofHost >= this.#maxCommsPerHost) {
      this.#peers.about(
        comm.peerAddress,
        `${this.#name} dropped a connection from ${comm.peerAddress}: ${this.#comms.size} are open, ` +
          `${ofHost} of them from its host`,
      );
      comm.abort();
      return;
    }
    if (!this.#tasks.add(() => this.#handleComm(comm))) comm.abort();
  }

  async #handleComm(comm: Comm): Promise<void> {
    const host = hostGroup(addressHost(comm.peerAddress));
    this.#comms.add(comm);
    this.#stalls.add(comm);
    this.#commsOfHost.set(host, (this.#commsOfHost.get(host) ?? 0) + 1);
    try {
      while (await this.#handleOne(comm));
      await comm.close();
    } catch (error) {
      comm.abort();
      if (!(error instanceof CommClosed)) throw error;
    } finally {
      this.#comms.delete(comm);
      this.#stalls.delete(comm);
      const left = (this.#commsOfHost.get(host) ?? 1) - 1;
      if (left > 0) this.#commsOfHost.set(host, left);
      else this.#commsOfHost.delete(host);
    }
  }

  /** Reads and answers one request. Returns false if the comm has to be closed. */
  async #handleOne(comm: Comm): Promise<boolean> {
    let request: unknown;
    try {
      request = await this.#read(comm);
    } catch (error) {
      if (error instanceof CommClosed) return false;
      // The frame was complete but its content is invalid; the next message can still be read.
      await comm.write(errorReply(error));
      return true;
    }
    if (!isRecord(request) || !Object.hasOwn(request, "op")) {
      this.#peers.about(
        comm.peerAddress,
        `${this.#name} dropped the connection from ${comm.peerAddress}: not a request with "op"`,
      );
      comm.abort();
      return false;
    }
    const { op, reply, close: isLast } = request as {
      readonly op?: unknown;
      readonly reply?: unknown;
      readonly close?: unknown;
    };
    const wantsReply = !Object.hasOwn(request, "reply") || Boolean(reply);
    const served = this.#operations.get(op);
    const size = served?.handle && served.operation.answer;
    using _turn = size === "large" ? await this.#lanes.enter(peerOf(comm), this.#tasks.signal) : undefined;
    if (comm.closed) return false; // closed while the request waited
    const result = await this.#dispatch(served, request, comm);
    if (comm.closed) return false;
    if (wantsReply && result !== DONT_REPLY) {
      await (size === "question" ? this.#answer(served, request, comm, result) : this.#reply(comm, result));
    }
    return !(isLast || (served?.handle && served.operation.endsLink));
  }

  #read(comm: Comm): Promise<unknown> {
    const ahead = this.#ahead.get(comm);
    if (ahead === undefined) return comm.read();
    this.#ahead.delete(comm);
    return ahead;
  }

  /** A signal that is aborted when the link or the server ends. The link is read on, to notice that. */
  #whileOpen(comm: Comm): AbortSignal {
    const gone = new AbortController();
    const next = comm.read();
    this.#ahead.set(comm, next);
    next.catch((error) => {
      if (error instanceof CommClosed) gone.abort(error);
    });
    return AbortSignal.any([this.#tasks.signal, gone.signal]);
  }

  /** Waits for the request's turn without keeping the answer, then calls the handler again. */
  async #answerLater(served: Served, request: RawMessage, comm: Comm): Promise<void> {
    using _turn = await this.#lanes.enter(peerOf(comm), this.#tasks.signal);
    if (!comm.closed) await this.#reply(comm, await this.#dispatch(served, request, comm));
  }

  /** Small answers never wait. */
  async #answer(served: Served, request: RawMessage, comm: Comm, answer: unknown): Promise<void> {
    using turn = this.#lanes.tryEnter(peerOf(comm));
    if (turn === undefined && isLarge(answer)) return await this.#answerLater(served, request, comm);
    const written = this.#reply(comm, answer);
    if ((comm.queuedBytes ?? 0) < LARGE_BYTES) turn?.[Symbol.dispose]();
    await written;
  }

  async #dispatch(served: Served, request: RawMessage, comm: Comm): Promise<unknown> {
    const { op } = request as { readonly op: unknown };
    try {
      if (typeof op !== "string") return this.#unknown(`a ${typeof op}`, comm);
      const refusal = this.#access?.(op, served?.operation.access ?? ADMINISTER, comm);
      if (refusal !== undefined) {
        return await this.#hangUp(served, comm, refusal) ??
          errorReply(Object.assign(new Error(refusal), { name: "PermissionError" }));
      }
      if (this.#blocked.has(op)) throw new Error(blockedText(op, this.#name));
      if (served?.handle === undefined) {
        const text = `This is a ${this.#name}, which has no handler "${op}"`;
        return await this.#registrationFailed(served, request, comm, text) ?? this.#unknown(`"${op}"`, comm);
      }
      return await this.#handle(served, request, comm);
    } catch (error) {
      if (error instanceof CommClosed && comm.closed) throw error;
      this.#peers.about(
        comm.peerAddress,
        `${this.#name} failed to handle "${String(op)}" of ${comm.peerAddress}: ${messageOf(error)}`,
      );
      return await this.#registrationFailed(served, request, comm, messageOf(error)) ?? errorReply(error);
    }
  }

  async #handle({ operation, handle }: ServedOperation, request: RawMessage, comm: Comm): Promise<unknown> {
    const parsed = operation.request(request);
    const signal = operation.mayWait === true ? this.#whileOpen(comm) : this.#tasks.signal;
    const answer = await handle(parsed, comm, signal);
    if (operation.answer !== "stream") return answer;
    await comm.close();
    return DONT_REPLY;
  }

  /**
   * Reports a failed registration. A peer that registers gets no error reply, because it waits for the first
   * message of its stream; so the failure has the form of that message. Returns undefined for any other
   * request.
   */
  async #registrationFailed(
    served: Served,
    request: RawMessage,
    comm: Comm,
    text: string,
  ): Promise<typeof DONT_REPLY | undefined> {
    if (request["reply"] !== false || comm.closed) return undefined;
    return await this.#hangUp(served, comm, text);
  }

  /**
   * Writes the refusal in the form that the peer expects, then closes the link. Returns undefined if there is
   * no such form; then the peer gets an error reply.
   */
  async #hangUp(served: Served, comm: Comm, text: string): Promise<typeof DONT_REPLY | undefined> {
    if (served?.operation.refusal === undefined) return undefined;
    await comm.write(served.operation.refusal(text, this.#platform.clock.time()));
    await comm.close();
    return DONT_REPLY;
  }

  /** Dask answers nil, which its peers understand; peers of this package get an error. */
  #unknown(what: string, comm: Comm): unknown {
    this.#peers.about(
      comm.peerAddress,
      `${this.#name} has no handler ${what}, which ${comm.peerAddress} asked for`,
    );
    if (comm.peerInfo.javascript === undefined) return null;
    return errorReply(new Error(`Unknown operation ${what} for a ${this.#name}`));
  }

  async #reply(comm: Comm, result: unknown): Promise<void> {
    try {
      await comm.write(result ?? null);
    } catch (error) {
      if (error instanceof CommClosed) throw error;
      await comm.write(errorReply(error));
    }
  }

  /**
   * Stops listening, aborts all comms, and waits until all work for them has ended. Idempotent. A handler
   * that closes its own server must not await this.
   */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    this.#tasks.abort();
    for (const comm of this.#comms) comm.abort();
    await this.#tasks.close();
  }

  /** Same as {@linkcode close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function isLarge(answer: unknown): boolean {
  let bytes = 0;
  try {
    for (const { byteLength } of encodeFrames(encodeMessage(answer, { compression: null }))) {
      bytes += byteLength;
    }
  } catch {
    return false; // error replies are not confirmed
  }
  return bytes >= LARGE_BYTES;
}

/**
 * Returns the name of a peer for the lanes: host and certificate, because many peers can share one of them.
 */
function peerOf(comm: Comm): string {
  return `${hostGroup(addressHost(comm.peerAddress))} ${comm.tls?.peer.fingerprint256 ?? ""}`;
}

/** Error in Dask's words. */
function blockedText(op: string, name: string): string {
  return `The '${op}' handler has been explicitly disallowed in ${name}, possibly due to security concerns.`;
}
