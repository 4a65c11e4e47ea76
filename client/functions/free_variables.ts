/**
 * Finds the names that a function uses without declaring them, by scope analysis of an ESTree syntax tree.
 *
 * @module
 */

/** A node from acorn; its fields are checked when they are read. */
export interface SyntaxNode {
  /** Type in ESTree's spelling. */
  readonly type: string;
  /** Offset of the first character. */
  readonly start: number;
  /** Offset after the last. */
  readonly end: number;
  /** Position. */
  readonly loc?: { readonly start: { readonly line: number } };
  /** Other fields depend on the type. */
  readonly [field: string]: unknown;
}

/** A place in a function's source. */
export interface SourcePlace {
  /** Name at this place. */
  readonly name: string;
  /** Line within the function, from 1. */
  readonly line: number;
}

/** Names on which a function depends outside itself. */
export interface Dependencies {
  /** Names that the function does not declare, each once, at its first use. Globals are among them. */
  readonly free: readonly SourcePlace[];
  /** `this`, `super`, `import.meta` and relative imports, which can't work on a worker. */
  readonly bound: readonly SourcePlace[];
}

/** Analyses a function expression or arrow function. */
export function findDependencies(fn: SyntaxNode): Dependencies {
  const analysis = new Analysis();
  analysis.function(fn, undefined, false);
  return { free: [...analysis.free.values()], bound: analysis.bound };
}

/** Returns `value` if it is a node, else undefined. */
export function asNode(value: unknown): SyntaxNode | undefined {
  return typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string"
    ? value as SyntaxNode
    : undefined;
}

function nodesOf(value: unknown): SyntaxNode[] {
  return Array.isArray(value) ? value.map(asNode).filter((node) => node !== undefined) : [];
}

class Scope {
  readonly names = new Set<string>();
  readonly parent: Scope | undefined;
  /** Whether `this` belongs to something inside the analysed function. */
  readonly hasThis: boolean;

  constructor(parent: Scope | undefined, hasThis: boolean = parent?.hasThis ?? false) {
    this.parent = parent;
    this.hasThis = hasThis;
  }

  has(name: string): boolean {
    return this.names.has(name) || (this.parent?.has(name) ?? false);
  }
}

const FUNCTIONS: ReadonlySet<string> = new Set([
  "FunctionDeclaration",
  "FunctionExpression",
  "ArrowFunctionExpression",
]);

class Analysis {
  readonly free = new Map<string, SourcePlace>();
  readonly bound: SourcePlace[] = [];

  /** Analyses a function. `gives`: whether a function that is not an arrow function has a useful `this`. */
  function(node: SyntaxNode, outer: Scope | undefined, gives: boolean): void {
    const isArrow = node.type === "ArrowFunctionExpression";
    let around = outer;
    if (node.type === "FunctionExpression" && asNode(node["id"]) !== undefined) {
      around = new Scope(outer);
      declarePattern(asNode(node["id"]), around);
    }
    const scope = new Scope(around, isArrow ? around?.hasThis ?? false : gives);
    if (!isArrow) scope.names.add("arguments");
    const params = nodesOf(node["params"]);
    for (const param of params) declarePattern(param, scope);
    for (const param of params) this.visit(param, scope);
    const body = asNode(node["body"]);
    if (body?.type === "BlockStatement") this.#body(body, scope);
    else if (body !== undefined) this.visit(body, scope);
  }

  /** Visits a node that is not a function. */
  visit(node: SyntaxNode, scope: Scope): void {
    if (FUNCTIONS.has(node.type)) return this.function(node, scope, true);
    switch (node.type) {
      case "Identifier":
        return this.#use(node, scope);
      case "ThisExpression":
        if (!scope.hasThis) this.#bind("this", node);
        return;
      case "Super":
        if (!scope.hasThis) this.#bind("super", node);
        return;
      case "MetaProperty":
        if (asNode(node["meta"])?.["name"] === "import") this.#bind("import.meta", node);
        return;
      case "ImportExpression":
        return this.#import(node, scope);
      case "UnaryExpression": // typeof may ask for any name
        if (node["operator"] === "typeof" && asNode(node["argument"])?.type === "Identifier") return;
        return this.#children(node, scope);
      case "MemberExpression":
        return this.#named(node, "object", "property", undefined, scope);
      case "Property":
        return this.#named(node, "value", "key", undefined, scope);
      case "MethodDefinition":
        return this.#named(node, "value", "key", undefined, scope);
      case "PropertyDefinition": // an initializer is a function: its `this` is the instance
        return this.#named(node, "value", "key", new Scope(scope, true), scope);
      case "LabeledStatement":
        return this.#child(node["body"], scope);
      case "BreakStatement":
      case "ContinueStatement":
        return;
      case "ClassDeclaration":
      case "ClassExpression":
        return this.#class(node, scope);
      case "StaticBlock":
        return this.#body(node, new Scope(scope, true));
      case "BlockStatement":
        return this.#block(nodesOf(node["body"]), scope);
      case "SwitchStatement":
        this.#child(node["discriminant"], scope);
        return this.#block(nodesOf(node["cases"]), scope);
      case "ForStatement":
      case "ForInStatement":
      case "ForOfStatement":
        return this.#for(node, scope);
      case "CatchClause": {
        const inside = new Scope(scope);
        declarePattern(asNode(node["param"]), inside);
        return this.#children(node, inside);
      }
      default:
        return this.#children(node, scope);
    }
  }

