/**
 * Which files the demo reads.
 *
 * @module
 */

const SKIPPED = new Set([".git", "node_modules", "vectors"]);
/** Bytes above which a file is no text that somebody wrote. */
const LARGEST = 4 * 2 ** 20;

/** Absolute paths of all text files in `folder`, sorted; folders that hold no sources are left out. */
export async function textFiles(folder: string): Promise<string[]> {
  const root = await Deno.realPath(folder);
  const { isFile } = await Deno.stat(root);
  if (isFile) return [root];
  const found: string[] = [];
  await walk(root, found);
  return found.sort();
}

async function walk(folder: string, found: string[]): Promise<void> {
  for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) {
      if (!SKIPPED.has(name)) await walk(path, found);
    } else if (isFile && await isText(path)) {
      found.push(path);
    }
  }
}

/** Whether the first kilobyte holds no zero byte. */
async function isText(path: string): Promise<boolean> {
  const { size } = await Deno.stat(path);
  if (size === 0 || size > LARGEST) return false;
  using file = await Deno.open(path);
  const start = new Uint8Array(1024);
  const length = await file.read(start) ?? 0;
  return !start.subarray(0, length).includes(0);
}
