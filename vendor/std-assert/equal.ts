/** Deep equality with the meaning of `@std/assert`'s `equal`. */

type Pairs = Map<object, object>;

/** Whether two values are deeply equal: same classes, same own enumerable keys, same contents; 0 is -0, NaN is NaN. */
export function equal(left: unknown, right: unknown): boolean {
  return same(left, right, new Map());
}

function same(left: unknown, right: unknown, open: Pairs): boolean {
  if (left === right || Object.is(left, right)) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  if (classOf(left) !== classOf(right)) return false;
  if (left instanceof Date && right instanceof Date) return Object.is(left.getTime(), right.getTime());
  if (left instanceof RegExp || left instanceof URL) return String(left) === String(right);
  if (ArrayBuffer.isView(left) && ArrayBuffer.isView(right) && !sameLength(left, right)) return false;
  if (open.get(left) === right) return true;
  open.set(left, right);
  if (left instanceof Map && right instanceof Map && !sameEntries(left, right, open)) return false;
  if (left instanceof Set && right instanceof Set && !sameMembers(left, right, open)) return false;
  return sameProperties(left, right, open);
}

function classOf(value: object): unknown {
  const made: unknown = (value as { constructor?: unknown }).constructor;
  return made ?? Object;
}

function sameLength(left: ArrayBufferView, right: ArrayBufferView): boolean {
  return left.byteLength === right.byteLength;
}

function sameEntries(
  left: Map<unknown, unknown>,
  right: Map<unknown, unknown>,
  open: Pairs,
): boolean {
  if (left.size !== right.size) return false;
  const rest = new Set(right.keys());
  for (const [key, value] of left) {
    const found = right.has(key)
      ? key
      : [...rest].find((other) =>
        same(key, other, new Map(open)) && same(value, right.get(other), new Map(open))
      );
    if (!rest.delete(found) || !same(value, right.get(found), open)) return false;
  }
  return true;
}

function sameMembers(left: Set<unknown>, right: Set<unknown>, open: Pairs): boolean {
  if (left.size !== right.size) return false;
  const rest = new Set(right);
  for (const member of left) {
    if (rest.delete(member)) continue;
    const found = [...rest].find((other) => same(member, other, new Map(open)));
    if (found === undefined || !rest.delete(found)) return false;
  }
  return true;
}

function sameProperties(left: object, right: object, open: Pairs): boolean {
  const keys = enumerableKeys(left);
  if (keys.length !== enumerableKeys(right).length) return false;
  for (const key of keys) {
    if (!Object.prototype.propertyIsEnumerable.call(right, key)) return false;
    if (!same(Reflect.get(left, key), Reflect.get(right, key), open)) return false;
  }
  return true;
}

function enumerableKeys(value: object): PropertyKey[] {
  const symbols = Object.getOwnPropertySymbols(value)
    .filter((key) => Object.prototype.propertyIsEnumerable.call(value, key));
  return [...Object.keys(value), ...symbols];
}
