/**
 * A registry of packages on the loopback that `jsr:` specifiers load from when `JSR_URL` names it: what users
 * run from JSR can be run before it is published.
 *
 * @module
 */

import ts from "typescript";
import { type Manifest, publishedFiles, readManifest, root } from "../../tools/package.ts";

/** A package as the registry holds it. */
export interface RegistryPackage {
  /** Scope and name. */
  readonly name: string;
  /** Its only version. */
  readonly version: string;
  /** Modules by name. */
  readonly exports: Readonly<Record<string, string>>;
  /** Files by path, without a leading slash, as publishing would leave them. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

/** A running registry. */
export interface Registry extends AsyncDisposable {
  /** For `JSR_URL`. */
  readonly url: string;
  /** Paths that were asked for, in order. */
  readonly requests: readonly string[];
}

/** Serves packages until it is disposed of. */
export async function startRegistry(packages: readonly RegistryPackage[]): Promise<Registry> {
  const answers = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const one of packages) await addPackage(answers, one);
  const requests: string[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const path = decodeURIComponent(new URL(request.url).pathname);
    requests.push(path);
    const body = answers.get(path);
    if (body === undefined) return new Response("not found", { status: 404 });
    return new Response(body, { headers: { "content-type": contentType(path) } });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    requests,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

async function addPackage(
  answers: Map<string, Uint8Array<ArrayBuffer>>,
  one: RegistryPackage,
): Promise<void> {
  const [scope = "", name = ""] = one.name.slice(1).split("/");
  const manifest: Record<string, unknown> = {};
  for (const [path, bytes] of one.files) {
    manifest[`/${path}`] = { size: bytes.length, checksum: `sha256-${await sha256(bytes)}` };
    answers.set(`/${one.name}/${one.version}/${path}`, bytes);
  }
  const meta = { scope, name, latest: one.version, versions: { [one.version]: {} } };
  const answer = (path: string, value: unknown): void => {
    answers.set(`/${one.name}/${path}`, new TextEncoder().encode(JSON.stringify(value)));
  };
  answer("meta.json", meta);
  answer(`${one.version}_meta.json`, { manifest, exports: one.exports });
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

function contentType(path: string): string {
  if (path.endsWith(".json")) return "application/json";
  return path.endsWith(".ts") ? "application/typescript" : "text/plain";
}

/** This checkout as it would be published, and the packages that it needs from the registry. */
export async function checkoutPackages(): Promise<RegistryPackage[]> {
  const manifest = await readManifest();
  const packages = [await packageOf(root, manifest, await publishedFiles(manifest))];
  for (const link of manifest.links) {
    const folder = new URL(`${link}/`, root);
    const linked = normalized(await readManifest(folder));
    packages.push(await packageOf(folder, linked, await publishedFiles(linked, folder)));
  }
  return packages;
}

/** A stand-in's `deno.json` says no more than it must. */
function normalized(manifest: Partial<Manifest> & Pick<Manifest, "name" | "version">): Manifest {
  const given: unknown = manifest.exports;
  return {
    name: manifest.name,
    version: manifest.version,
    exports: typeof given === "string" ? { ".": given } : manifest.exports ?? {},
    imports: manifest.imports ?? {},
    links: [],
    publish: { include: ["**/*.ts", "deno.json"], exclude: [] },
  };
}

/** A package made of some files of a folder. */
export async function packageOf(
  folder: URL,
  manifest: Pick<Manifest, "name" | "version" | "exports" | "imports">,
  paths: readonly string[],
): Promise<RegistryPackage> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const path of paths) {
    const bytes = await Deno.readFile(new URL(path, folder));
    if (!path.endsWith(".ts")) files.set(path, bytes);
    else {
      const text = rewriteSpecifiers(new TextDecoder().decode(bytes), manifest.imports);
      files.set(path, new TextEncoder().encode(text));
    }
  }
  return { name: manifest.name, version: manifest.version, exports: manifest.exports, files };
}

/** Puts into a module what its bare specifiers stand for, as publishing does. */
export function rewriteSpecifiers(text: string, imports: Readonly<Record<string, string>>): string {
  const tree = ts.createSourceFile("module.ts", text, ts.ScriptTarget.Latest, true);
  const edits: { readonly start: number; readonly end: number; readonly to: string }[] = [];
  const visit = (node: ts.Node): void => {
    const specifier = specifierOf(node);
    const to = specifier === undefined ? undefined : standsFor(specifier.text, imports);
    if (specifier !== undefined && to !== undefined) {
      edits.push({ start: specifier.getStart(tree), end: specifier.end, to: JSON.stringify(to) });
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  let rewritten = text;
  for (const { start, end, to } of edits.reverse()) {
    rewritten = rewritten.slice(0, start) + to + rewritten.slice(end);
  }
  return rewritten;
}

function specifierOf(node: ts.Node): ts.StringLiteral | undefined {
  let found: ts.Node | undefined;
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) found = node.moduleSpecifier;
  else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    found = node.arguments[0];
  } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) found = node.argument.literal;
  return found !== undefined && ts.isStringLiteral(found) ? found : undefined;
}

/** What the longest fitting entry makes of a bare specifier; nothing if none fits. */
function standsFor(specifier: string, imports: Readonly<Record<string, string>>): string | undefined {
  const names = Object.keys(imports).sort((a, b) => b.length - a.length);
  for (const name of names) {
    const to = imports[name] as string;
    if (specifier === name) return to;
    if (specifier.startsWith(`${name}/`)) return to + specifier.slice(name.length);
  }
  return undefined;
}
