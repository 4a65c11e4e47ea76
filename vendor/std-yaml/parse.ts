/**
 * Stand-in for `@std/yaml/parse` where JSR is out of reach: the part of it that this package uses, over
 * js-yaml, which the real one was written after.
 *
 * @module
 */

// @ts-types="npm:@types/js-yaml@4.0.9"
import { DEFAULT_SCHEMA, load, Type, YAMLException } from "npm:js-yaml@4.1.0";

/** Whole numbers as in YAML 1.1 and PyYAML: 017 is octal, 0o17 a text. js-yaml 4 reads those of YAML 1.2. */
const wholeNumber = new Type("tag:yaml.org,2002:int", {
  kind: "scalar",
  resolve: (text: string | null) =>
    text !== null &&
    /^[-+]?(?:0|0b[01_]*[01]|0x[\da-fA-F_]*[\da-fA-F]|0[0-7_]*[0-7])$/.test(
      text,
    ),
  construct: (text: string) => {
    const digits = text.replaceAll("_", "").replace(/^[-+]/, "").replace(
      /^0(?=[0-7])/,
      "0o",
    );
    return text.startsWith("-") && digits !== "0" ? -Number(digits) : Number(digits);
  },
});

/** All other numbers. */
const number = new Type("tag:yaml.org,2002:float", {
  kind: "scalar",
  resolve: (text: string | null) =>
    text !== null && !text.endsWith("_") &&
    (/^[-+]?(?:0|[1-9][\d_]*)(?:\.[\d_]*)?(?:[eE][-+]?\d+)?$/.test(text) ||
      /^\.[\d_]+(?:[eE][-+]?\d+)?$/.test(text) ||
      /^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$/.test(text)),
  construct: (text: string) => {
    const digits = text.replaceAll("_", "").replace(/^[-+]/, "").toLowerCase();
    const size = digits === ".inf" ? Infinity : parseFloat(digits);
    return text.startsWith("-") ? -size : size;
  },
});

const schema = DEFAULT_SCHEMA.extend({ implicit: [wholeNumber, number] });

/**
 * Reads one document.
 *
 * @throws {SyntaxError} If it is no YAML; the message has line and column.
 */
export function parse(content: string): unknown {
  try {
    return load(content.replace(/^\ufeff/, ""), { schema }) ?? null;
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const { line = 0, column = 0 } = error.mark ?? {};
    throw new SyntaxError(
      `${error.reason} at line ${line + 1}, column ${column + 1}`,
      { cause: error },
    );
  }
}
