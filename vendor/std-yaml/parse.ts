/**
 * Stand-in for `@std/yaml/parse` where JSR is out of reach: the part of it that this package uses, over js-yaml,
 * which the real one was written after.
 *
 * @module
 */

// @ts-types="npm:@types/js-yaml@4.0.9"
import { load, YAMLException } from "npm:js-yaml@4.1.0";

/**
 * Reads one document.
 *
 * @throws {SyntaxError} If it is no YAML; the message has line and column.
 */
export function parse(content: string): unknown {
  try {
    return load(content.replace(/^\ufeff/, "")) ?? null;
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const { line = 0, column = 0 } = error.mark ?? {};
    throw new SyntaxError(`${error.reason} at line ${line + 1}, column ${column + 1}`, { cause: error });
  }
}
