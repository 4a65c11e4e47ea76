/**
 * The network of a simulated cluster: who listens where, and what goes wrong on the way.
 *
 * @module
 */

import { formatAddress, normalizeAddress, parseAddress } from "../../comm/address.ts";
import type { Comm, Listener } from "../../comm/comm.ts";
import { CONNECT_TIMEOUT, type ConnectOptions } from "../../comm/connect.ts";
import type { ListenOptions } from "../../comm/listen.ts";
import type { Network } from "../../comm/platform.ts";
import { withRetries } from "../../comm/retry.ts";
import { parseTimedelta } from "../../internal/units.ts";
import type { Address } from "../../messages/common.ts";
import type { Role } from "./role.ts";
import { type Traffic, VirtualComm } from "./virtual_comm.ts";

/** Ports that are given to who does not ask for one. */
const FIRST_PORT = 30_000;

/** What goes wrong. */
export interface Faults extends Traffic {
  /** What becomes of a dial. */
  dial(from: Role, to: Role): "works" | "is refused" | "is not answered";
  /** Whether a new link is slow. */
  isSlow(): boolean;
}

interface Listening {
  readonly role: Role;
  readonly onComm: (comm: Comm) => void;
}

/** All links of a cluster. */
export class VirtualNetwork {
  readonly #faults: Faults;
  readonly #listeners: Map<Address, Listening> = new Map();
  /** Machines that are gone: nobody answers there. */
  readonly #gone: Set<Address> = new Set();
  #port = FIRST_PORT;

  /** A network without anybody. */
  constructor(faults: Faults) {
    this.#faults = faults;
  }

  /** What `role` is given. */
  of(role: Role): Network {
    return {
      connect: (address, options) => this.#connect(role, address, options),
      listen: (address, options) => this.#listen(role, address, options),
    };
  }

  /** The process of `role` ended, and with it, perhaps, its machine. */
  drop(role: Role, isMachineGone: boolean): void {
    for (const [address, listening] of this.#listeners) {
      if (listening.role !== role) continue;
      this.#listeners.delete(address);
      if (isMachineGone) this.#gone.add(address);
    }
  }

  #connect(role: Role, address: string, options: ConnectOptions = {}): Promise<Comm> {
    const peer = normalizeAddress(address);
    const { signal, tries, timeout = CONNECT_TIMEOUT } = options;
    const { clock, ids } = role.platform;
    return withRetries(peer, (given) => this.#dial(role, peer, given), {
      timeoutMs: parseTimedelta(timeout, "ms") * 1000,
      tries,
      signal,
      clock,
      random: () => ids.random(),
    });
  }

  #dial(role: Role, address: Address, signal: AbortSignal): Promise<Comm> {
    const { world, latency } = this.#faults;
    const { promise, resolve, reject } = Promise.withResolvers<Comm>();
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const later = (run: () => void) =>
      world.schedule(world.delay(latency), () => {
        if (!signal.aborted && !role.isDead) run();
      });
    later(() => {
      const listening = this.#listeners.get(address);
      const what = listening === undefined
        ? this.#gone.has(address) ? "is not answered" : "is refused"
        : this.#faults.dial(role, listening.role);
      if (what === "is not answered") return;
      if (listening === undefined || what === "is refused") {
        later(() => reject(new Deno.errors.ConnectionRefused(`Nobody listens at ${address}`)));
        return;
      }
      const from = formatAddress("tcp", role.host, this.#port++);
      const [ours, theirs] = VirtualComm.pair(
        this.#faults,
        role,
        from,
        listening.role,
        address,
        this.#faults.isSlow(),
      );
      signal.addEventListener("abort", () => ours.abort(), { once: true });
      listening.onComm(theirs);
      later(() => resolve(ours));
    });
    return promise.finally(() => signal.removeEventListener("abort", onAbort));
  }

  #listen(role: Role, address: string, { onComm, signal }: ListenOptions): Promise<Listener> {
    const { scheme, host, port = 0 } = parseAddress(address);
    const at = formatAddress(scheme, host === "" ? role.host : host, port === 0 ? this.#port++ : port);
    if (this.#listeners.has(at)) {
      return Promise.reject(new Deno.errors.AddrInUse(`Cannot listen on "${at}": somebody else does`));
    }
    this.#listeners.set(at, { role, onComm });
    this.#gone.delete(at);
    role.listening.add(at);
    const close = (): Promise<void> => {
      if (role.listening.delete(at)) this.#listeners.delete(at);
      return Promise.resolve();
    };
    signal?.addEventListener("abort", () => void close(), { once: true });
    return Promise.resolve({
      listenAddress: at,
      contactAddress: at,
      close,
      [Symbol.asyncDispose]: close,
    });
  }
}
