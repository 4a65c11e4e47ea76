/**
 * A peer that says what a test wants: a scheduler that gives bad advice, for instance.
 *
 * @module
 */

import type { Comm, Listener } from "../comm/comm.ts";
import { connect } from "../comm/connect.ts";
import { listen } from "../comm/listen.ts";
import { linkOptions } from "../comm/secure.ts";
import type { Security } from "../security/security.ts";
import type { TlsRole } from "../security/roles.ts";

export type { Comm } from "../comm/comm.ts";

/** A link to `address` as `role`. */
export async function linkTo(address: string, security: Security, role: TlsRole): Promise<Comm> {
  return await connect(address, await linkOptions(security, role));
}

/** Listens as a scheduler, and hands out who comes by the first thing that it asks. */
export class Peer implements AsyncDisposable {
  readonly #listener: Listener;
  readonly #comms: Comm[];
  readonly #first = new Map<string, PromiseWithResolvers<Comm>>();

  private constructor(listener: Listener, comms: Comm[]) {
    this.#listener = listener;
    this.#comms = comms;
  }

  /** Starts one on loopback. */
  static async start(security: Security): Promise<Peer> {
    const comms: Comm[] = [];
    const self: { peer?: Peer } = {};
    const listener = await listen("tls://127.0.0.1:0", {
      ...await linkOptions(security, "scheduler"),
      onComm: (comm) => {
        comms.push(comm);
        const { peer } = self;
        if (peer !== undefined) void peer.#greet(comm).catch(() => comm.abort());
      },
    });
    return self.peer = new Peer(listener, comms);
  }

  /** Where it listens. */
  get address(): string {
    return this.#listener.contactAddress;
  }

  async #greet(comm: Comm): Promise<void> {
    const request = await comm.read() as { readonly op: string };
    this.#slot(request.op).resolve(comm);
  }

  #slot(op: string): PromiseWithResolvers<Comm> {
    const slot = this.#first.get(op) ?? Promise.withResolvers<Comm>();
    this.#first.set(op, slot);
    return slot;
  }

  /** The link whose first request is `op`, behind that request. */
  accept(op: string): Promise<Comm> {
    return this.#slot(op).promise;
  }

  /** Ends all links. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const comm of this.#comms) comm.abort();
    await this.#listener.close();
  }
}
