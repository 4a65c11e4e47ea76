/**
 * Assertions of what must hold whatever a peer or a user does. One that fails is a bug of this package.
 *
 * @module
 */

/** Something that must hold doesn't. Never caught to go on. */
export class AssertionError extends Error {
  /** Class name. */
  override readonly name = "AssertionError";
}

/**
 * Checks that `condition` holds. The message may be a thunk, so that a check that passes builds no string.
 *
 * @throws {AssertionError} If it does not.
 */
export function assert(condition: unknown, message: string | (() => string)): asserts condition {
  if (!condition) throw new AssertionError(typeof message === "string" ? message : message());
}

/**
 * Ends a `switch` that has a case for everything: one more member of the union is a compile error here.
 *
 * @throws {AssertionError} If it is reached all the same.
 */
export function unreachable(value: never): never {
  throw new AssertionError(`Unreachable: no case for ${String(value)}`);
}
