/**
 * The rules of `deno task arch`, without file access: sources in, findings out.
 *
 * @module
 */

import ts from "typescript";

/** One file. */
export interface SourceFile {
  /** Path from the root, with slashes. */
  readonly path: string;
  /** Its text. */
  readonly text: string;
}

/** Imports that the files of a folder may use. */
export interface Layer {
  /** Folder, or `.` for files in the root. The longest match of a file's path counts. */
  readonly folder: string;
  /** Folders and files it may import, besides itself. */
  readonly imports: readonly string[];
  /** Whether it uses no runtime, timer, clock or randomness. */
  readonly pure?: boolean;
}

/** Rules of the whole checkout. */
export interface Rules {
  /** From the top down. */
  readonly layers: readonly Layer[];
  /** Pure files in folders that are not pure. */
  readonly pureFiles: readonly string[];
  /** Folders that published code must not import; they may import anything. */
  readonly unpublished: readonly string[];
  /** Maximum number of lines of a file. */
  readonly mostLines: number;
}

interface Import {
  readonly to: string;
  readonly typeOnly: boolean;
  readonly line: number;
}

const impureNames = new Set([
  "console",
  "crypto",
  "Deno",
  "fetch",
  "performance",
  "process",
  "queueMicrotask",
  "setImmediate",
  "setInterval",
  "setTimeout",
]);

const impureCalls = new Set(["Date.now", "Math.random"]);

/** Returns all violations, as `path:line: what`. */
export function findings(files: readonly SourceFile[], rules: Rules): string[] {
  const found: string[] = [];
  const graph = new Map<string, readonly string[]>();
  const folders = new Map<string, Set<string>>();
  for (const file of files) {
    const tree = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, true);
    const imports = importsOf(file.path, tree);
    const lines = file.text.split("\n").length - 1;
    if (lines > rules.mostLines) found.push(`${file.path}:${lines}: longer than ${rules.mostLines} lines`);
    if (inAny(file.path, rules.unpublished)) continue;
    found.push(...anyTypes(file.path, tree));
    if (isTestFile(file.path)) continue;
    graph.set(file.path, imports.filter((one) => !one.typeOnly).map((one) => one.to));
    addFolders(folders, file.path, imports);
    const layer = layerOf(file.path, rules);
    if (layer === undefined) {
      found.push(`${file.path}:1: in no layer; add its folder to tools/arch.ts`);
      continue;
    }
    found.push(...direction(file.path, imports, layer, rules));
    if (layer.pure === true || rules.pureFiles.includes(file.path)) {
      found.push(...impurities(file.path, tree, imports));
    }
  }
  return [...found, ...cycles(graph), ...cycles(folders)];
}

function isTestFile(path: string): boolean {
  return /_(test|bench)\.ts$/.test(path);
}

function inAny(path: string, places: readonly string[]): boolean {
  return places.some((place) => path === place || path.startsWith(`${place}/`));
}

function layerOf(path: string, rules: Rules): Layer | undefined {
  if (!path.includes("/")) return rules.layers.find((layer) => layer.folder === ".");
  let best: Layer | undefined;
  for (const layer of rules.layers) {
    if (inAny(path, [layer.folder]) && layer.folder.length > (best?.folder.length ?? 0)) best = layer;
  }
  return best;
}

function importsOf(path: string, tree: ts.SourceFile): Import[] {
  const found: Import[] = [];
  const add = (node: ts.Node, specifier: ts.Node | undefined, typeOnly: boolean): void => {
    if (specifier === undefined || !ts.isStringLiteral(specifier)) return;
    found.push({ to: resolved(path, specifier.text), typeOnly, line: lineOf(tree, node) });
  };
  visit(tree, (node) => {
    if (ts.isImportDeclaration(node)) add(node, node.moduleSpecifier, onlyTypes(node.importClause));
    else if (ts.isExportDeclaration(node)) {
      add(node, node.moduleSpecifier, node.isTypeOnly || allTypes(node.exportClause));
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node, node.arguments[0], false);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node, node.argument.literal, true);
    }
  });
  return found;
}

function onlyTypes(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  return clause.isTypeOnly || (clause.name === undefined && allTypes(clause.namedBindings));
}

