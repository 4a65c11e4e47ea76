/** Deep equality with the meaning of `@std/assert`'s `equal`. */

/** Pairs that are being compared, so that circular values end. */
type Open = Map<object, object>;

type Collection = Map<unknown, unknown> | Set<unknown>;

const TypedArray = Object.getPrototypeOf(Uint8Array) as new () => Uint8Array;

/** Where the walk to inherited properties ends. */
const roots: readonly (object | null)[] = [
  Object.prototype,
  Array.prototype,
  null,
];

/** Classes whose text says everything. */
const textual: readonly (new (...args: never[]) => object)[] = [
  RegExp,
  URL,
  URLSearchParams,
  Intl.Locale,
];

/**
 * Whether two values are deeply equal.
 *
 * Plain objects and arrays are judged by their own enumerable properties; 0 is -0, and NaN is NaN. Bytes,
 * sets, maps and dates are judged by content. Objects of any other class are judged by every property that
 * can be read from outside, getters and hidden ones included: two errors are equal only if their stacks are.
 * Functions are equal to themselves alone, and so is anything else of two classes.
 *
 * @throws {TypeError} If weak collections are compared: their content can't be known.
 */
export function equal(left: unknown, right: unknown): boolean {
  return same(left, right, new Map());
}

function same(left: unknown, right: unknown, open: Open): boolean {
  if (isSame(left, right)) return true;
  if (
    typeof left !== "object" || typeof right !== "object" || left === null ||
    right === null
  ) return false;
  if (left instanceof Date && right instanceof Date) {
    return Object.is(left.getTime(), right.getTime());
  }
  if (classOf(left) !== classOf(right)) return false;
  return sameContent(left, right, open) ?? sameObjects(left, right, open);
}

function isSame(left: unknown, right: unknown): boolean {
  return left === right || Object.is(left, right);
}

/** Prototype; an object without one counts as plain. */
function classOf(value: object): unknown {
  return Object.getPrototypeOf(value) ?? Object.prototype;
}

/** Answer for objects of one class that are nothing but their content; `undefined` for others. */
function sameContent(
  left: object,
  right: object,
  open: Open,
): boolean | undefined {
  if (left instanceof TypedArray) {
    return sameElements(left, right as Uint8Array);
  }
  if (left instanceof ArrayBuffer || left instanceof SharedArrayBuffer) {
    return sameElements(
      new Uint8Array(left),
      new Uint8Array(right as ArrayBuffer),
    );
  }
  if (left instanceof WeakMap || left instanceof WeakSet) {
    throw new TypeError(`Cannot compare ${left.constructor.name} instances`);
  }
  if (left instanceof WeakRef) {
    return same(left.deref(), (right as WeakRef<object>).deref(), open);
  }
  return undefined;
}

function sameElements(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length &&
    left.every((one, i) => isSame(one, right[i]));
}

function sameObjects(left: object, right: object, open: Open): boolean {
  if (open.get(left) === right) return true;
  const names = Object.keys(left);
  if (names.length !== Object.keys(right).length) return false;
  open.set(left, right);
  if (isCollection(left)) return includesAll(left, right as Collection, open);
  if (textual.some((one) => classOf(left) === one.prototype)) return String(left) === String(right);
  if (!isPlain(left)) return sameProperties([...readable(left), ...readable(right)], left, right, open);
  const isSimple = names.every((name) => isEnumerable(right, name)) && !hasSymbols(left) &&
    !hasSymbols(right);
  return sameProperties(isSimple ? names : [...enumerable(left), ...enumerable(right)], left, right, open);
}

function sameProperties(names: readonly PropertyKey[], left: object, right: object, open: Open): boolean {
  for (const name of names) {
    if (Reflect.has(left, name) !== Reflect.has(right, name)) return false;
    if (!same(Reflect.get(left, name), Reflect.get(right, name), open)) return false;
  }
  return true;
}

function isCollection(value: object): value is Collection {
  return value instanceof Map || value instanceof Set;
}

/** Whether both have the same size, and each entry of `left` has an equal in `right`, in any order. */
function includesAll(left: Collection, right: Collection, open: Open): boolean {
  if (left.size !== right.size) return false;
  const others = [...right.entries()];
  const valueAt = (key: unknown): unknown => right instanceof Map ? right.get(key) : key;
  return [...left.entries()].every(([key, value]) =>
    typeof key !== "object" || key === null
      ? right.has(key) && same(value, valueAt(key), open)
      : others.some(([otherKey, other]) => same(key, otherKey, open) && same(value, other, open))
  );
}

function isPlain(value: object): boolean {
  return roots.includes(Object.getPrototypeOf(value) as object | null);
}

function enumerable(value: object): PropertyKey[] {
  return Reflect.ownKeys(value).filter((name) => isEnumerable(value, name));
}

function isEnumerable(value: object, name: PropertyKey): boolean {
  return Object.prototype.propertyIsEnumerable.call(value, name);
}

function hasSymbols(value: object): boolean {
  return Object.getOwnPropertySymbols(value).length > 0;
}

/** Names of all properties, inherited ones included. */
function readable(value: object): PropertyKey[] {
  const names: PropertyKey[] = [];
  for (
    let at: object | null = value;
    at !== null && !roots.includes(at);
    at = Object.getPrototypeOf(at)
  ) {
    names.push(...Reflect.ownKeys(at));
  }
  return names;
}
