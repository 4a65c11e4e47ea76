/**
 * Turns for requests whose answers may be large: a limited number at a time per peer, from the request until
 * the answer was taken. A peer that asks on many links, and reads none of the answers, waits for itself.
 *
 * @module
 */

interface Lane {
  active: number;
  readonly waiting: (() => void)[];
}

/** Lanes by peer. */
export class Lanes {
  readonly #width: number;
  readonly #lanes = new Map<string, Lane>();

  /** @param width Requests of one peer at a time. */
  constructor(width: number) {
    this.#width = width;
  }

  /**
   * Resolves when it is the turn of a request of `peer`; disposing of the result ends it. Nothing if `signal`
   * is aborted before.
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

  /** The turn of a request of `peer`, if it need not wait. */
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
    if (next !== undefined) return next(); // it takes the place
    if (--lane.active === 0) this.#lanes.delete(peer);
  }
}
