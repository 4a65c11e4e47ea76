/**
 * Puts values on workers (`Client.scatter` in distributed/client.py): straight, and by way of the scheduler where no
 * worker can be reached.
 *
 * @module
 */

import { CommClosed, messageOf, TimeoutError } from "../comm/errors.ts";
import { getLogger } from "../config/logging.ts";
import { orAborted } from "../internal/deadline.ts";
import type { Address, Key } from "../messages/common.ts";
import type { WorkerIdentity } from "../messages/rpc.ts";
import type { Serialized } from "../protocol/serialized.ts";
import { serializeValue, typenameOf } from "../protocol/values.ts";
import type { Future, WaitOptions } from "./future.ts";
import { isolated } from "./isolate.ts";
import type { Session } from "./session.ts";
import { keyOf, randomToken, valueToken } from "./token.ts";

const logger = getLogger("distributed.client");

/** How often a value is given to other workers because those that had it left meanwhile. */
const TRIES = 3;
/** Milliseconds between looks for a worker, as in Dask. */
const POLL_MS = 100;

/** Options of {@linkcode Client.scatter}. */
export interface ScatterOptions extends WaitOptions {
  /** Gives the value to every worker, or to so many. Default: to one. */
  broadcast?: boolean | number;
  /** Addresses, names or hosts of the workers to choose from. Default: all. */
  workers?: readonly string[];
  /** Whether the key is made of the value, so that an equal value is there once. Default: true. */
  hash?: boolean;
}

/** Gives values to workers in turn. */
export class Scatterer {
  #session: Session;
  #turn = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  /** See `Client.scatter`. */
  async scatter(value: unknown, options: ScatterOptions): Promise<Future<unknown>> {
    checkBroadcast(options.broadcast);
    this.#session.checkOpen();
    const payload = serializeValue(value);
    const sent = this.#session.sharesMemory ? isolated(payload) : payload;
    const token = options.hash ?? true ? valueToken(sent) : randomToken();
    const key = keyOf(typenameOf(value), token);
    using deadline = this.#session.deadline(options, `workers to take "${key}"`);
    const isAnywhere = options.workers === undefined && (options.broadcast ?? false) === false;
    if (isAnywhere && (options.hash ?? true)) {
      const known = await this.#find(key, deadline.signal);
      if (known !== undefined) return known;
    }
    for (let tries = 1;; tries++) {
      const future = await this.#give(key, sent, options, deadline.signal);
      await this.#session.waitFor([stateOf(future)], deadline);
      if (future.status !== "cancelled" || tries === TRIES) return future;
      logger.debug(`Holders of "${key}" left before the scheduler knew of it; giving it to others`);
      future.release();
    }
  }
}
