/**
 * Open links to many peers, for requests. Source: `ConnectionPool` in `distributed/core.py`.
 *
 * A comm carries one request at a time; concurrent requests to one peer use several. An idle comm has a read
 * pending, so that a peer that goes away is noticed at once and not by the next request.
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

/** How a pool dials, and how much. */
export interface ConnectionPoolOptions extends Omit<ConnectOptions, "signal"> {
  /** Links at once; above it idle ones are closed, and requests wait. Default 512. */
  readonly limit?: number | undefined;
  /** Address whose peer must be a scheduler by `authorization`; all others must be what `expect` says. */
  readonly scheduler?: Address | undefined;
  /** Where the links, and the time that dials take, come from. Default: this machine. */
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
  /** Links that are being made. */
  readonly #dials = new Set<Promise<void>>();
  /** Ends the dials to each peer. */
  readonly #dialling = new Map<Address, Set<AbortController>>();
  /** Resolved when a link may have become free. */
  #change: PromiseWithResolvers<void> | undefined = undefined;
  readonly #ended = new AbortController();
  #closing: Promise<void> | undefined = undefined;

  /** An empty pool. */
  constructor(options: ConnectionPoolOptions = {}) {
    this.#options = options;
    this.#platform = options.platform ?? systemPlatform;
    this.#limit = options.limit ?? LINKS_MAX;
  }

  /** Links that are open or being made. */
  get open(): number {
    return this.#links.size + this.#dials.size;
  }

  /** Links that carry a request, or are being made for one. */
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
   * Asks `address`, over an idle link if there is one, else over a new one.
   *
   * @param operation The row of the operation, in the table of the role that is asked.
   * @param dial How to make a link; by default as the pool dials.
   * @throws {RpcError} If the handler there failed.
   * @throws {MessageError} If what it answers is no reply to this operation.
   * @throws {CommClosed} If the link broke, or the pool is closed. Whether the request was handled is not
   * known.
   * @throws {CommAuthError | CommTimeoutError} If there is no link.
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
      // An error reply leaves the link as it was; anything else leaves it in the middle of something.
      if (isErrorReply(error)) this.#release(link);
      else this.#drop(link);
      throw error;
    }
  }

  /** Drops all links to `address`, also those that are being made; requests on them reject. */
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

  /** A signal that {@linkcode remove} aborts. */
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

  /** As {@linkcode close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

class Link {
  readonly comm: Comm;
  /** What the peer sends next: the reply to the request that comes next. */
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
    // Anything that happens on an idle link ends it, also a message without a request.
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
