/**
 * Pool of open links to peers, for requests. Source: `ConnectionPool` in `distributed/core.py`.
 *
 * A comm carries one request at a time; concurrent requests to one peer use several comms. An idle comm has a
 * pending read, so that the end of its peer is noticed at once, before the next request.
 *
 * @module
 */

import { orAborted } from "../internal/deadline.ts";
import type { Address } from "../messages/common.ts";
import type { FieldsOf, Operation } from "../messages/operations.ts";
import type { Comm } from "../comm/comm.ts";
import type { ConnectOptions } from "../comm/connect.ts";
import { type Platform, systemPlatform } from "../comm/platform.ts";
import { CommClosed } from "../comm/errors.ts";
import { RpcError } from "./errors.ts";
import { callWith } from "./call.ts";

/** Dask's limit for clients and workers. */
const LINKS_MAX = 512;

/** Options of a {@linkcode ConnectionPool}. */
export interface ConnectionPoolOptions extends Omit<ConnectOptions, "signal"> {
  /** Maximum number of links. When it is reached, idle links are closed, and requests wait. Default: 512. */
  readonly limit?: number | undefined;
  /**
   * Address of the scheduler: its certificate must allow that role. All other peers must have the role
   * `expect`.
   */
  readonly scheduler?: Address | undefined;
  /** Network and clock. Default: the real ones. */
  readonly platform?: Platform | undefined;
}

/** Limits of one dial. */
export type DialLimits = Pick<ConnectOptions, "timeout" | "tries">;

/** Links by peer. */
export class ConnectionPool implements AsyncDisposable {
  readonly #options: ConnectionPoolOptions;
  readonly #platform: Platform;
  readonly #limit: number;
  readonly #links = new Set<Link>();
  readonly #idle = new Map<Address, Link[]>();
  /** Dials that are under way. */
  readonly #dials = new Set<Promise<void>>();
  /** Aborts the dials to each peer. */
  readonly #dialling = new Map<Address, Set<AbortController>>();
  /** Resolved when a link may be free. */
  #change: PromiseWithResolvers<void> | undefined = undefined;
  readonly #ended = new AbortController();
  #closing: Promise<void> | undefined = undefined;

  /** Creates an empty pool. */
  constructor(options: ConnectionPoolOptions = {}) {
    this.#options = options;
    this.#platform = options.platform ?? systemPlatform;
    this.#limit = options.limit ?? LINKS_MAX;
  }

  /** Number of links that are open or being dialled. */
  get open(): number {
    return this.#links.size + this.#dials.size;
  }

