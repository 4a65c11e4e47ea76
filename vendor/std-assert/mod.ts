/**
 * Stand-in for `@std/assert` where JSR is out of reach: the assertions that the tests use, with the real
 * one's names, arguments and meaning.
 *
 * @module
 */

import { stripVTControlCharacters } from "node:util";
import { equal } from "./equal.ts";

export { equal };

/** A failed assertion. */
export class AssertionError extends Error {
  /** Class name. */
  override readonly name = "AssertionError";
}

/** A class, abstract or not. */
// deno-lint-ignore no-explicit-any
export type AnyConstructor = new (...args: any[]) => any;

function shown(value: unknown): string {
  return Deno.inspect(value, {
    depth: 12,
    sorted: true,
    trailingComma: true,
    iterableLimit: 200,
    strAbbreviateSize: 2000,
  });
}

function failed(what: string, msg: string | undefined): never {
  throw new AssertionError(msg === undefined ? what : `${what}: ${msg}`);
}

/** Holds if `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Holds if `expr` is falsy. */
export function assertFalse(expr: unknown, msg = ""): void {
  if (expr) throw new AssertionError(msg);
}

/** Holds if both are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  failed(
    `Values are not equal.\n${difference(shown(actual), shown(expected))}`,
    msg,
  );
}

/** Lines of two texts with what only one of them has marked. */
function difference(actual: string, expected: string): string {
  const left = actual.split("\n");
  const right = expected.split("\n");
  let head = 0;
  while (
    head < left.length && head < right.length && left[head] === right[head]
  ) head++;
  let tail = 0;
  while (
    tail < left.length - head && tail < right.length - head &&
    left[left.length - 1 - tail] === right[right.length - 1 - tail]
  ) tail++;
  const context = left.slice(Math.max(0, head - 3), head).map((line) => `    ${line}`);
  const only = left.slice(head, left.length - tail).map((line) => `-   ${line}`);
  const missing = right.slice(head, right.length - tail).map((line) => `+   ${line}`);
  const lines = [...context, ...clipped(only), ...clipped(missing)];
  return `    [Diff] Actual (-) / Expected (+), first line ${head + 1}\n${lines.join("\n")}\n`;
}

function clipped(lines: readonly string[]): string[] {
  const most = 40;
  return lines.length <= most
    ? [...lines]
    : [...lines.slice(0, most), `    … ${lines.length - most} more lines`];
}

/** Holds if they are not deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) {
    failed(
      `Expected actual: ${shown(actual)} not to be: ${shown(expected)}`,
      msg,
    );
  }
}

/** Holds if they are the same value by `Object.is`. */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  failed(
    `Values are not strictly equal.\n    actual: ${shown(actual)}\n    expected: ${shown(expected)}`,
    msg,
  );
}

/** Holds if they are not the same value by `Object.is`. */
export function assertNotStrictEquals<T>(
  actual: T,
  expected: T,
  msg?: string,
): void {
  if (Object.is(actual, expected)) {
    failed(
      `Expected "actual" to not be strictly equal to: ${shown(actual)}`,
      msg,
    );
  }
}

/** Holds if the numbers differ by no more than `tolerance` (by default a ten-millionth of `expected`). */
export function assertAlmostEquals(
  actual: number,
  expected: number,
  tolerance?: number,
  msg?: string,
): void {
  if (Object.is(actual, expected)) return;
  const allowed = tolerance ??
    (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  if (Math.abs(expected - actual) <= allowed) return;
  failed(
    `Expected actual: "${actual}" to be close to "${expected}": the delta is greater than ${allowed}`,
    msg,
  );
}

/** Holds if `actual` is an instance of `expectedType`. */
export function assertInstanceOf<T extends AnyConstructor>(
  actual: unknown,
  expectedType: T,
  msg = "",
): asserts actual is InstanceType<T> {
  if (actual instanceof expectedType) return;
  const got = typeof actual === "object" && actual !== null ? `"${actual.constructor?.name}"` : shown(actual);
  failed(
    `Expected object to be an instance of "${expectedType.name}" but was ${got}`,
    msg === "" ? undefined : msg,
  );
}

/** Holds if the text contains `expected`. */
export function assertStringIncludes(
  actual: string,
  expected: string,
  msg?: string,
): void {
  if (!actual.includes(expected)) {
    failed(`Expected actual: "${actual}" to contain: "${expected}"`, msg);
  }
}

/** Holds if the text matches. */
export function assertMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void {
  if (!expected.test(actual)) {
    failed(`Expected actual: "${actual}" to match: "${expected}"`, msg);
  }
}

/** Holds if the text does not match. */
export function assertNotMatch(
  actual: string,
  expected: RegExp,
  msg?: string,
): void {
  if (expected.test(actual)) {
    failed(`Expected actual: "${actual}" to not match: "${expected}"`, msg);
  }
}

/** What `fn` throws; fails if it doesn't. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** What `fn` throws, if it is an `ErrorClass` whose message includes `msgIncludes`. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  // deno-lint-ignore no-explicit-any
  classOrMessage?: (abstract new (...args: any[]) => Error) | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  let thrown: unknown;
  try {
    fn();
  } catch (error) {
    thrown = error;
    checkThrown(thrown, classOrMessage, msgIncludes, msg);
    return thrown;
  }
  failed(
    "Expected function to throw",
    typeof classOrMessage === "string" ? classOrMessage : msg,
  );
}

function checkThrown(
  thrown: unknown,
  // deno-lint-ignore no-explicit-any
  classOrMessage: (abstract new (...args: any[]) => Error) | string | undefined,
  msgIncludes: string | undefined,
  msg: string | undefined,
): void {
  if (classOrMessage === undefined || typeof classOrMessage === "string") return;
  if (!(thrown instanceof Error)) failed("A non-Error object was thrown or rejected", msg);
  if (!(thrown instanceof classOrMessage)) {
    failed(
      `Expected an error of class "${classOrMessage.name}", but got "${(thrown as Error).constructor.name}"`,
      msg,
    );
  }
  const said = stripVTControlCharacters(thrown.message);
  if (msgIncludes === undefined || said.includes(stripVTControlCharacters(msgIncludes))) return;
  failed(`Expected error message to include ${shown(msgIncludes)}, but got ${shown(said)}`, msg);
}

/** What the promise of `fn` rejects with; fails if it doesn't. */
export function assertRejects(
  fn: () => PromiseLike<unknown>,
  msg?: string,
): Promise<unknown>;
/** What the promise of `fn` rejects with, if it is an `ErrorClass` whose message includes `msgIncludes`. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any
  ErrorClass: abstract new (...args: any[]) => E,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any
  classOrMessage?: (abstract new (...args: any[]) => Error) | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  const custom = typeof classOrMessage === "string" ? classOrMessage : msg;
  let returned: PromiseLike<unknown>;
  try {
    returned = fn();
  } catch {
    failed("Function throws when expected to reject", custom);
  }
  let thrown: unknown;
  try {
    await returned;
  } catch (error) {
    thrown = error;
    checkThrown(thrown, classOrMessage, msgIncludes, msg);
    return thrown;
  }
  failed("Expected function to reject", custom);
}
