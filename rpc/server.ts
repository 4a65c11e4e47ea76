/**
 * Answers requests: reads maps with an `op` from comms and calls handlers. Source: `Server` in
 * `distributed/core.py`, whose reactions to odd input it has (`tests/vectors/rpc-behaviour.json`).
 *
 * What it answers, and by what rules, is in the rows that it is given. The handler of a stream takes its comm
 * over for good, mostly by a {@linkcode BatchedSend} and by {@linkcode handleStream}.
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

/** Answers with fewer bytes are not counted: what many of them hold is bounded by the number of links. */
const LARGE_BYTES = 2 ** 20;

/** What an operation is answered by; nothing for one that is in no table. */
type Served = ServedOperation | UnservedOperation | undefined;

/** What a {@linkcode Server} does, and how much. */
export interface ServerOptions {
  /** Name of the role, for the log and for errors, such as `"Scheduler"`. */
  readonly name: string;
  /** What it answers, made by {@linkcode serve}. */
  readonly operations: readonly (ServedOperation | UnservedOperation)[];
  /** Operations that are refused although there is a handler (`distributed.scheduler.blocked-handlers`). */
  readonly blockedHandlers?: readonly string[] | undefined;
  /** Who may use which operation. Default: everybody. */
  readonly access?: AccessGuard | undefined;
  /**
   * Number of comms at once, from all hosts and from one: more are dropped. Number of large answers on their
   * way to one peer, and milliseconds that a peer may take nothing.
   */
  readonly limits?:
    | Pick<LinkLimits, "links" | "linksPerHost" | "answersPerPeer" | "stallTimeout">
    | undefined;
  /** Time and links. Default: this machine's. */
  readonly platform?: Platform | undefined;
}

/** Serves comms. It owns them, and everything that runs for them. */
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

  /** Makes a server that does not listen yet. */
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

  /** Comms that are served now. */
  comms(): ReadonlySet<Comm> {
    return this.#comms;
  }

  /**
   * Listens, and serves the comms that come. The listener is closed with the server, or earlier by the
   * caller.
   */
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

  /** Takes over a comm and answers its requests until it ends. */
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

  /** Reads and answers one request; false when the comm is to be closed. */
  async #handleOne(comm: Comm): Promise<boolean> {
    let request: unknown;
    try {
      request = await this.#read(comm);
    } catch (error) {
      if (error instanceof CommClosed) return false;
      // It was framed well, and means nothing: the next one may be better.
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
    if (comm.closed) return false; // while it waited
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

  /** Waits for the request's turn, holding no answer meanwhile, then handles it again. */
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
   * A peer that registers gets no reply: it waits for the first message of its stream. So a failure is told
   * in the form of that message. Returns nothing for any other request.
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
   * Writes the refusal in the form that the peer waits for, then closes the link. Returns nothing if there is
   * no such form, so that the peer is to get an error reply.
   */
  async #hangUp(served: Served, comm: Comm, text: string): Promise<typeof DONT_REPLY | undefined> {
    if (served?.operation.refusal === undefined) return undefined;
    await comm.write(served.operation.refusal(text, this.#platform.clock.time()));
    await comm.close();
    return DONT_REPLY;
  }

  /** Dask answers nil, which its peers know; ours are told. */
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
   * Stops listening, aborts all comms, and waits until nothing runs for them. Idempotent. A handler that ends
   * its own server must not await this.
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

  /** As {@linkcode close}. */
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
    return false; // an error reply is not
  }
  return bytes >= LARGE_BYTES;
}

/** Names a peer for the lanes: by host and certificate, as many peers may share either. */
function peerOf(comm: Comm): string {
  return `${hostGroup(addressHost(comm.peerAddress))} ${comm.tls?.peer.fingerprint256 ?? ""}`;
}

/** Dask's text. */
function blockedText(op: string, name: string): string {
  return `The '${op}' handler has been explicitly disallowed in ${name}, possibly due to security concerns.`;
}
