import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { Client, CommAuthError, type Future, Scheduler, type Security, Worker } from "../../mod.ts";
import { pem } from "../../security/x509/issue.ts";
import { SecurityError } from "../../security/material/errors.ts";
import { fingerprint256, parseCertificate } from "../../security/x509/certificate.ts";
import { LogWatch } from "../../testing/logs.ts";
import { TestCa } from "../../testing/pki/pki.ts";
import { startRole } from "../../testing/processes.ts";

/** Files of one role, which can be replaced. */
class RoleFiles {
  readonly #prefix: string;

  constructor(folder: string, role: string) {
    this.#prefix = `${folder}/${role}`;
  }

  get ca(): string {
    return `${this.#prefix}-ca.pem`;
  }
  get cert(): string {
    return `${this.#prefix}.pem`;
  }
  get key(): string {
    return `${this.#prefix}.key`;
  }
  get crl(): string {
    return `${this.#prefix}.crl`;
  }

  async trust(...cas: TestCa[]): Promise<void> {
    await Deno.writeTextFile(this.ca, cas.map((ca) => ca.pem).join(""));
  }

  /** Writes a fresh pair, and returns the certificate's fingerprint. */
  async renew(ca: TestCa, name: string): Promise<string> {
    const { cert, key } = await ca.issue(name);
    await Deno.writeTextFile(this.cert, cert);
    await Deno.writeTextFile(this.key, key);
    return fingerprint256(parseCertificate(cert).raw);
  }

  get scheduler(): Security {
    return { tlsCaFile: this.ca, tlsSchedulerCert: this.cert, tlsSchedulerKey: this.key };
  }
  get worker(): Security {
    return { tlsCaFile: this.ca, tlsWorkerCert: this.cert, tlsWorkerKey: this.key };
  }
  get client(): Security {
    return { tlsCaFile: this.ca, tlsClientCert: this.cert, tlsClientKey: this.key };
  }
}

async function folderIn(stack: AsyncDisposableStack): Promise<string> {
  const folder = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  return folder;
}

const local = { host: "127.0.0.1", port: 0, validate: true };

Deno.test("reloadSecurity shows the new certificate on new links, and leaves those that are up", async () => {
  await using stack = new AsyncDisposableStack();
  const files = new RoleFiles(await folderIn(stack), "all");
  const ca = await TestCa.make();
  await files.trust(ca);
  const before = await files.renew(ca, "before");
  const scheduler = stack.use(await Scheduler.start({ ...local, security: files.scheduler }));
  const first = stack.use(await Client.connect(scheduler.address, { security: files.client }));
  const after = await files.renew(ca, "after");
  await scheduler.reloadSecurity();
  const second = stack.use(await Client.connect(scheduler.address, { security: files.client }));
  const shown = async (client: Client) => (await client.links())[0]?.tls?.peer.fingerprint256;
  assertEquals([await shown(first), await shown(second)], [before, after]);
  assertEquals(scheduler.identity().security?.certificate.fingerprint256, after);
  assertEquals((await first.schedulerInfo()).id, scheduler.id);
});

Deno.test("reloadSecurity keeps everything as it was if a file can't be used, and says which", async () => {
  await using stack = new AsyncDisposableStack();
  const files = new RoleFiles(await folderIn(stack), "all");
  const ca = await TestCa.make();
  await files.trust(ca);
  const fingerprint = await files.renew(ca, "role");
  const scheduler = stack.use(await Scheduler.start({ ...local, security: files.scheduler }));
  const client = stack.use(await Client.connect(scheduler.address, { security: files.client }));
  const good = await Deno.readTextFile(files.key);
  const { key: another } = await ca.issue("another");
  for (
    const [key, reason] of [["", "holds no private key"], [
      another,
      "does not belong to the certificate",
    ]] as const
  ) {
    await Deno.writeTextFile(files.key, key);
    const error = await assertRejects(() => scheduler.reloadSecurity(), SecurityError, reason);
    assertMatch(error.message, /all\.key/);
  }
  await Deno.remove(files.ca);
  await assertRejects(() => scheduler.reloadSecurity(), SecurityError, "there is no such file");
  assertEquals(scheduler.identity().security?.certificate.fingerprint256, fingerprint);
  await files.trust(ca);
  await Deno.writeTextFile(files.key, good);
  const other = stack.use(await Client.connect(scheduler.address, { security: files.client }));
  assertEquals((await other.schedulerInfo()).id, (await client.schedulerInfo()).id);
});

