/**
 * Our roles and Dask's on certificates that other people's tools made. Run by `deno task test:interop`.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { connect } from "../../comm/connect.ts";
import { Scheduler } from "../../mod.ts";
import { loadTlsContext } from "../../security/live/context.ts";
import { madePairs } from "../../testing/pki/made_certificates.ts";
import { TestProcess } from "../../testing/processes.ts";

Deno.test("Dask's schedulers and ours tell each other who they are on certificates of every maker, over TLS 1.2 and 1.3", async () => {
  const python = Deno.env.get("DASK_PYTHON");
  if (python === undefined) throw new Error(`DASK_PYTHON names no Python; run "deno task test:interop"`);
  const folder = await Deno.makeTempDir({ prefix: "dask-makers-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const cases: { id: string; address: string; version: string }[] = [];
  for (const made of madePairs()) {
    for (const role of ["scheduler", "client"] as const) {
      const { cert, key } = made.pair(role);
      await Deno.writeTextFile(`${folder}/${made.id}-${role}.pem`, cert);
      await Deno.writeTextFile(`${folder}/${made.id}-${role}.key`, key);
    }
    await Deno.writeTextFile(`${folder}/${made.id}-ca.pem`, made.ca);
    for (const version of ["1.2", "1.3"] as const) {
      const security = { ...made.security(), tlsMinVersion: version, tlsMaxVersion: version };
      const { address } = stack.use(await Scheduler.start({ host: "127.0.0.1", port: 0, security }));
      cases.push({ id: made.id, address, version });
    }
  }
  await Deno.writeTextFile(`${folder}/cases.json`, JSON.stringify(cases));
  const script = new URL("makers.py", import.meta.url).pathname;
  await using dask = new TestProcess({ command: [python, script, folder], name: "makers.py" });

  // It asked ours; now it answers.
  const [, text = ""] = await dask.line(/^asked (.*)\n/m, { stream: "stdout", deadline: 120 });
  const answers = JSON.parse(text) as Readonly<Record<string, string>>;
  const names = cases.map(({ id, version }) => `${id} ${version}`);
  assertEquals(answers, Object.fromEntries(names.map((name) => [name, "Scheduler"])));
  const [, listening = ""] = await dask.line(/^listening (.*)\n/m, { stream: "stdout", deadline: 120 });
  const addresses = JSON.parse(listening) as Readonly<Record<string, string>>;
  for (const made of madePairs()) {
    for (const version of ["1.2", "1.3"] as const) {
      const security = { ...made.security(), tlsMinVersion: version, tlsMaxVersion: version };
      const context = await loadTlsContext(security, "client");
      await using comm = await connect(addresses[made.id] ?? "", { context, timeout: "20s" });
      await comm.write({ op: "identity", reply: true });
      const { type } = await comm.read() as { readonly type: string };
      assertEquals([type, comm.tls?.protocol], ["Scheduler", `TLSv${version}`], made.id);
    }
  }
});
