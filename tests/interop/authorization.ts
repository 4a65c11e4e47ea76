/**
 * Dask's own client under our `authorization`. Run by `deno task test:interop`.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Scheduler, Worker } from "../../mod.ts";
import { runToEnd } from "../../testing/processes.ts";
import { RuledPki } from "../../testing/pki/rules.ts";

interface Outcome {
  readonly connect: string;
  readonly workers?: number;
  readonly refused?: Readonly<Record<string, number>>;
  readonly days?: readonly number[];
  readonly who_has?: unknown;
  readonly retire?: unknown;
}

Deno.test("authorization gives Dask's client what its certificate may do, and says why it gives no more", async () => {
  const python = Deno.env.get("DASK_PYTHON");
  if (python === undefined) throw new Error(`DASK_PYTHON names no Python; run "deno task test:interop"`);
  const folder = await Deno.makeTempDir({ prefix: "dask-interop-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const pki = await RuledPki.make();
  await Deno.writeTextFile(`${folder}/ca.pem`, pki.ca.pem);
  const scheduler = stack.use(
    await Scheduler.start({ host: "127.0.0.1", port: 0, security: await pki.security("schedulers") }),
  );
  const security = await pki.security("workers");
  stack.use(await Worker.start(scheduler.address, { nthreads: 1, security }));
  const as = async (unit: string): Promise<Outcome> => {
    const { cert, key } = await pki.pair(unit);
    await Deno.writeTextFile(`${folder}/${unit}.pem`, cert + key);
    const script = new URL("session.py", import.meta.url).pathname;
    const { code, stdout, stderr } = await runToEnd({
      command: [python, script, scheduler.address, `${folder}/ca.pem`, `${folder}/${unit}.pem`],
    });
    assertEquals(code, 0, stderr);
    return JSON.parse(stdout) as Outcome;
  };

  const admin = await as("admins");
  assertEquals([admin.connect, admin.workers, admin.who_has], ["OK", 1, {}]);
  assertEquals(admin.refused?.["operation"], 0);
  assert(typeof admin.retire !== "string", String(admin.retire));
  for (const unit of ["users", "watchers"]) {
    const outcome = await as(unit);
    assertEquals([outcome.connect, outcome.workers, outcome.who_has], ["OK", 1, {}]);
    assertMatch(String(outcome.retire), /^PermissionError: The scheduler refuses "retire_workers"/);
  }
  assertMatch((await as("workers")).connect, /refuses "register-client": .* is a worker/);
  assertMatch((await as("strangers")).connect, /CommClosedError|OSError/);
});