function allTypes(names: ts.Node | undefined): boolean {
  if (names === undefined || !(ts.isNamedImports(names) || ts.isNamedExports(names))) return false;
  const elements: readonly (ts.ImportSpecifier | ts.ExportSpecifier)[] = [...names.elements];
  return elements.length > 0 && elements.every((element) => element.isTypeOnly);
}

function resolved(from: string, specifier: string): string {
  if (!specifier.startsWith(".")) return specifier;
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}

/** Whether an import is a file of this checkout, not a package. */
function isOurs(to: string): boolean {
  return !/^[a-z@][^/]*:|^@std\/|^[a-z@][^.]*$/.test(to);
}

/** Notes the folders that the folder of `path` imports from, including type imports. */
function addFolders(folders: Map<string, Set<string>>, path: string, imports: readonly Import[]): void {
  const from = folderOf(path);
  let targets = folders.get(from);
  if (targets === undefined) folders.set(from, targets = new Set());
  for (const { to } of imports) {
    if (isOurs(to) && to !== "deno.json" && folderOf(to) !== from) targets.add(folderOf(to));
  }
}

function folderOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, slash);
}

function direction(path: string, imports: readonly Import[], layer: Layer, rules: Rules): string[] {
  const found: string[] = [];
  for (const { to, line } of imports) {
    if (!isOurs(to)) continue;
    if (inAny(to, rules.unpublished)) {
      found.push(`${path}:${line}: imports ${to}, which is not published`);
      continue;
    }
    const home = layerOf(to, rules);
    if (to === "deno.json" || home === layer || (home !== undefined && layer.imports.includes(home.folder))) {
      continue;
    }
    found.push(`${path}:${line}: ${layer.folder} may not import ${to}`);
  }
  return found;
}

function impurities(path: string, tree: ts.SourceFile, imports: readonly Import[]): string[] {
  const found: string[] = [];
  for (const { to, line, typeOnly } of imports) {
    if (!typeOnly && /^node:|^npm:/.test(to)) found.push(`${path}:${line}: pure, but imports ${to}`);
  }
  visit(tree, (node) => {
    if (ts.isPropertyAccessExpression(node) && impureCalls.has(node.getText(tree))) {
      found.push(`${path}:${lineOf(tree, node)}: pure, but names ${node.getText(tree)}`);
    }
    if (ts.isNewExpression(node) && node.getText(tree).startsWith("new Date()")) {
      found.push(`${path}:${lineOf(tree, node)}: pure, but reads the clock`);
    }
    if (ts.isIdentifier(node) && impureNames.has(node.text) && isFree(node)) {
      found.push(`${path}:${lineOf(tree, node)}: pure, but names ${node.text}`);
    }
  });
  return found;
}

/** Whether an identifier refers to a global, not to a property, field or parameter of that name. */
function isFree(node: ts.Identifier): boolean {
  const parent = node.parent;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isQualifiedName(parent)) return parent.left === node;
  if (ts.isPropertyAssignment(parent)) return parent.initializer === node;
  if (ts.isTypeReferenceNode(parent)) return false;
  return ts.isExpression(parent) || ts.isExpressionStatement(parent) || ts.isVariableDeclaration(parent) ||
    ts.isTypeOfExpression(parent);
}

function anyTypes(path: string, tree: ts.SourceFile): string[] {
  const found: string[] = [];
  visit(tree, (node) => {
    if (node.kind === ts.SyntaxKind.AnyKeyword) found.push(`${path}:${lineOf(tree, node)}: typed any`);
  });
  return found;
}

function visit(node: ts.Node, seen: (node: ts.Node) => void): void {
  seen(node);
  ts.forEachChild(node, (child) => visit(child, seen));
}

function lineOf(tree: ts.SourceFile, node: ts.Node): number {
  return tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;
}

/** Returns cycles of files that import each other at run time, or of folders, each once. */
function cycles(graph: ReadonlyMap<string, Iterable<string>>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const walk = (file: string): void => {
    const at = path.indexOf(file);
    if (at >= 0) {
      found.push(`${file}:1: imports itself: ${[...path.slice(at), file].join(" -> ")}`);
      return;
    }
    if (done.has(file)) return;
    path.push(file);
    for (const next of graph.get(file) ?? []) walk(next);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) walk(file);
  return found;
}
