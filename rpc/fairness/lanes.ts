/**
 * Limits concurrent requests with large answers: a peer can have a limited number at a time, from the request
 * until the peer has read the answer. A peer that sends requests on many links without reading blocks only
 * itself.
 *
 * @module
 */

interface Lane {
  active: number;
  readonly waiting: (() => void)[];
}

/** Running and waiting requests, by peer. */
export class Lanes {
  readonly #width: number;
  readonly #lanes = new Map<string, Lane>();

  /** @param width Maximum number of concurrent requests of a peer. */
  constructor(width: number) {
    this.#width = width;
  }

  /**
   * Resolves when it is the turn of a request of `peer`; disposing of the result ends the turn. Resolves to
   * undefined if `signal` is aborted first.
   */
  async enter(peer: string, signal?: AbortSignal): Promise<Disposable | undefined> {
    const free = this.tryEnter(peer);
    if (free !== undefined || signal?.aborted === true) return free;
    const { waiting } = this.#lane(peer);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const next = () => resolve(true);
    const onAbort = () => {
      const place = waiting.indexOf(next);
      if (place >= 0) waiting.splice(place, 1);
      resolve(false);
    };
    waiting.push(next);
    signal?.addEventListener("abort", onAbort, { once: true });
    const isMine = await promise;
    signal?.removeEventListener("abort", onAbort);
    return isMine ? this.#turn(peer) : undefined;
  }

  /** Returns the turn of a request of `peer`; undefined if it would have to wait. */
  tryEnter(peer: string): Disposable | undefined {
    const lane = this.#lane(peer);
    if (lane.active >= this.#width) return undefined;
    lane.active++;
    return this.#turn(peer);
  }

  #lane(peer: string): Lane {
    let lane = this.#lanes.get(peer);
    if (lane === undefined) this.#lanes.set(peer, lane = { active: 0, waiting: [] });
    return lane;
  }

  #turn(peer: string): Disposable {
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (!isOver) this.#leave(peer, this.#lane(peer));
        isOver = true;
      },
    };
  }

  #leave(peer: string, lane: Lane): void {
    const next = lane.waiting.shift();
    if (next !== undefined) return next(); // the next one takes the place
    if (--lane.active === 0) this.#lanes.delete(peer);
  }
}
