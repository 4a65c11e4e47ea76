/**
 * The published files, and a copy of exactly these in a folder.
 *
 * @module
 */

/** The parts of `deno.json` that publishing needs. */
export interface Manifest {
  /** Scope and name. */
  readonly name: string;
  /** Version. */
  readonly version: string;
  /** Modules that users import, by name. */
  readonly exports: Readonly<Record<string, string>>;
  /** Targets of bare specifiers. */
  readonly imports: Readonly<Record<string, string>>;
  /** Local packages that replace packages of the registry. */
  readonly links: readonly string[];
  /** Patterns of published files. */
  readonly publish: { readonly include: readonly string[]; readonly exclude: readonly string[] };
}

/** Root of the checkout. */
export const root: URL = new URL("../", import.meta.url);

/** Reads `deno.json`. */
export async function readManifest(folder: URL = root): Promise<Manifest> {
  return JSON.parse(await Deno.readTextFile(new URL("deno.json", folder))) as Manifest;
}

/** Converts a glob of `*` and `**` to a regular expression for paths. */
export function globExpression(glob: string): RegExp {
  const parts = glob.split(/(\*\*\/|\*\*|\*)/).map((part) => {
    if (part === "**/") return "(?:.*/)?";
    if (part === "**") return ".*";
    if (part === "*") return "[^/]*";
    return part.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  });
  return new RegExp(`^${parts.join("")}(?:/.*)?$`);
}

/** Returns the paths of the published files, sorted. */
export async function publishedFiles(manifest: Manifest, folder: URL = root): Promise<string[]> {
  const include = manifest.publish.include.map(globExpression);
  const exclude = manifest.publish.exclude.map(globExpression);
  const found: string[] = [];
  await walk(folder, "", (path) => {
    if (include.some((glob) => glob.test(path)) && !exclude.some((glob) => glob.test(path))) found.push(path);
  });
  return found.sort();
}

async function walk(folder: URL, prefix: string, each: (path: string) => void): Promise<void> {
  for await (const entry of Deno.readDir(folder)) {
    if (entry.name.startsWith(".") || entry.name === "node_modules") continue;
    const path = prefix + entry.name;
    if (entry.isDirectory) await walk(new URL(`${entry.name}/`, folder), `${path}/`, each);
    else if (entry.isFile) each(path);
  }
}

/**
 * Copies the published files to `folder/package/`, and the stand-ins beside it, so that a dry run finds them
 * but does not list them. Without `links`, the packages come from the registry, as for users. Returns the
 * paths of the published files.
 */
export async function stage(folder: URL, withLinks = true): Promise<string[]> {
  const manifest = await readManifest();
  const files = await publishedFiles(manifest);
  const target = new URL("package/", folder);
  for (const path of files) await copy(new URL(path, root), new URL(path, target));
  for (const link of withLinks ? manifest.links : []) {
    const from = new URL(`${link}/`, root);
    const to = new URL(`${link}/`, folder);
    const names: string[] = [];
    await walk(from, "", (path) => names.push(path));
    for (const name of names) await copy(new URL(name, from), new URL(name, to));
  }
  const links = withLinks ? manifest.links.map((link) => link.replace(/^\.\//, "../")) : [];
  await Deno.writeTextFile(new URL("deno.json", target), JSON.stringify({ ...manifest, links }, null, 2));
  return files;
}

async function copy(from: URL, to: URL): Promise<void> {
  await Deno.mkdir(new URL("./", to), { recursive: true });
  await Deno.copyFile(from, to);
}