  #use(node: SyntaxNode, scope: Scope): void {
    const name = String(node["name"]);
    if (!scope.has(name) && !this.free.has(name)) this.free.set(name, { name, line: lineOf(node) });
  }

  #bind(name: string, node: SyntaxNode): void {
    this.bound.push({ name, line: lineOf(node) });
  }

  #import(node: SyntaxNode, scope: Scope): void {
    const specifier = asNode(node["source"])?.["value"];
    if (typeof specifier === "string" && /^\.{0,2}\//.test(specifier)) {
      this.#bind(`import("${specifier}")`, node);
    }
    this.#children(node, scope);
  }

  /** Visits a node one part of which is a plain name unless it is computed. */
  #named(node: SyntaxNode, value: string, name: string, inside: Scope | undefined, scope: Scope): void {
    if (node["computed"] === true) this.#child(node[name], scope);
    this.#child(node[value], inside ?? scope);
  }

  #class(node: SyntaxNode, scope: Scope): void {
    const inside = new Scope(scope);
    declarePattern(asNode(node["id"]), inside);
    this.#child(node["superClass"], inside);
    this.#child(node["body"], inside);
  }

  #body(node: SyntaxNode, scope: Scope): void {
    const statements = nodesOf(node["body"]);
    for (const statement of statements) hoistVars(statement, scope);
    declareStatements(statements, scope);
    for (const statement of statements) this.visit(statement, scope);
  }

  #block(statements: readonly SyntaxNode[], scope: Scope): void {
    const inside = new Scope(scope);
    declareStatements(statements, inside);
    for (const statement of statements) {
      if (statement.type === "SwitchCase") declareStatements(nodesOf(statement["consequent"]), inside);
    }
    for (const statement of statements) this.visit(statement, inside);
  }

  #for(node: SyntaxNode, scope: Scope): void {
    const inside = new Scope(scope);
    const head = asNode(node["init"]) ?? asNode(node["left"]);
    if (head !== undefined) declareStatements([head], inside);
    this.#children(node, inside);
  }

  #child(value: unknown, scope: Scope): void {
    const node = asNode(value);
    if (node !== undefined) this.visit(node, scope);
  }

  #children(node: SyntaxNode, scope: Scope): void {
    for (const field in node) {
      const value = node[field];
      if (Array.isArray(value)) { for (const item of value) this.#child(item, scope); }
      else this.#child(value, scope);
    }
  }
}

function lineOf(node: SyntaxNode): number {
  return node.loc?.start.line ?? 0;
}

/** Adds the names that the statements of a block declare in that block. */
function declareStatements(statements: readonly SyntaxNode[], scope: Scope): void {
  for (const statement of statements) {
    if (statement.type === "FunctionDeclaration" || statement.type === "ClassDeclaration") {
      declarePattern(asNode(statement["id"]), scope);
    } else if (statement.type === "VariableDeclaration" && statement["kind"] !== "var") {
      for (const declarator of nodesOf(statement["declarations"])) {
        declarePattern(asNode(declarator["id"]), scope);
      }
    }
  }
}

/** Adds the names that `var` declares in a subtree, except in functions and in static blocks of classes. */
function hoistVars(node: SyntaxNode, scope: Scope): void {
  if (FUNCTIONS.has(node.type) || node.type === "StaticBlock") return;
  if (node.type === "VariableDeclaration" && node["kind"] === "var") {
    for (const declarator of nodesOf(node["declarations"])) declarePattern(asNode(declarator["id"]), scope);
  }
  for (const field in node) {
    const value = node[field];
    const children = Array.isArray(value) ? nodesOf(value) : [asNode(value)];
    for (const child of children) if (child !== undefined) hoistVars(child, scope);
  }
}

/** Adds the names that a binding pattern declares. */
function declarePattern(pattern: SyntaxNode | undefined, scope: Scope): void {
  switch (pattern?.type) {
    case "Identifier":
      scope.names.add(String(pattern["name"]));
      break;
    case "ObjectPattern":
      for (const property of nodesOf(pattern["properties"])) {
        declarePattern(property.type === "Property" ? asNode(property["value"]) : property, scope);
      }
      break;
    case "ArrayPattern":
      for (const element of nodesOf(pattern["elements"])) declarePattern(element, scope);
      break;
    case "RestElement":
      declarePattern(asNode(pattern["argument"]), scope);
      break;
    case "AssignmentPattern":
      declarePattern(asNode(pattern["left"]), scope);
      break;
  }
}
