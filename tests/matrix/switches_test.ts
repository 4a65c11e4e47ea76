/**
 * Attempts to switch verification off, or to get plain text out of half-configured security: by flags,
 * options, the environment and Deno's own switches, on the programs that users start.
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { connect } from "../../comm/connect.ts";
import { CommClosed } from "../../comm/errors.ts";
import { loadTlsContext } from "../../security/live/context.ts";
import { SecurityError } from "../../security/material/errors.ts";
import { checkSecurity, type Security } from "../../security/security.ts";
import { TestCa, type TestPair } from "../../testing/pki/pki.ts";
import { rolePermissions, runToEnd, TestProcess } from "../../testing/processes.ts";
import { TestListener } from "../../testing/tls_pair.ts";

/** Two CAs, the cluster's and a stranger's, and a pair of each, as files. */
class Files implements AsyncDisposable {
  readonly folder: string;
  readonly ours: TestCa;
  readonly other: TestCa;

  private constructor(folder: string, ours: TestCa, other: TestCa) {
    this.folder = folder;
    this.ours = ours;
    this.other = other;
  }

  static async make(): Promise<Files> {
    const [ours, other] = [await TestCa.make(), await TestCa.make("other-ca")];
    const files = new Files(await Deno.makeTempDir({ prefix: "dask-switches-" }), ours, other);
    await files.#write("ours", ours, await ours.issue("role"));
    await files.#write("other", other, await other.issue("stranger"));
    return files;
  }

