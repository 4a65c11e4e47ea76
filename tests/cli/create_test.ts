import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { Client, CommAuthError, Scheduler, Worker } from "../../mod.ts";
import { loadTlsContext } from "../../security/live/context.ts";
import { parseCertificate } from "../../security/x509/certificate.ts";
import { runToEnd } from "../../testing/processes.ts";

const ENTRY = new URL("../../security_create.ts", import.meta.url).href;

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

async function openssl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runToEnd({ command: ["openssl", ...args] });
  assertEquals(code, 0, stderr);
  return stdout;
}

Deno.test("security/create makes certificates that stand OpenSSL's strict reading of RFC 5280", async () => {
  await inFolder(async (folder) => {
    await create(folder, folder);
    for (const role of ["scheduler", "worker", "client"]) {
      const pem = `${folder}/${role}.pem`;
      assertMatch(await openssl("verify", "-x509_strict", "-CAfile", `${folder}/ca.pem`, pem), /: OK$/m);
    }
  });
});

Deno.test("security/create --shared makes one pair that all roles of a cluster show", async () => {
  await inFolder(async (folder) => {
    const { code, stdout, stderr } = await create(folder, folder, "--shared");
    assertEquals(code, 0, stderr);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), [
      "ca.key",
      "ca.pem",
      "cluster.key",
      "cluster.pem",
    ]);
    const [cert, key] = [`${folder}/cluster.pem`, `${folder}/cluster.key`];
    assertMatch(stdout, new RegExp(`worker:\\n +cert: ${cert}\\n +key: ${key}`));
    const security = {
      tlsCaFile: `${folder}/ca.pem`,
      tlsSchedulerCert: cert,
      tlsSchedulerKey: key,
      tlsWorkerCert: cert,
      tlsWorkerKey: key,
      tlsClientCert: cert,
      tlsClientKey: key,
    };
    await using scheduler = await Scheduler.start({ host: "127.0.0.1", port: 0, security });
    await using _worker = await Worker.start(scheduler.address, { nthreads: 1, security });
    await using client = await Client.connect(scheduler.address, { security });
    assertEquals(await client.submit((x: number) => x + 1, 1).result(), 2);
  });
});

Deno.test("security/create --pair signs one more by the CA that is there, which rules tell from the others", async () => {
  await inFolder(async (folder) => {
    const at = (name: string) => `${folder}/${name}`;
    await create(folder, folder, "--days", "30");
    const uri = "spiffe://acme/worker/2";
    const args = ["--pair", "worker-2", "--role", "worker", "--uri", uri, "--dns", "w2.acme.example"];
    const { code, stdout, stderr } = await create(folder, folder, ...args, "--days", "90");
    assertEquals(code, 0, stderr);
    assertMatch(stdout, /--tls-cert .*worker-2\.pem --tls-key .*worker-2\.key/);
    assertMatch(
      await openssl("verify", "-x509_strict", "-CAfile", at("ca.pem"), at("worker-2.pem")),
      /: OK$/m,
    );
    const made = parseCertificate(await Deno.readTextFile(at("worker-2.pem")));
    assertEquals(made.subject, [["O", "dask"], ["OU", "worker"], ["CN", "worker-2"]]);
    assertEquals([made.extensions.uris, made.extensions.dnsNames], [[uri], ["w2.acme.example"]]);
    const ca = parseCertificate(await Deno.readTextFile(at("ca.pem")));
    assertEquals(made.validTo, ca.validTo, "it ends with the CA");
    const { mode } = await Deno.stat(at("worker-2.key"));
    if (mode !== null) assertEquals(mode & 0o777, 0o600);

    const authorization = {
      rules: [{ ou: "scheduler", role: "scheduler" }, { uri: "spiffe://acme/worker/*", role: "worker" }],
    } as const;
    const security = (worker: string) => ({
      tlsCaFile: at("ca.pem"),
      tlsSchedulerCert: at("scheduler.pem"),
      tlsSchedulerKey: at("scheduler.key"),
      tlsWorkerCert: at(`${worker}.pem`),
      tlsWorkerKey: at(`${worker}.key`),
      authorization,
    });
    await using scheduler = await Scheduler.start({
      host: "127.0.0.1",
      port: 0,
      security: security("worker"),
    });
    await using _worker = await Worker.start(scheduler.address, {
      nthreads: 1,
      security: security("worker-2"),
    });
    await assertRejects(
      () => Worker.start(scheduler.address, { nthreads: 1, security: security("worker") }),
      CommAuthError,
    );
    assertEquals(scheduler.identity().n_workers, 1);
  });
});

