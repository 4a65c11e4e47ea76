/**
 * Makes function bodies: the source of a function, checked to be self-contained, and its hash.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { parse } from "acorn";
import type { FunctionHash } from "../../messages/common.ts";
import { encodeMsgpack } from "../../protocol/msgpack.ts";
import { asNode, findDependencies, type SourcePlace, type SyntaxNode } from "./free_variables.ts";
import type { FunctionBody } from "../state/stimulus.ts";
import { THREAD_GLOBALS } from "./thread_globals.ts";

/**
 * A function can't be run on a worker. The message says why, and what to do.
 *
 * ```ts
 * import { Client, FunctionSourceError } from "jsr:@dask/distributed";
 *
 * await using client = await Client.connect();
 * const factor = 3;
 * try {
 *   client.submit((x: number) => x * factor, 14);
 * } catch (error) {
 *   if (error instanceof FunctionSourceError) console.log(error.variable, error.line); // factor 1
 * }
 * ```
 */
export class FunctionSourceError extends TypeError {
  /** A stable name of the kind of error. */
  readonly code = "FUNCTION_SOURCE";
  /** Class name. */
  override readonly name = "FunctionSourceError";
  /** Variable from the scope around the function, if that is the reason. */
  readonly variable: string | undefined;
  /** Line within the function, from 1; 0 if the whole function is refused. */
  readonly line: number;

  /** Names the place and the reason. */
  constructor(message: string, place?: SourcePlace, options?: ErrorOptions) {
    super(message, options);
    this.variable = place?.name;
    this.line = place?.line ?? 0;
  }
}

/** A body with the name with which keys begin. */
export interface NamedFunctionBody extends FunctionBody {
  /** The function's name; Dask's `lambda` if it has none. */
  readonly name: string;
}

/** Name of functions without one, as in Dask (`dask.utils.funcname`). */
const NAMELESS = "lambda";

const bodies = new WeakMap<(...args: never[]) => unknown, NamedFunctionBody>();

/**
 * Returns the body of an arrow function, function or method, asynchronous or not. It is parsed and hashed
 * once.
 *
 * @throws {FunctionSourceError} If `fn` uses a variable of its surroundings, or is of a kind that can't be
 * sent.
 */
export function functionBody(fn: (...args: never[]) => unknown): NamedFunctionBody { // hot: per submit
  const known = bodies.get(fn);
  if (known !== undefined) return known;
  const name = nameOf(fn);
  const source = standaloneSource(name, Function.prototype.toString.call(fn));
  const body = encodeMsgpack({ kind: "source", name, source });
  const hash = createHash("sha256").update(body).digest("hex") as FunctionHash;
  const made: NamedFunctionBody = { hash, body, name };
  bodies.set(fn, made);
  return made;
}

/** Registers `made` as the body of `fn`, in place of its source. */
export function registerBody(fn: (...args: never[]) => unknown, made: NamedFunctionBody): void {
  bodies.set(fn, made);
}

function nameOf(fn: { readonly name: unknown }): string {
  return typeof fn.name === "string" && fn.name !== "" ? fn.name : NAMELESS;
}

/** Returns the source of an expression that evaluates to the function in any module. */
function standaloneSource(name: string, source: string): string {
  if (/\{\s*\[native code\]\s*\}$/.test(source)) throw refuseNative(name);
  const { node, offset } = parseFunction(name, source);
  if (node["generator"] === true) {
    throw refuse(
      name,
      "it is a generator, whose steps can't cross to another process",
      "return an array instead",
    );
  }
  const { bound, free } = findDependencies(node);
  const [place] = bound;
  if (place !== undefined) throw refuseBound(name, place);
  const unknown = free.filter((use) => !THREAD_GLOBALS.has(use.name));
  if (unknown.length > 0) throw refuseFree(name, unknown);
  if (node.type === "ArrowFunctionExpression" || offset === 1) return source;
  // A method: from the parameters on, its text is that of a function expression. It gets no name, because a
  // method can't refer to its own name.
  return `${node["async"] === true ? "async " : ""}function${source.slice(node.start - offset)}`;
}

interface ParsedFunction {
  readonly node: SyntaxNode;
  /** Number of characters before the source in the parsed text. */
  readonly offset: number;
}

function parseFunction(name: string, source: string): ParsedFunction {
  let cause: unknown;
  try {
    const node = expressionOf(`(${source}\n)`);
    if (node?.type === "ClassExpression") {
      throw refuse(
        name,
        "it is a class",
        "submit a function that makes what you need of plain data, and declare the class inside",
      );
    }
    if (node?.type === "ArrowFunctionExpression" || node?.type === "FunctionExpression") {
      return { node, offset: 1 };
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    cause = error;
  }
  const method = methodOf(source);
  if (method === undefined) {
    const reason = cause instanceof Error ? `: ${cause.message}` : "";
    throw refuse(name, `its source can't be parsed as strict JavaScript${reason}`, "rewrite it", cause);
  }
  if (method["kind"] !== "init") throw refuse(name, "it is a getter or setter", "submit a function");
  const node = asNode(method["value"]);
  if (node === undefined) throw refuse(name, "its source is no function", "submit a function");
  return { node, offset: 2 };
}

/** Returns the property that `source` defines inside an object literal. */
function methodOf(source: string): SyntaxNode | undefined {
  try {
    const object = expressionOf(`({${source}\n})`);
    const properties = object?.["properties"];
    return Array.isArray(properties) && properties.length === 1 ? asNode(properties[0]) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function expressionOf(text: string): SyntaxNode | undefined {
  const program = parse(text, { ecmaVersion: "latest", sourceType: "module", locations: true });
  const [statement] = program.body;
  return asNode(statement?.type === "ExpressionStatement" ? statement.expression : undefined);
}

function refuse(name: string, why: string, whatToDo: string, cause?: unknown): FunctionSourceError {
  const options = cause === undefined ? undefined : { cause };
  return new FunctionSourceError(
    `Cannot send function "${name}" to a worker: ${why}; ${whatToDo}`,
    undefined,
    options,
  );
}

function refuseNative(name: string): FunctionSourceError {
  if (name.startsWith("bound ")) {
    return refuse(
      name,
      "it is bound, and a bound function has no source",
      "pass what it is bound to as an argument",
    );
  }
  return refuse(
    name,
    "it is native and has no source",
    "call it in a function of your own: (x) => Math.sqrt(x)",
  );
}

function refuseBound(name: string, place: SourcePlace): FunctionSourceError {
  const whatToDo = place.name === "this" || place.name === "super"
    ? "pass the object's data as an argument"
    : place.name === "import.meta"
    ? "pass what you need of it as an argument"
    : "import an absolute URL";
  return new FunctionSourceError(
    `Cannot send function "${name}" to a worker: it uses ${place.name} (line ${place.line} of the function), ` +
      `which has no meaning there; ${whatToDo}`,
    place,
  );
}

function refuseFree(name: string, places: readonly SourcePlace[]): FunctionSourceError {
  const uses = places.map((place) => `"${place.name}" (line ${place.line} of the function)`).join(" and ");
  const are = places.length === 1
    ? "which is neither declared in it nor a global"
    : "which are neither declared in it nor globals";
  const it = places.length === 1 ? "it as an argument, or declare it" : "them as arguments, or declare them";
  return new FunctionSourceError(
    `Cannot send function "${name}" to a worker: it uses ${uses}, ${are} of a worker; pass ${it} inside`,
    places[0],
  );
}
