/**
 * Puts results of other tasks into the arguments of a task.
 *
 * @module
 */

/**
 * Puts `value` where `path` leads to in `args`: index of the argument, then array index, property name, or
 * index of the entry in a `Map`.
 *
 * @throws {RangeError} If the arguments have no such place.
 */
export function placeAt(args: unknown[], path: readonly (string | number)[], value: unknown): void {
  let container: unknown = args;
  const last = path.length - 1;
  for (let i = 0; i < last; i++) container = step(container, path[i] as string | number, path);
  const name = path[last];
  if (name === undefined) throw noPlace(path);
  if (Array.isArray(container)) {
    if (typeof name !== "number" || !Object.hasOwn(container, name)) throw noPlace(path);
    container[name] = value;
  } else if (container instanceof Map) {
    container.set(entryKey(container, name, path), value);
  } else if (typeof container === "object" && container !== null && Object.hasOwn(container, name)) {
    // "__proto__" as an own property must stay one.
    Object.defineProperty(container, name, { value, writable: true, enumerable: true, configurable: true });
  } else {
    throw noPlace(path);
  }
}

function step(container: unknown, name: string | number, path: readonly (string | number)[]): unknown {
  if (container instanceof Map) return container.get(entryKey(container, name, path));
  if (typeof container === "object" && container !== null && Object.hasOwn(container, name)) {
    return (container as Record<string | number, unknown>)[name];
  }
  throw noPlace(path);
}

function entryKey(
  map: ReadonlyMap<unknown, unknown>,
  index: string | number,
  path: readonly (string | number)[],
): unknown {
  let i = 0;
  for (const key of map.keys()) if (i++ === index) return key;
  throw noPlace(path);
}

function noPlace(path: readonly (string | number)[]): RangeError {
  const text = path.map((name) => typeof name === "number" ? `[${name}]` : `.${name}`).join("");
  return new RangeError(`Cannot put the result of a task into the arguments: there is no args${text}`);
}
