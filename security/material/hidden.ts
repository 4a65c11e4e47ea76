/**
 * Records that hold secrets and don't tell them when they are logged.
 *
 * @module
 */

/**
 * A copy of `record` whose inspection and JSON show what `told` returns.
 *
 * The inspection hooks are enumerable, so that a spread copy hides as well; `toJSON` is not, because a
 * function among the fields can't be sent to a thread.
 */
export function hidden<T extends object>(
  record: T,
  name: string,
  told: () => Readonly<Record<string, unknown>>,
): T {
  const copy = { ...record };
  const inspect = (): string => `${name} ${JSON.stringify(told())}`;
  for (const hook of ["Deno.customInspect", "Deno.privateCustomInspect", "nodejs.util.inspect.custom"]) {
    Object.defineProperty(copy, Symbol.for(hook), { value: inspect, enumerable: true });
  }
  Object.defineProperty(copy, "toJSON", { value: told, enumerable: false });
  return Object.freeze(copy);
}
