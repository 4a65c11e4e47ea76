/**
 * What a role runs on: time, ids and links. Roles get it from outside, and the simulator gives them virtual
 * ones.
 *
 * @module
 */

import { type Clock, systemClock } from "../internal/clock.ts";
import { type Ids, systemIds } from "../internal/ids.ts";
import type { Comm, Listener } from "./comm.ts";
import { connect, type ConnectOptions } from "./connect.ts";
import { listen, type ListenOptions } from "./listen.ts";

/** Makes links. */
export interface Network {
  /** As {@linkcode connect}. */
  connect(address: string, options?: ConnectOptions): Promise<Comm>;
  /** As {@linkcode listen}. */
  listen(address: string, options: ListenOptions): Promise<Listener>;
}

/** All that a role needs of the machine that it runs on. */
export interface Platform {
  /** Time. */
  readonly clock: Clock;
  /** Ids and randomness. */
  readonly ids: Ids;
  /** Links. */
  readonly network: Network;
}

/** The real one. */
export const systemPlatform: Platform = {
  clock: systemClock,
  ids: systemIds,
  network: { connect, listen },
};
