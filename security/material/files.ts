/**
 * Whether files changed.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** Changes when a file was written or replaced, and costs little. */
export async function stamp(paths: Iterable<string>): Promise<string> {
  const looks = await Promise.all(Array.from(paths, async (path) => {
    try {
      const { mtime, size, ino, dev } = await Deno.stat(path);
      return `${mtime?.getTime()} ${size} ${ino} ${dev}`;
    } catch (error) {
      return String(error);
    }
  }));
  return looks.join("\0");
}

/** Changes when what a file holds does. What can't be read is the business of the reload. */
export async function digest(paths: Iterable<string>): Promise<string> {
  const hash = createHash("sha256");
  for (const path of paths) {
    try {
      hash.update(await Deno.readFile(path));
    } catch (error) {
      hash.update(String(error));
    }
    hash.update("\0");
  }
  return hash.digest("hex");
}
