/**
 * Mutants of source files, made by Stryker's instrumenter: each place of a file gets a switch that chooses
 * between what is written there and its mutants, so that one load serves them all.
 *
 * @module
 */

import { Instrumenter } from "@stryker-mutator/instrumenter";

/** A change to one place of one file. */
export interface Mutant {
  /** Name of its switch. */
  readonly id: string;
  /** Path of the file from the root, with slashes. */
  readonly path: string;
  /** Line, from 1. */
  readonly line: number;
  /** Column, from 1. */
  readonly column: number;
  /** Which kind of change, in Stryker's words. */
  readonly kind: string;
  /** What stands there. */
  readonly original: string;
  /** What would stand there. */
  readonly replacement: string;
}

/** A file with a switch for each mutant. */
export interface Instrumented {
  /** Path of the file from the root, with slashes. */
  readonly path: string;
  /** Its text. */
  readonly text: string;
}

/** A file as it is. */
export type Source = Instrumented;

const silent = (): void => {};
const isOff = (): boolean => false;
const logger = {
  isTraceEnabled: isOff,
  isDebugEnabled: isOff,
  isInfoEnabled: isOff,
  isWarnEnabled: isOff,
  isErrorEnabled: isOff,
  isFatalEnabled: isOff,
  trace: silent,
  debug: silent,
  info: silent,
  warn: silent,
  error: silent,
  fatal: silent,
};

/**
 * Begins each instrumented file: the names that Stryker gives to what is in {@linkcode "./switches.ts"}. In a
 * thread or a process of a test there are no switches, and no mutants.
 */
const HEADER = "const { isActive: stryMutAct_9fa48, cover: stryCov_9fa48 } = " +
  "globalThis.mutationSwitches ?? { isActive: () => false, cover() {} };\n";

/** Makes all mutants of files, but for those that no test could tell or should tell. */
export async function instrument(
  sources: readonly Source[],
): Promise<{ files: Instrumented[]; mutants: Mutant[] }> {
  const result = await new Instrumenter(logger).instrument(
    sources.map(({ path, text }) => ({ name: path, content: text, mutate: true })),
    { plugins: null, excludedMutations: [], noHeader: true, ignorers: [{ shouldIgnore: whyIgnored }] },
  );
  const texts = new Map(sources.map(({ path, text }) => [path, text.split("\n")]));
  const mutants = result.mutants.filter(({ status }) => status !== "Ignored").map((mutant): Mutant => ({
    id: mutant.id,
    path: mutant.fileName,
    line: mutant.location.start.line + 1,
    column: mutant.location.start.column + 1,
    kind: mutant.mutatorName,
    original: between(texts.get(mutant.fileName) ?? [], mutant.location),
    replacement: mutant.replacement ?? "",
  }));
  return {
    files: result.files.map(({ name, content }) => ({ path: name, text: `${HEADER}${content}` })),
    mutants,
  };
}

interface Position {
  readonly line: number;
  readonly column: number;
}

function between(lines: readonly string[], { start, end }: { start: Position; end: Position }): string {
  const taken = lines.slice(start.line, end.line + 1);
  const last = taken.length - 1;
  return taken.map((line, i) => line.slice(i === 0 ? start.column : 0, i === last ? end.column : undefined))
    .join("\n");
}

/** The parts of Babel's nodes that are looked at. */
interface Node {
  readonly type: string;
  readonly name?: string;
  readonly id?: Node | null;
  readonly key?: Node;
  readonly callee?: Node;
  readonly property?: Node;
  readonly expression?: Node;
  readonly argument?: Node | null;
  readonly consequent?: readonly Node[];
}

/** Checks of what must hold anyway: without one, nothing goes wrong but what is wrong already. */
const CHECKS: ReadonlySet<string> = new Set(["assert", "unreachable"]);

/**
 * Why the mutants inside a piece of code are left out. The texts of errors are for people: tests look for the
 * words that matter, and no more.
 */
function whyIgnored(path: object): string | undefined {
  const { node } = path as { node: Node };
  if (node.type === "NewExpression" && calledName(node).endsWith("Error")) return "text of an error";
  if (isCheck(node) || isValidation(node)) return "check of what must hold anyway";
  return undefined;
}

/** Name of the function, method or class that is called. */
function calledName({ callee }: Node): string {
  return callee?.name ?? callee?.property?.name ?? "";
}

/** `assert(…)`, also as a statement, and `default: return unreachable(…)`. */
function isCheck(node: Node): boolean {
  switch (node.type) {
    case "CallExpression":
      return CHECKS.has(calledName(node));
    case "ExpressionStatement":
      return node.expression !== undefined && isCheck(node.expression);
    case "ReturnStatement":
      return node.argument !== undefined && node.argument !== null && isCheck(node.argument);
    case "SwitchCase":
      return node.consequent?.length === 1 && node.consequent.every(isCheck);
    default:
      return false;
  }
}

/** A function or method called `validate…`, whose whole purpose is to check. */
function isValidation({ type, id, key }: Node): boolean {
  const isFunction = ["FunctionDeclaration", "ClassMethod", "ClassPrivateMethod"].includes(type);
  const name = id?.name ?? key?.name ?? key?.id?.name ?? "";
  return isFunction && name.startsWith("validate");
}
