/**
 * Functions of modules that workers import, so that no source is sent.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { FunctionHash } from "../../messages/common.ts";
import { encodeMsgpack } from "../../protocol/msgpack.ts";
import { registerBody } from "./function_source.ts";

/** Schemes that a worker can import from. */
const SCHEMES: ReadonlySet<string> = new Set(["file:", "https:", "http:", "npm:", "jsr:", "node:", "data:"]);

/** The functions of a module, for `submit` and `map`. This program can't call them. */
export type RemoteModule<M> = {
  readonly [Name in keyof M as M[Name] extends (...args: never[]) => unknown ? Name : never]: M[Name];
};

/**
 * Returns the functions of the module at `url`, for `submit` and `map`. Each worker imports the module
 * itself, once per thread, so the functions can use everything that the module declares and imports. This
 * program does not load the module.
 *
 * A `file:` URL must lead to the same file on all workers. The module's text is not part of the tasks' keys:
 * after a change, restart the workers or use another URL.
 *
 * ```ts
 * import { Client, remoteModule } from "jsr:@dask/distributed";
 *
 * // As a rule: remoteModule<typeof import("./tasks.ts")>(import.meta.resolve("./tasks.ts"))
 * const tasks = remoteModule<typeof import("node:path")>("node:path");
 * await using client = await Client.connect();
 * console.log(await client.submit(tasks.basename, "/data/log.txt").result()); // log.txt
 * ```
 *
 * @throws {TypeError} If `url` is not absolute, or has a scheme that workers can't import.
 */
export function remoteModule<M extends object>(url: string | URL): RemoteModule<M> {
  const address = absoluteUrl(url);
  const functions = new Map<string, (...args: never[]) => unknown>();
  return new Proxy(Object.create(null) as RemoteModule<M>, {
    get: (_, name) => {
      if (typeof name !== "string" || name === "then") return undefined; // the module object must not look like a promise
      let fn = functions.get(name);
      if (fn === undefined) functions.set(name, fn = remoteFunction(address, name));
      return fn;
    },
    has: (_, name) => typeof name === "string" && name !== "then",
  });
}

function absoluteUrl(url: string | URL): string {
  const text = String(url);
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  if (parsed === undefined) {
    throw new TypeError(
      `Cannot use module "${text}": workers need an absolute URL; make one by import.meta.resolve("${text}")`,
    );
  }
  if (!SCHEMES.has(parsed.protocol)) {
    throw new TypeError(
      `Cannot use module "${text}": workers import from ${
        [...SCHEMES].join(" ")
      } and not from ${parsed.protocol}`,
    );
  }
  return text;
}

/** Returns a stand-in for an export; its URL and name are sent. */
function remoteFunction(url: string, name: string): (...args: never[]) => unknown {
  const shown = name === "default" ? nameOf(url) : name;
  const fn = () => {
    throw new TypeError(
      `Cannot call "${name}" of "${url}" here: give it to client.submit or client.map, or import the module`,
    );
  };
  Object.defineProperty(fn, "name", { value: shown });
  const body = encodeMsgpack({ kind: "module", name: shown, url, export: name });
  const hash = createHash("sha256").update(body).digest("hex") as FunctionHash;
  registerBody(fn, { hash, body, name: shown });
  return fn;
}

/** Returns the file's name without its extension. */
function nameOf(url: string): string {
  return /([\w-]{1,64})(\.\w+)?\/?$/.exec(url.split(/[?#]/)[0] ?? "")?.[1] ?? "default";
}
