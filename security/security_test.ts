import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { SecurityError } from "./material/errors.ts";
import { asksForTls, checkSecurity, requiresEncryption, Security } from "./security.ts";

const SECRET = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";

function refusal(record: unknown): string {
  return assertThrows(() => checkSecurity(record), SecurityError).message;
}

Deno.test("checkSecurity takes every field of Dask's Security", () => {
  const record = {
    requireEncryption: true,
    tlsCaFile: "ca.pem",
    tlsCiphers: "ECDHE-RSA-AES256-GCM-SHA384",
    tlsMinVersion: "1.2",
    tlsMaxVersion: "1.3",
    tlsClientCert: "client.pem",
    tlsClientKey: "client-key.pem",
    tlsSchedulerCert: "scheduler.pem",
    tlsSchedulerKey: "scheduler-key.pem",
    tlsWorkerCert: "worker.pem",
    tlsWorkerKey: "worker-key.pem",
    extraConnArgs: { keepAlive: true, noDelay: false },
  } as const;
  assertEquals(checkSecurity(record), record);
});

Deno.test("checkSecurity names the nearest field for an unknown one", () => {
  assertEquals(
    refusal({ tlsCAFile: "ca.pem" }),
    'Unknown security option "tlsCAFile": did you mean "tlsCaFile"?',
  );
  assertEquals(
    refusal({ tls_ca_file: "ca.pem" }),
    'Unknown security option "tls_ca_file": did you mean "tlsCaFile"?',
  );
  assertEquals(
    refusal({ tlsClientCerts: "x" }),
    'Unknown security option "tlsClientCerts": did you mean "tlsClientCert"?',
  );
  assertMatch(
    refusal({ verify: false }),
    /^Unknown security option "verify": known are requireEncryption, tlsCaFile,/,
  );
});

Deno.test("checkSecurity checks revocation and authorization, which need certificates", () => {
  const rules = [{ cn: "w*", role: "worker" }];
  checkSecurity({ tlsCaFile: "ca.pem", tlsRevoked: ["0A"], tlsCrlFile: "crl.pem", authorization: { rules } });
  assertMatch(refusal({ tlsRevoked: ["no"] }), /"tlsRevoked\[0\]"/);
  assertMatch(refusal({ tlsCaFile: "ca.pem", authorization: { rules: [{}] } }), /rules\[0\].role/);
  // Rules may stand in one place and certificates in another; without any, the role does not start.
  assertEquals(asksForTls(checkSecurity({ authorization: { rules } })), true);
  assertEquals(requiresEncryption({ authorization: { rules: [{ cn: "w*", role: "worker" }] } }), true);
  assertMatch(
    refusal({ tlsCaFile: "ca.pem", requireEncryption: false, authorization: { rules } }),
    /plain text/,
  );
});

Deno.test("checkSecurity refuses contradictions and half pairs", () => {
  assertEquals(
    refusal({ tlsMinVersion: "1.3", tlsMaxVersion: "1.2" }),
    '"tlsMinVersion" 1.3 is above "tlsMaxVersion" 1.2',
  );
  assertEquals(
    refusal({ tlsWorkerKey: "key.pem" }),
    '"tlsWorkerKey" is given without "tlsWorkerCert", the certificate that it belongs to',
  );
});

Deno.test("checkSecurity refuses values of the wrong type without showing them", () => {
  assertEquals(refusal({ tlsCaFile: 1 }), 'Security option "tlsCaFile" must be a string, not a number');
  assertEquals(
    refusal({ tlsClientKey: [SECRET] }),
    'Security option "tlsClientKey" must be a string, not an array',
  );
  assertEquals(
    refusal({ tlsCaFile: "" }),
    'Security option "tlsCaFile" is empty: leave it out, or name a file',
  );
  assertEquals(
    refusal({ requireEncryption: "yes" }),
    'Security option "requireEncryption" must be a boolean, not a string',
  );
  assertEquals(
    refusal({ tlsMinVersion: 1.2 }),
    'Security option "tlsMinVersion" must be "1.2" or "1.3", not 1.2',
  );
  assertEquals(
    refusal({ tlsMinVersion: "1.1" }),
    'Security option "tlsMinVersion" must be "1.2" or "1.3", not "1.1"',
  );
  assertMatch(refusal(true), /must be a record such as .*, not a boolean$/);
  assertMatch(refusal(null), /not null$/);
});

