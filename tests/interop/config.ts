/**
 * Configuration as Python's `dask.config` gathers it and as we do. Run by `deno task test:interop`.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { parse } from "@std/yaml/parse";
import { fileURLToPath } from "node:url";
import { DEFAULTS, UNUSED } from "../../config/defaults.ts";
import { loadConfig } from "../../config/load.ts";
import { type ConfigSection, leaves } from "../../config/tree.ts";
import { runToEnd } from "../../testing/processes.ts";

/** Settings of ours that Dask has not. */
const OURS_OF_TLS = ["crl-file", "revoked", "authorization"].map((name) => `distributed.comm.tls.${name}`);

function isOurs(path: string): boolean {
  return OURS_OF_TLS.includes(path) || path.startsWith("distributed.comm.limits.");
}

const FILES: Readonly<Record<string, string>> = {
  "root/a.yaml":
    "distributed: {scheduler: {allowed_failures: 4, worker-ttl: 1 minute}, comm: {compression: lz4}}",
  "root/b.json": '{"distributed": {"scheduler": {"allowed-failures": 5}}}',
  "home/.config/dask/x.yml":
    "distributed:\n  comm:\n    tls:\n      ca_file: home.pem\n      worker: {cert: w.pem}\n  client:\n",
  "more/z.yaml":
    "distributed: {comm: {tls: {ca-file: more.pem}}, scheduler: {default-task-durations: {my_f: 1s}}}",
};

const VARIABLES: Readonly<Record<string, string>> = {
  DASK_DISTRIBUTED__COMM__TLS__MIN_VERSION: "1.3",
  DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION: "true",
  DASK_DISTRIBUTED__SCHEDULER__BLOCKED_HANDLERS: "['terminate', \"x\"]",
  DASK_DISTRIBUTED__SCHEDULER__IDLE_TIMEOUT: "1h",
  DASK_DISTRIBUTED__WORKER__CONNECTIONS__INCOMING: "0x10",
  DASK_SCHEDULER_ADDRESS: "tls://h:8786",
};

async function askPython(env: Readonly<Record<string, string>>, ...keys: string[]): Promise<unknown> {
  const python = Deno.env.get("DASK_PYTHON");
  if (python === undefined) throw new Error("DASK_PYTHON is not set: run deno task test:interop");
  const script = fileURLToPath(new URL("config.py", import.meta.url));
  const { code, stdout, stderr } = await runToEnd({ command: [python, script, ...keys], env });
  assertEquals(code, 0, stderr);
  return JSON.parse(stdout);
}

Deno.test("loadConfig gathers what Python's dask.config gathers from the same files and variables", async () => {
  const folder = await Deno.makeTempDir({ prefix: "dask-interop-" });
  try {
    for (const [name, text] of Object.entries(FILES)) {
      const path = `${folder}/${name}`;
      await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      await Deno.writeTextFile(path, text);
    }
    const env = {
      ...VARIABLES,
      HOME: `${folder}/home`,
      DASK_ROOT_CONFIG: `${folder}/root`,
      DASK_CONFIG: `${folder}/more`,
    };
    const config = loadConfig({ env });
    const keys = [
      ...leaves(DEFAULTS).map(([path]) => path).filter((path) => !isOurs(path)),
      "distributed.scheduler.default-task-durations.my_f",
      "distributed.comm.tls.ca_file",
    ];
    const ours = keys.map((key) => [key, config.get(key) ?? null]);
    const theirs = await askPython(env, ...keys) as unknown[];
    assertEquals(ours, keys.map((key, at) => [key, theirs[at]]));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("DEFAULTS and UNUSED are distributed.yaml", async () => {
  const theirs = new Map(leaves(parse(String(await askPython({}))) as ConfigSection));
  const ours = new Map(
    leaves(DEFAULTS).filter(([path]) => path.startsWith("distributed.") && !isOurs(path)),
  );
  assertEquals(ours, new Map(Array.from(ours, ([path]) => [path, theirs.get(path)])));
  const isUnused = (path: string): boolean => UNUSED.some((unused) => `${path}.`.startsWith(`${unused}.`));
  assertEquals([...theirs.keys()].filter((path) => !ours.has(path) && !isUnused(path)), []);
});
