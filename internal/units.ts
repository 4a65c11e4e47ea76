/**
 * Texts with units, as Dask reads them: `"4 GiB"`, `"30s"`.
 *
 * @module
 */

const BYTES: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  ...decimal("k", 1e3),
  ...decimal("m", 1e6),
  ...decimal("g", 1e9),
  ...decimal("t", 1e12),
  ...decimal("p", 1e15),
};

function decimal(letter: string, factor: number): Record<string, number> {
  const power = Math.round(Math.log10(factor) / 3);
  const binary = 1024 ** power;
  return {
    [letter]: factor,
    [`${letter}b`]: factor,
    [`${letter}i`]: binary,
    [`${letter}ib`]: binary,
  };
}

const SECONDS: Readonly<Record<string, number>> = {
  ...unit(1, "s", "second", "seconds"),
  ...unit(1e-3, "ms", "millisecond", "milliseconds"),
  ...unit(1e-6, "us", "microsecond", "microseconds"),
  ...unit(1e-9, "ns", "nanosecond", "nanoseconds"),
  ...unit(60, "m", "minute", "minutes"),
  ...unit(3600, "h", "hour", "hours"),
  ...unit(86400, "d", "day", "days"),
  ...unit(604800, "w", "week", "weeks"),
};

function unit(seconds: number, ...names: string[]): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, seconds]));
}

/** Splits `"1.5 GB"` into number and unit; a text without digits counts as one of its unit. */
function split(text: string): [number: number, unit: string] | undefined {
  const compact = text.replaceAll(" ", "");
  if (compact === "") return undefined;
  const match = /^(.*?)([a-zA-Z]*)$/s.exec(/\d/.test(compact) ? compact : `1${compact}`);
  const [, digits = "", name = ""] = match ?? [];
  const number = Number(digits);
  return digits === "" || Number.isNaN(number) ? undefined : [number, name.toLowerCase()];
}

/**
 * Bytes of a text such as `"100 MB"`, `"4GiB"` or `"5e6"`; a number is truncated and returned. Source:
 * `dask.utils.parse_bytes`.
 *
 * @throws {RangeError} If it has no number or an unknown unit.
 */
export function parseBytes(value: number | string): number {
  if (typeof value === "number") return Math.trunc(value);
  const parts = split(value);
  if (parts === undefined) {
    throw new RangeError(`Cannot read "${value}" as a number of bytes: it needs a number, such as "4 GiB"`);
  }
  const factor = Object.hasOwn(BYTES, parts[1]) ? BYTES[parts[1]] : undefined;
  if (factor === undefined) {
    throw new RangeError(
      `Cannot read "${value}" as a number of bytes: unknown unit "${
        parts[1]
      }" (known: B, kB, KiB, MB, MiB, …)`,
    );
  }
  return Math.trunc(parts[0] * factor);
}

/**
 * Seconds of a text such as `"30s"`, `"500 ms"` or `"1 hour"`; a number, or a text without a unit, is taken
 * as `defaultUnit`. Source: `dask.utils.parse_timedelta`.
 *
 * @throws {RangeError} If it has no number or an unknown unit.
 */
export function parseTimedelta(value: number | string, defaultUnit: "s" | "ms" = "s"): number {
  const fallback = SECONDS[defaultUnit] as number;
  if (typeof value === "number") return value * fallback;
  const parts = split(value);
  if (parts === undefined) {
    throw new RangeError(`Cannot read "${value}" as a duration: it needs a number and a unit, such as "30s"`);
  }
  const [number, name] = parts;
  const factor = name === "" ? fallback : Object.hasOwn(SECONDS, name) ? SECONDS[name] : undefined;
  if (factor === undefined) {
    throw new RangeError(
      `Cannot read "${value}" as a duration: unknown unit "${name}" (known: ms, s, m, h, d, w)`,
    );
  }
  return number * factor;
}
