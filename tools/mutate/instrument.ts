/**
 * Creates mutants of source files with Stryker's instrumenter. Each mutated place of a file gets a switch
 * that chooses between the original and its mutants, so that one process can run all of them.
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
  /** Original code. */
  readonly original: string;
  /** Mutated code. */
  readonly replacement: string;
}

/** A file with a switch for each mutant. */
export interface Instrumented {
  /** Path of the file from the root, with slashes. */
  readonly path: string;
  /** Its text. */
  readonly text: string;
}

/** A source file. */
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
 * First line of each instrumented file: Stryker's names for the functions of {@linkcode "./switches.ts"}. In
 * threads and processes that a test starts there are no switches, so no mutants.
 */
const HEADER = "const { isActive: stryMutAct_9fa48, cover: stryCov_9fa48 } = " +
  "globalThis.mutationSwitches ?? { isActive: () => false, cover() {} };\n";

/** Creates all mutants of files, except those that tests can't or need not notice. */
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

/** The used parts of Babel's nodes. */
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

/** Checks of invariants: without one, correct code behaves the same. */
const CHECKS: ReadonlySet<string> = new Set(["assert", "unreachable"]);

/**
 * Returns why the mutants inside a piece of code are left out. Texts of errors are for people: tests only
 * check the important words.
 */
function whyIgnored(path: object): string | undefined {
  const { node } = path as { node: Node };
  if (node.type === "NewExpression" && calledName(node).endsWith("Error")) return "text of an error";
  if (isCheck(node) || isValidation(node)) return "check of what must hold anyway";
  return undefined;
}

/** Returns the name of the called function, method or class. */
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

/** Whether a node is a function or method `validate…`, which only checks. */
function isValidation({ type, id, key }: Node): boolean {
  const isFunction = ["FunctionDeclaration", "ClassMethod", "ClassPrivateMethod"].includes(type);
  const name = id?.name ?? key?.name ?? key?.id?.name ?? "";
  return isFunction && name.startsWith("validate");
}