Deno.test("checkSecurity lets no connection option weaken verification", () => {
  for (const name of ["rejectUnauthorized", "servername", "checkServerIdentity", "ca", "ciphers"]) {
    assertMatch(
      refusal({ extraConnArgs: { [name]: false } }),
      new RegExp(`^Unknown connection option "extraConnArgs.${name}": only keepAlive and noDelay can be set`),
    );
  }
  assertEquals(
    refusal({ extraConnArgs: { noDelay: 1 } }),
    'Connection option "extraConnArgs.noDelay" must be a boolean, not a number',
  );
});

Deno.test("checkSecurity drops unset fields", () => {
  assertEquals(checkSecurity({ tlsCaFile: undefined, requireEncryption: false }), {
    requireEncryption: false,
  });
});

Deno.test("requiresEncryption follows Dask: unset means whether any TLS field is given", () => {
  assertEquals(requiresEncryption(undefined), false);
  assertEquals(requiresEncryption({}), false);
  assertEquals(requiresEncryption({ extraConnArgs: {} }), false);
  assertEquals(requiresEncryption({ tlsCaFile: "ca.pem" }), true);
  assertEquals(requiresEncryption({ tlsCaFile: "ca.pem", requireEncryption: false }), false);
  assertEquals(requiresEncryption({ requireEncryption: true }), true);
  assertEquals(asksForTls({ requireEncryption: true }), false);
  assertEquals(asksForTls({ tlsMinVersion: "1.3" }), true);
});

/** The PEM bodies of a record, which nothing may show. */
function secrets(security: Security): string[] {
  return [security.tlsClientKey, security.tlsSchedulerKey, security.tlsWorkerKey]
    .flatMap((pem) => (pem ?? "").split("\n").filter((line) => line !== "" && !line.startsWith("-----")));
}

Deno.test("Security.temporary hides its keys from inspection, JSON and spread copies", async () => {
  const security = await Security.temporary();
  const lines = secrets(security);
  assert(lines.length >= 6);
  const shown = [
    Deno.inspect(security),
    Deno.inspect({ nested: { security } }, { depth: 10 }),
    Deno.inspect({ ...security }),
    JSON.stringify(security),
    JSON.stringify({ nested: [security] }),
    Deno.inspect(Security.describe(security)),
    (await import("node:util")).inspect(security),
  ];
  for (const text of shown) {
    assert(text.includes("Temporary (In-memory)"), text);
    for (const line of lines) assert(!text.includes(line), text);
  }
});

Deno.test("Security.temporary stays a record: structured clone and field access give the PEM texts", async () => {
  const security = await Security.temporary();
  assertEquals(structuredClone(security).tlsClientKey, security.tlsClientKey);
  assertEquals(security.requireEncryption, true);
  assertEquals(Object.entries(checkSecurity({ ...security })), Object.entries(security));
});

Deno.test("Security.temporary makes a pair per role, or one with shared", async () => {
  const own = await Security.temporary();
  assertEquals(new Set([own.tlsClientCert, own.tlsSchedulerCert, own.tlsWorkerCert]).size, 3);
  assertEquals(new Set([own.tlsClientKey, own.tlsSchedulerKey, own.tlsWorkerKey]).size, 3);
  const shared = await Security.temporary({ shared: true, tlsMinVersion: "1.3" });
  assertEquals(new Set([shared.tlsClientCert, shared.tlsSchedulerCert, shared.tlsWorkerCert]).size, 1);
  assertEquals(shared.tlsMinVersion, "1.3");
});

Deno.test("Security.describe shows paths and hides PEM text, as Dask's repr", () => {
  assertEquals(Security.describe({ tlsCaFile: "ca.pem", tlsClientCert: "c.pem", tlsClientKey: SECRET }), {
    tlsCaFile: "ca.pem",
    tlsClientCert: "c.pem",
    tlsClientKey: "Temporary (In-memory)",
  });
});

interface Vector {
  readonly id: string;
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly error?: string;
}

Deno.test("checkSecurity agrees with Dask on which keywords are refused", async () => {
  const url = new URL("../tests/vectors/security.json", import.meta.url);
  const { vectors }: { vectors: readonly Vector[] } = JSON.parse(await Deno.readTextFile(url));
  // TLS versions are objects of Python's ssl module there, and files are looked at in context_test.ts.
  const ids = ["unknown-kwarg", "full-client-connect", "key-in-cert", "require-false", "require-true-only"];
  for (const id of ids) {
    const vector = vectors.find((one) => one.id === id);
    assert(vector?.kwargs !== undefined, id);
    const record = Object.fromEntries(
      Object.entries(vector.kwargs).map(([name, value]) => [camelCase(name), value]),
    );
    if (vector.error === undefined) checkSecurity(record);
    else refusal(record);
  }
});

function camelCase(name: string): string {
  return name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}