Deno.test("security/create --pair renews a pair with --force, and leaves the CA alone", async () => {
  await inFolder(async (folder) => {
    await create(folder, folder);
    const read = (name: string) => Deno.readTextFile(`${folder}/${name}`);
    const [ca, cert, key] = await Promise.all([read("ca.pem"), read("client.pem"), read("client.key")]);
    const refused = await create(folder, folder, "--pair", "client");
    assertEquals(refused.code, 1);
    assertMatch(refused.stderr, /client\.pem, client\.key would be replaced/);
    assertEquals((await create(folder, folder, "--pair", "client", "--force")).code, 0);
    assertEquals(await read("ca.pem"), ca);
    assertNotEquals(await read("client.pem"), cert);
    assertNotEquals(await read("client.key"), key);
    assertMatch(await openssl("verify", "-CAfile", `${folder}/ca.pem`, `${folder}/client.pem`), /: OK$/m);
  });
});

Deno.test("security/create --pair signs with the CA that the key belongs to, while a CA is changed", async () => {
  await inFolder(async (folder) => {
    await create(folder, `${folder}/old`);
    await create(folder, `${folder}/new`);
    const read = (name: string) => Deno.readTextFile(`${folder}/${name}`);
    const [old, next] = [await read("old/ca.pem"), await read("new/ca.pem")];
    assertNotEquals(parseCertificate(old).subject, parseCertificate(next).subject);
    await Deno.writeTextFile(`${folder}/old/ca.pem`, old + next);
    await Deno.copyFile(`${folder}/new/ca.key`, `${folder}/old/ca.key`);
    const { code, stderr } = await create(folder, `${folder}/old`, "--pair", "worker", "--force");
    assertEquals(code, 0, stderr);
    assertMatch(
      await openssl("verify", "-x509_strict", "-CAfile", `${folder}/new/ca.pem`, `${folder}/old/worker.pem`),
      /: OK$/m,
    );
  });
});

Deno.test("security/create --pair refuses what it can't do, with the reason", async () => {
  await inFolder(async (folder) => {
    const attempt = async (code: number, said: RegExp, ...args: string[]): Promise<void> => {
      const ended = await create(folder, folder, ...args);
      assertEquals(ended.code, code, ended.stderr);
      assertMatch(ended.stderr, said);
    };
    await attempt(1, /Cannot read ".*ca\.pem", which signs: make a CA first/, "--pair", "worker");
    await attempt(2, /--role must be scheduler, worker or client: what is "x" for\?/, "--pair", "x");
    await attempt(2, /--role must be .*, not "nanny"/, "--pair", "x", "--role", "nanny");
    await attempt(2, /--pair must be a name for files/, "--pair", "../x", "--role", "worker");
    await attempt(2, /--uri is for one pair: add --pair NAME/, "--uri", "spiffe://a/b");
    await attempt(2, /--shared is for a new CA/, "--shared", "--pair", "worker");
    const rsa = ["-newkey", "rsa:2048", "-nodes", "-subj", "/CN=rsa"];
    await openssl("req", "-x509", ...rsa, "-keyout", `${folder}/ca.key`, "-out", `${folder}/ca.pem`);
    await attempt(1, /The CA's key is not an EC P-256 one/, "--pair", "worker");
    const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=ec"];
    await openssl("req", "-x509", ...ec, "-keyout", `${folder}/ca.key`, "-out", `${folder}/other.pem`);
    await attempt(1, /The CA's key does not belong to its certificate/, "--pair", "worker");
    // What OpenSSL made serves as well, if it is of the right kind.
    await Deno.rename(`${folder}/other.pem`, `${folder}/ca.pem`);
    assertEquals((await create(folder, folder, "--pair", "worker")).code, 0);
    assertMatch(
      await openssl("verify", "-CAfile", `${folder}/ca.pem`, `${folder}/worker.pem`),
      /OK$/m,
    );
  });
});
