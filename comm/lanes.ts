/**
 * Turns for requests whose answers may be large: so many at a time per peer, from the request to the moment when the answer
 * was taken. A peer that asks on many links, and reads none of the answers, waits for itself.
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

  /** Resolves when it is the turn of a request of `peer`; disposing of the result ends it. */
  async enter(peer: string): Promise<Disposable> {
    let lane = this.#lanes.get(peer);
    if (lane === undefined) this.#lanes.set(peer, lane = { active: 0, waiting: [] });
    const { waiting } = lane;
    if (lane.active < this.#width) lane.active++;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    return { [Symbol.dispose]: () => this.#leave(peer, lane) };
  }

  #leave(peer: string, lane: Lane): void {
    const next = lane.waiting.shift();
    if (next !== undefined) return next(); // it takes the place
    if (--lane.active === 0) this.#lanes.delete(peer);
  }
}