  async #write(name: string, ca: TestCa, { cert, key }: TestPair): Promise<void> {
    await Deno.writeTextFile(this.path(`${name}-ca`), ca.pem);
    await Deno.writeTextFile(this.path(`${name}-cert`), cert);
    await Deno.writeTextFile(this.path(`${name}-key`), key);
  }

  path(name: string): string {
    return `${this.folder}/${name}.pem`;
  }

  get tls(): readonly string[] {
    return this.flags("ca", "cert", "key");
  }

  flags(...names: readonly ("ca" | "cert" | "key")[]): readonly string[] {
    return names.flatMap((
      name,
    ) => [`--tls-${name}${name === "ca" ? "-file" : ""}`, this.path(`ours-${name}`)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

interface Start {
  readonly runtime?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

function command(
  module: string,
  args: readonly string[],
  { runtime = [] }: Start = {},
): readonly [string, ...string[]] {
  const url = new URL(`../../${module}`, import.meta.url).href;
  return [Deno.execPath(), "run", ...rolePermissions, ...runtime, url, ...args];
}

const LOCAL = ["--host", "127.0.0.1", "--port", "0"] as const;

/** What a user may set so that Deno trusts more or verifies less; `OTHER` is the stranger's CA. */
const SWITCHES: readonly (readonly [name: string, start: Start])[] = [
  ["--cert", { runtime: ["--cert=OTHER"] }],
  ["DENO_CERT", { env: { DENO_CERT: "OTHER" } }],
  ["NODE_EXTRA_CA_CERTS", { env: { NODE_EXTRA_CA_CERTS: "OTHER" } }],
  ["DENO_TLS_CA_STORE and SSL_CERT_FILE", {
    env: { DENO_TLS_CA_STORE: "system,mozilla", SSL_CERT_FILE: "OTHER" },
  }],
  ["--unsafely-ignore-certificate-errors", { runtime: ["--unsafely-ignore-certificate-errors"] }],
  ["NODE_TLS_REJECT_UNAUTHORIZED", { env: { NODE_TLS_REJECT_UNAUTHORIZED: "0" } }],
  ["all of them, and leave to read the environment", {
    runtime: ["--cert=OTHER", "--unsafely-ignore-certificate-errors", "--allow-env"],
    env: { NODE_TLS_REJECT_UNAUTHORIZED: "0", NODE_EXTRA_CA_CERTS: "OTHER", DENO_TLS_CA_STORE: "system" },
  }],
];

function filled({ runtime = [], env = {} }: Start, other: string): Required<Start> {
  const fill = (text: string): string => text.replace("OTHER", other);
  return {
    runtime: runtime.map(fill),
    env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, fill(value)])),
  };
}

for (const [name, given] of SWITCHES) {
  Deno.test(`Under ${name} a scheduler refuses a client of another CA, and serves one of its own`, async () => {
    await using files = await Files.make();
    const start = filled(given, files.path("other-ca"));
    await using scheduler = new TestProcess({
      command: command("scheduler.ts", [...LOCAL, ...files.tls], start),
      env: start.env,
    });
    const [, address = ""] = await scheduler.line(/Scheduler at:\s+(tls:\/\/\S+)/);
    const { cert, key } = await files.other.issue("client");
    // It trusts the scheduler, so that nobody else ends the link.
    const stranger = await loadTlsContext(
      { tlsCaFile: files.ours.pem, tlsClientCert: cert, tlsClientKey: key },
      "client",
    );
    await assertRejects(() => connect(address, { context: stranger, timeout: "5s" }), CommClosed);
    await scheduler.line(
      /Refused a connection from .*: its certificate "CN=client.*" is signed by "CN=other-ca", which is not in "tlsCaFile"/,
    );

    const own = await loadTlsContext(await files.ours.security(), "client");
    await using comm = await connect(address, { context: own });
    await comm.write({ op: "identity", reply: true });
    assertEquals((await comm.read() as { type: string }).type, "Scheduler");
  });

  Deno.test(`Under ${name} a worker refuses a scheduler of another CA, and tells it nothing`, async () => {
    await using files = await Files.make();
    const start = filled(given, files.path("other-ca"));
    await using impostor = await TestListener.start(await files.other.security());
    const worker = await runToEnd({
      command: command("worker.ts", [...files.tls, `tls://127.0.0.1:${impostor.port}`], start),
      env: start.env,
    });
    assertEquals(worker.code, 1, worker.stderr);
    assertMatch(worker.stderr, /worker: .*127\.0\.0\.1:\d+.* refused: its certificate/);
    assertEquals(impostor.streams.left, []);
  });
}

for (const [name, given] of SWITCHES) {
  Deno.test(`Under ${name} a client's program refuses a scheduler of another CA, and tells it nothing`, async () => {
    await using files = await Files.make();
    const start = filled(given, files.path("other-ca"));
    await using impostor = await TestListener.start(await files.other.security());
    const address = `tls://127.0.0.1:${impostor.port}`;
    const client = await runToEnd({
      command: command("client.ts", ["status", ...files.tls, address], start),
      env: start.env,
    });
    assertEquals(client.code, 1, client.stderr);
    assertMatch(client.stderr, /client: .*127\.0\.0\.1:\d+.* refused: its certificate/);
    assertEquals(impostor.streams.left, []);
  });
}

Deno.test("No option of Security switches verification off", () => {
  const made: Security = { tlsCaFile: "ca.pem", tlsClientCert: "client.pem" };
  const attempts: readonly Readonly<Record<string, unknown>>[] = [
    { rejectUnauthorized: false },
    { tlsVerify: false },
    { checkHostname: false },
    { tlsInsecure: true },
    { unsafelyIgnoreCertificateErrors: true },
    { tlsMinVersion: "1.1" },
    { tlsMinVersion: "1.0" },
    { tlsCaFile: "" },
    { tlsCaFile: null },
    { tlsCaFile: [] },
    { tlsCiphers: "aNULL" },
    { tlsCiphers: "eNULL:NULL" },
    ...[
      { rejectUnauthorized: false },
      { ca: "other.pem" },
      { cert: "other.pem" },
      { requestCert: false },
      { checkServerIdentity: () => undefined },
      { ssl_context: {} },
      { secureContext: {} },
      { ciphers: "ALL" },
      { minVersion: "TLSv1" },
      { servername: "x" },
      { ssl_options: {} },
    ].map((extraConnArgs) => ({ extraConnArgs })),
  ];
  for (const attempt of attempts) {
    const [name] = Object.keys(attempt);
    assertThrowsSecurity(() => checkSecurity({ ...made, ...attempt }), `${name}: ${Deno.inspect(attempt)}`);
  }
});

function assertThrowsSecurity(attempt: () => unknown, what: string): void {
  try {
    attempt();
  } catch (error) {
    assert(error instanceof SecurityError, what);
    return;
  }
  throw new Error(`taken: ${what}`);
}

/** Security that is half there. A name of a missing part, and what is said. */
const HALVES: readonly (readonly [name: string, args: (files: Files) => readonly string[], said: RegExp])[] =
  [
    ["a CA alone", (files) => files.flags("ca"), /TLS needs --tls-cert too/],
    ["a certificate alone", (files) => files.flags("cert"), /TLS needs --tls-ca-file too/],
    [
      "certificate and key without a CA",
      (files) => files.flags("cert", "key"),
      /TLS needs --tls-ca-file too/,
    ],
    [
      "a key alone",
      (files) => files.flags("key"),
      /"tls\w+Key" is given without "tls\w+Cert"|TLS needs --tls-ca-file/,
    ],
    [
      "a CA and a key",
      (files) => files.flags("ca", "key"),
      /"tls\w+Key" is given without "tls\w+Cert"|TLS needs --tls-cert/,
    ],
    [
      "a certificate whose file has no key",
      (files) => files.flags("ca", "cert"),
      /holds no private key: set "tls\w+Key"/,
    ],
    ["a cipher string alone", () => ["--tls-ciphers", "HIGH"], /TLS needs --tls-ca-file and --tls-cert too/],
    ["a version alone", () => ["--tls-min-version", "1.3"], /TLS needs --tls-ca-file and --tls-cert too/],
    [
      "--require-encryption alone",
      () => ["--require-encryption"],
      /TLS needs --tls-ca-file and --tls-cert too/,
    ],
    [
      "certificates for a plain address",
      (files) => [...files.tls, "--protocol", "tcp"],
      /encryption is required/,
    ],
    [
      "a CA that is not there",
      (files) => [...files.flags("cert", "key"), "--tls-ca-file", "none.pem"],
      /no such file/,
    ],
    [
      "an empty name of a CA",
      (files) => [...files.flags("cert", "key"), "--tls-ca-file="],
      /empty|must not be|value/,
    ],
    ["a flag that nobody knows", (files) => [...files.tls, "--tls-insecure"], /tls-insecure/],
  ];

for (const [name, args, said] of HALVES) {
  Deno.test(`A scheduler and a worker with ${name} end with an error, and nobody listens`, async () => {
    await using files = await Files.make();
    const flags = args(files);
    const [scheduler, worker] = await Promise.all([
      runToEnd({ command: command("scheduler.ts", [...LOCAL, ...flags]) }),
      runToEnd({ command: command("worker.ts", [...flags, "--host", "127.0.0.1", "tcp://127.0.0.1:1"]) }),
    ]);
    for (const { code, stderr } of [scheduler, worker]) {
      assert(code === 1 || code === 2, `${code}: ${stderr}`);
      assertMatch(stderr, said);
      assertEquals(/at:\s+t(?:cp|ls):/.test(stderr), false, stderr);
    }
  });
}

/** `a.b: value` as nested mappings. */
function yaml(key: string, value: string): string {
  const [first = "", ...rest] = key.split(".");
  return rest.length === 0 ? `${first}: ${value}` : `${first}: {${yaml(rest.join("."), value)}}`;
}

/** Settings of Dask's configuration, and what is said. */
const CONFIGURATIONS:
  readonly (readonly [name: string, tls: Readonly<Record<string, string>>, said: RegExp])[] = [
    ["verify", { "tls.verify": "false" }, /Unknown setting "distributed\.comm\.tls\.verify"/],
    ["a misspelled CA", { "tls.ca-fiel": "ca.pem" }, /Unknown setting "distributed\.comm\.tls\.ca[-_]fiel"/],
    ["a CA alone", { "tls.ca-file": "ca.pem" }, /TLS needs --tls-cert too/],
    [
      "encryption that nothing can give",
      { "require-encryption": "true" },
      /TLS needs --tls-ca-file and --tls-cert too/,
    ],
    [
      "rules alone",
      { "tls.authorization": '[{"ou": "workers", "role": "worker"}]' },
      /TLS needs --tls-ca-file and --tls-cert too/,
    ],
    [
      "rules that were cut off",
      { "tls.authorization": "null" },
      /"distributed\.comm\.tls\.authorization" is empty/,
    ],
    ["anonymous ciphers", { "tls.ciphers": "aNULL" }, /has no suite that Deno can negotiate/],
  ];

for (const [name, settings, said] of CONFIGURATIONS) {
  Deno.test(`A scheduler whose file or environment configures ${name} ends with an error`, async () => {
    await using files = await Files.make();
    const file = `${files.folder}/dask.yaml`;
    const lines = Object.entries(settings).map(([key, value]) =>
      `distributed: {comm: {${yaml(key, value)}}}\n`
    );
    await Deno.writeTextFile(file, lines.join(""));
    const env = Object.fromEntries(
      Object.entries(settings).map(([key, value]) => [
        `DASK_DISTRIBUTED__COMM__${key.toUpperCase().replaceAll(".", "__").replaceAll("-", "_")}`,
        value,
      ]),
    );
    const ends = await Promise.all([
      runToEnd({ command: command("scheduler.ts", [...LOCAL, "--config", file]) }),
      runToEnd({ command: command("scheduler.ts", LOCAL, { runtime: ["--allow-env"] }), env }),
    ]);
    for (const { code, stderr } of ends) {
      assert(code === 1 || code === 2, `${code}: ${stderr}`);
      assertMatch(stderr, said);
    }
  });
}

Deno.test("A scheduler whose file writes a TLS setting with dots, which have no effect in YAML, ends with an error", async () => {
  await using files = await Files.make();
  const file = `${files.folder}/dask.yaml`;
  for (
    const text of ["distributed.comm.tls.ca-file: ca.pem\n", "distributed.comm: {tls: {ca-file: ca.pem}}\n"]
  ) {
    await Deno.writeTextFile(file, text);
    const { code, stderr } = await runToEnd({
      command: command("scheduler.ts", [...LOCAL, "--config", file]),
    });
    assert(code === 1 || code === 2, `${code}: ${stderr}`);
    assertMatch(
      stderr,
      /Setting "distributed\.comm\.tls\.ca-file" in .* is written with dots, and would have no effect/,
    );
  }
});

Deno.test("A role that may not read its files says which and how to let it, with --deny-read", async () => {
  await using files = await Files.make();
  for (const name of ["ours-ca", "ours-cert", "ours-key"]) {
    const { code, stderr } = await runToEnd({
      command: command("scheduler.ts", [...LOCAL, ...files.tls], {
        runtime: [`--deny-read=${files.path(name)}`],
      }),
    });
    assertEquals(code, 1);
    assertMatch(stderr, /Cannot read "tls\w+" file ".*": Deno may not; run it with --allow-read=".*"/);
  }
});

Deno.test("A scheduler refuses cipher strings that nothing fits, or that no peer would negotiate, at its start", async () => {
  await using files = await Files.make();
  const attempts = [
    [["--tls-ciphers", "aNULL"], /has no suite that Deno can negotiate/],
    [["--tls-ciphers", "HIGH:?"], /can't be read from "\?" on/],
    [
      ["--tls-ciphers", "TLS_AES_128_GCM_SHA256", "--tls-min-version", "1.3"],
      /none of the suites that peers of this listener negotiate \(TLS_AES_256_GCM_SHA384\)/,
    ],
    [["--tls-ciphers", "TLS_AES_256_GCM_SHA384", "--tls-max-version", "1.2"], /with TLS 1\.2 alone/],
  ] as const;
  for (const [args, said] of attempts) {
    const { code, stderr } = await runToEnd({
      command: command("scheduler.ts", [...LOCAL, ...files.tls, ...args]),
    });
    assert(code === 1 || code === 2, stderr);
    assertMatch(stderr, said);
  }
});