  /** Number of links that carry a request, or are being dialled for one. */
  get active(): number {
    let idle = 0;
    for (const links of this.#idle.values()) idle += links.length;
    return this.open - idle;
  }

  /** Open comms, idle ones too. */
  get openComms(): Comm[] {
    return Array.from(this.#links, (link) => link.comm);
  }

  /**
   * Sends a request to `address`, over an idle link if there is one, else over a new link.
   *
   * @param operation The operation's row in the table of the called role.
   * @param dial Limits of a dial. Default: the limits of the pool.
   * @throws {RpcError} If the handler there failed.
   * @throws {MessageError} If the answer is not a valid reply to this operation.
   * @throws {CommClosed} If the link broke, or the pool is closed. The request may have been handled.
   * @throws {CommAuthError | CommTimeoutError} If no link can be opened.
   */
  async call<Request, Reply>(
    address: Address,
    operation: Operation<Request, Reply>,
    request: FieldsOf<Request>,
    signal?: AbortSignal,
    dial?: DialLimits,
  ): Promise<Reply> {
    const link = await this.#acquire(address, signal, dial);
    try {
      const reply = await callWith(link.comm, operation, request, signal, () => link.next);
      this.#release(link);
      return reply;
    } catch (error) {
      // After an error reply the link can be used again; after any other error its state is unknown.
      if (isErrorReply(error)) this.#release(link);
      else this.#drop(link);
      throw error;
    }
  }

  /** Drops all links to `address`, and cancels dials; their requests reject. */
  remove(address: Address): void {
    const reason = new CommClosed(address, `Links to "${address}" were dropped: it is gone`);
    for (const controller of this.#dialling.get(address) ?? []) controller.abort(reason);
    for (const link of this.#links) if (link.comm.peerAddress === address) this.#drop(link);
  }

  async #acquire(
    address: Address,
    signal: AbortSignal | undefined,
    limits: DialLimits | undefined,
  ): Promise<Link> {
    for (;;) {
      if (this.#ended.signal.aborted) throw closedError(address);
      signal?.throwIfAborted();
      const idle = this.#takeIdle(address);
      if (idle !== undefined) return idle;
      if (this.open < this.#limit) return await this.#dial(address, signal, limits);
      if (this.#closeOneIdle()) continue;
      this.#change ??= Promise.withResolvers();
      await orAborted(this.#change.promise, signal);
    }
  }

  async #dial(
    address: Address,
    signal: AbortSignal | undefined,
    limits: DialLimits | undefined,
  ): Promise<Link> {
    const done = Promise.withResolvers<void>();
    this.#dials.add(done.promise);
    const { signal: ended } = this.#ended;
    using dial = this.#beginDial(address);
    try {
      const given = AbortSignal.any([ended, dial.signal, ...signal === undefined ? [] : [signal]]);
      const expect = address === this.#options.scheduler ? "scheduler" : this.#options.expect;
      const { network, clock, ids } = this.#platform;
      const comm = await network.connect(address, {
        clock,
        random: () => ids.random(),
        ...this.#options,
        expect,
        signal: given,
        ...limits,
      });
      if (ended.aborted) {
        comm.abort();
        throw closedError(address);
      }
      const link = new Link(comm, (gone) => this.#drop(gone));
      this.#links.add(link);
      return link;
    } catch (error) {
      throw ended.aborted ? closedError(address) : error;
    } finally {
      this.#dials.delete(done.promise);
      done.resolve();
      this.#changed();
    }
  }

  /** Returns a signal that {@linkcode remove} aborts. */
  #beginDial(address: Address): Disposable & { readonly signal: AbortSignal } {
    const controller = new AbortController();
    const dials = this.#dialling.get(address);
    if (dials === undefined) this.#dialling.set(address, new Set([controller]));
    else dials.add(controller);
    return {
      signal: controller.signal,
      [Symbol.dispose]: () => {
        const left = this.#dialling.get(address);
        left?.delete(controller);
        if (left?.size === 0) this.#dialling.delete(address);
      },
    };
  }

  #takeIdle(address: Address): Link | undefined {
    const links = this.#idle.get(address);
    const link = links?.pop();
    if (links?.length === 0) this.#idle.delete(address);
    if (link !== undefined) link.isIdle = false;
    return link;
  }

  #closeOneIdle(): boolean {
    for (const links of this.#idle.values()) {
      const [oldest] = links;
      if (oldest === undefined) continue;
      this.#drop(oldest);
      return true;
    }
    return false;
  }

  #release(link: Link): void {
    const address = link.comm.peerAddress;
    if (link.comm.closed || this.#ended.signal.aborted) return this.#drop(link);
    link.watch();
    link.isIdle = true;
    const links = this.#idle.get(address);
    if (links === undefined) this.#idle.set(address, [link]);
    else links.push(link);
    this.#changed();
  }

  #drop(link: Link): void {
    if (!this.#links.delete(link)) return;
    if (link.isIdle) {
      const address = link.comm.peerAddress;
      const rest = (this.#idle.get(address) ?? []).filter((other) => other !== link);
      if (rest.length === 0) this.#idle.delete(address);
      else this.#idle.set(address, rest);
    }
    link.comm.abort();
    this.#changed();
  }

  #changed(): void {
    this.#change?.resolve();
    this.#change = undefined;
  }

  /** Drops all links; requests reject. Idempotent. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#ended.abort();
    for (const link of this.#links) this.#drop(link);
    this.#changed();
    await Promise.all(this.#dials);
  }

  /** Same as {@linkcode close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

class Link {
  readonly comm: Comm;
  /** The pending read: the reply to the next request. */
  next: Promise<unknown>;
  isIdle = false;
  readonly #onGone: (link: Link) => void;

  constructor(comm: Comm, onGone: (link: Link) => void) {
    this.comm = comm;
    this.#onGone = onGone;
    this.next = this.#read();
  }

  watch(): void {
    this.next = this.#read();
  }

  #read(): Promise<unknown> {
    const next = this.comm.read();
    // Any event on an idle link ends it, even a message, because no request was sent.
    const settled = () => {
      if (this.isIdle && this.next === next) this.#onGone(this);
    };
    next.then(settled, settled);
    return next;
  }
}

function isErrorReply(error: unknown): boolean {
  return error instanceof RpcError;
}

function closedError(address: Address): CommClosed {
  return new CommClosed(address, `Cannot ask "${address}": the pool of connections is closed`);
}