Deno.test("Certificates are renewed again and again under load, broken files in between, and no task fails", async () => {
  await using stack = new AsyncDisposableStack();
  using log = new LogWatch();
  const folder = await folderIn(stack);
  const ca = await TestCa.make();
  const [forScheduler, forWorker, forClient] = ["scheduler", "worker", "client"].map((role) =>
    new RoleFiles(folder, role)
  );
  if (!forScheduler || !forWorker || !forClient) throw new Error("no files");
  const all = [forScheduler, forWorker, forClient];
  const renewAll = () => Promise.all(all.map((files, at) => files.renew(ca, `role-${at}`)));
  await Promise.all(all.map((files) => files.trust(ca)));
  await renewAll();
  const scheduler = stack.use(await Scheduler.start({ ...local, security: forScheduler.scheduler }));
  const workers = await Promise.all(["w0", "w1"].map(async (name) =>
    stack.use(
      await Worker.start(scheduler.address, {
        name,
        nthreads: 1,
        security: forWorker.worker,
        validate: true,
      }),
    )
  ));
  const connect = () => Client.connect(scheduler.address, { security: forClient.client });
  const client = stack.use(await connect());
  const roles = [scheduler, ...workers, client];

  // Load that goes on until the last renewal is done, with results that have to be fetched over links.
  let renewals = 0;
  let tasks = 0;
  const load = (async () => {
    while (renewals < 10) {
      const inputs = Array.from({ length: 60 }, (_, at) => tasks + at);
      const parts = client.map((x: number) => new Uint8Array(4000).fill(x % 251), inputs);
      const sums = parts.map((part, at) =>
        client.submit(
          (bytes: Uint8Array, other: Uint8Array) => (bytes[0] ?? 0) + (other[3999] ?? 0),
          part,
          parts[(at + 1) % 60] as Future<Uint8Array>,
        )
      );
      const expected = inputs.map((x, at) => x % 251 + (tasks + (at + 1) % 60) % 251);
      assertEquals(await client.gather(sums), expected);
      for (const future of [...parts, ...sums]) future.release();
      tasks += 60;
    }
  })();
  const shown: (string | undefined)[] = [];
  const renewed: (string | undefined)[] = [];
  for (; renewals < 10; renewals++) {
    const before = tasks;
    if (renewals % 2 === 1) {
      // A broken file of any role is told of, and the old one goes on.
      const role = [scheduler, workers[0], client][renewals % 3] ?? client;
      const files = all[renewals % 3] ?? forClient;
      await Deno.writeTextFile([files.cert, files.key, files.ca][renewals % 3] ?? files.key, "broken");
      await assertRejects(() => role.reloadSecurity(), SecurityError);
      await files.trust(ca);
    }
    const [fingerprint] = await renewAll();
    renewed.push(fingerprint);
    for (const role of roles) await role.reloadSecurity();
    await using other = await connect();
    assertEquals(await other.submit((x: number) => x + 1, renewals).result(), renewals + 1);
    shown.push((await other.links())[0]?.tls?.peer.fingerprint256);
    while (tasks === before) await client.schedulerInfo(); // work went on meanwhile
  }
  await load;
  assertEquals(shown, renewed);
  assertEquals(new Set(shown).size, 10);
  assertEquals(
    log.lines.filter((line) => line.includes("ERROR - Cannot take over new certificates")).length,
    5,
  );
  const { security, n_workers } = scheduler.identity();
  assertEquals(n_workers, 2);
  assert((security?.reloads ?? 0) >= 10);
  for (const [what, count] of Object.entries(security?.refused ?? {})) assertEquals(count, 0, what);
});

