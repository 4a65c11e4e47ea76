import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { Client, Scheduler, Worker } from "../../mod.ts";
import { loadTlsContext } from "../../security/context.ts";
import { runToEnd } from "../../testing/processes.ts";

const ENTRY = new URL("../../security/create.ts", import.meta.url).href;

async function create(
  folder: string,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  return await runToEnd({
    command: [
      Deno.execPath(),
      "run",
      "--no-prompt",
      `--allow-read=${folder}`,
      `--allow-write=${folder}`,
      ENTRY,
      ...args,
    ],
  });
}

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "create-test-" });
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("security/create makes certificates that a whole cluster runs on", async () => {
  await inFolder(async (folder) => {
    const { code, stdout, stderr } = await create(
      folder,
      `${folder}/certs`,
      "--name",
      "acme",
      "--days",
      "30",
    );
    assertEquals(code, 0, stderr);
    assertMatch(stdout, /--tls-ca-file .*ca\.pem --tls-cert .*scheduler\.pem/);
    const at = (name: string) => `${folder}/certs/${name}`;
    const security = {
      tlsCaFile: at("ca.pem"),
      tlsSchedulerCert: at("scheduler.pem"),
      tlsSchedulerKey: at("scheduler.key"),
      tlsWorkerCert: at("worker.pem"),
      tlsWorkerKey: at("worker.key"),
      tlsClientCert: at("client.pem"),
      tlsClientKey: at("client.key"),
    };
    await using scheduler = await Scheduler.start({ host: "127.0.0.1", port: 0, security });
    await using _worker = await Worker.start(scheduler.address, { nthreads: 1, security });
    await using client = await Client.connect(scheduler.address, { security });
    assertEquals(await client.submit((x: number) => x + 1, 1).result(), 2);
    const { certificate } = await loadTlsContext(security, "worker");
    const days = (certificate.validTo.getTime() - Date.now()) / 86_400_000;
    assert(days > 29 && days <= 30, `${days} days`);
  });
});

Deno.test("security/create keeps keys to their owner", async () => {
  await inFolder(async (folder) => {
    await create(folder, folder);
    for (const name of ["ca", "scheduler", "worker", "client"]) {
      const { mode } = await Deno.stat(`${folder}/${name}.key`);
      if (mode !== null) assertEquals(mode & 0o777, 0o600, name);
    }
  });
});

Deno.test("security/create replaces nothing without --force, and with it keys stay secret", async () => {
  await inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/worker.key`, "mine", { mode: 0o644 });
    const refused = await create(folder, folder);
    assertEquals(refused.code, 1);
    assertMatch(refused.stderr, /worker\.key would be replaced; choose another folder, or add --force/);
    assertEquals([...Deno.readDirSync(folder)].length, 1);
    const forced = await create(folder, folder, "--force");
    assertEquals(forced.code, 0, forced.stderr);
    assertNotEquals(await Deno.readTextFile(`${folder}/worker.key`), "mine");
    const { mode } = await Deno.stat(`${folder}/worker.key`);
    if (mode !== null) assertEquals(mode & 0o777, 0o600);
  });
});

Deno.test("security/create names the permission that is missing, and the argument", async () => {
  await inFolder(async (folder) => {
    const { code, stderr } = await runToEnd({
      command: [Deno.execPath(), "run", "--no-prompt", `--allow-read=${folder}`, ENTRY, folder],
    });
    assertEquals(code, 1);
    assertMatch(stderr, /add --allow-write=/);
    assertEquals((await create(folder)).code, 2);
    assertEquals((await create(folder, folder, "--days", "0")).code, 2);
  });
});
