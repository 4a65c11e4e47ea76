/**
 * Unguessable ids and random numbers, given from outside: a simulation makes them from its seed.
 *
 * @module
 */

/** A source of ids and of randomness. */
export interface Ids {
  /** A new UUID. */
  uuid(): string;
  /** From 0 to less than 1: for pauses and choices, not for secrets. */
  random(): number;
}

/** The real one. */
export const systemIds: Ids = {
  uuid: () => crypto.randomUUID(),
  random: () => Math.random(),
};