Deno.test("A CA is rolled over under a running job without the loss of a task, by a bundle of both", async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await folderIn(stack);
  const [oldCa, newCa] = [await TestCa.make("old-ca"), await TestCa.make("new-ca")];
  const [forScheduler, forWorker, forClient] = ["scheduler", "worker", "client"].map((role) => {
    return new RoleFiles(folder, role);
  });
  if (!forScheduler || !forWorker || !forClient) throw new Error("no files");
  const all = [forScheduler, forWorker, forClient];
  const renewAll = (ca: TestCa) => Promise.all(all.map((files, at) => files.renew(ca, `role-${at}`)));
  await Promise.all(all.map((files) => files.trust(oldCa)));
  await renewAll(oldCa);

  const scheduler = stack.use(await Scheduler.start({ ...local, security: forScheduler.scheduler }));
  const start = async (name: string) =>
    stack.use(
      await Worker.start(scheduler.address, {
        name,
        nthreads: 1,
        security: forWorker.worker,
        validate: true,
      }),
    );
  const old = [await start("old-0"), await start("old-1")];
  const client = stack.use(await Client.connect(scheduler.address, { security: forClient.client }));
  const inputs = Array.from({ length: 400 }, (_, at) => at);
  const count = client.map((x: number) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5); // work of 5 ms
    return x + 1;
  }, inputs);
  const sums = count.map((future, at) => client.submit((a: number, b: number) => a + b, future, at));
  const job = client.gather(sums);

  // 1. Everybody trusts both. 2. Everybody has a new certificate. Nothing breaks, whoever is first.
  const roles = [scheduler, ...old, client];
  const done = await count[20]?.result();
  assertEquals(done, 21);
  await Promise.all(all.map((files) => files.trust(oldCa, newCa)));
  for (const role of roles) await role.reloadSecurity();
  await renewAll(newCa);
  for (const role of roles) await role.reloadSecurity();
  assertEquals(sums.at(-1)?.status, "pending");
  // 3. Workers whose links are of the old days leave with their results handed over.
  await start("new-0");
  await Worker.closeGracefully(old);
  assertEquals(await job, inputs.map((x) => x + 1 + x));
  assertEquals(scheduler.identity().security?.refused, {
    handshake: 0,
    revoked: 0,
    unauthorized: 0,
    operation: 0,
    ended: 0,
    kept_out: 0,
  });

  // 4. The old CA goes, and with it the link that this client has had since the beginning; nobody else's.
  await Promise.all(all.map((files) => files.trust(newCa)));
  await scheduler.reloadSecurity();
  await assertRejects(() => client.submit((x: number) => x, 1).result());
  assert((scheduler.identity().security?.refused.ended ?? 0) >= 1);
  const after = stack.use(await Client.connect(scheduler.address, { security: forClient.client }));
  assertEquals(Object.values((await after.schedulerInfo()).workers).map((worker) => worker.name), ["new-0"]);
  assertEquals(await after.submit((x: number) => x * 2, 21).result(), 42);
  const { cert, key } = await oldCa.issue("late");
  const late = { tlsCaFile: `${oldCa.pem}${newCa.pem}`, tlsClientCert: cert, tlsClientKey: key };
  await assertRejects(() => Client.connect(scheduler.address, { security: late }), CommAuthError);
});

Deno.test({
  name: "A scheduler's process takes new files over by itself and at SIGHUP, and refuses with the subject",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using stack = new AsyncDisposableStack();
    const folder = await folderIn(stack);
    const [own, theirs] = [new RoleFiles(folder, "scheduler"), new RoleFiles(folder, "client")];
    const ca = await TestCa.make();
    await own.trust(ca);
    await theirs.trust(ca);
    await own.renew(ca, "scheduler");
    await theirs.renew(ca, "mallory");
    await Deno.writeTextFile(own.crl, pem("X509 CRL", await ca.crl([])));
    const role = stack.use(startRole("scheduler.ts", [
      ...["--host", "127.0.0.1", "--port", "0", "--no-dashboard"],
      ...["--tls-ca-file", own.ca, "--tls-cert", own.cert, "--tls-key", own.key, "--tls-crl-file", own.crl],
    ]));
    const [, address = ""] = await role.line(/Scheduler at: +(tls:\S+)/);
    const connect = () => Client.connect(address, { security: theirs.client });
    const client = stack.use(await connect());
    const facts = (await client.schedulerInfo()).security;
    assertEquals(facts?.reloads, 0);
    assertEquals(Object.values(facts?.crl_days_left ?? {}), [29]);

    // By itself.
    await own.renew(ca, "scheduler-2");
    await role.line(/were read again: "CN=scheduler-2/, { deadline: 20 });
    assertNotEquals((await client.schedulerInfo()).security?.certificate, facts?.certificate);
    // A broken file is told of once, and the old one stays.
    await Deno.writeTextFile(own.crl, "nothing");
    role.kill("SIGHUP");
    await role.line(/ERROR - Cannot take over new certificates.*scheduler\.crl" holds no revocation list/);
    assertEquals((await client.schedulerInfo()).security?.reloads, 1);
    // At SIGHUP.
    await Deno.writeTextFile(own.crl, pem("X509 CRL", await ca.crl([await Deno.readTextFile(theirs.cert)])));
    role.kill("SIGHUP");
    await role.line(/Ended a link: .*"CN=mallory,O=test" is revoked by its CA/);
    await assertRejects(() => client.submit((x: number) => x, 1).result());
    await assertRejects(connect, CommAuthError);
    await role.line(/Refused a connection from .*: its certificate "CN=mallory,O=test" is revoked by its CA/);
    role.kill("SIGTERM");
    assertEquals((await role.ended).code, 0);
  },
});
