import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { withConfigured } from "../comm/secure.ts";
import { Config, type ConfigLayer } from "../config/config.ts";
import { ConfigError } from "../config/errors.ts";
import { loadConfig } from "../config/load.ts";
import { loadVectors, type Vector } from "../testing/vectors.ts";
import { SecurityError } from "./material/errors.ts";
import { asksForTls, requiresEncryption, Security } from "./security.ts";

function tls(settings: ConfigLayer["settings"]): Config {
  return new Config([{ source: "tls.yaml", settings: { distributed: { comm: { tls: settings } } } }]);
}

Deno.test("Security.fromConfig reads every setting", () => {
  const config = tls({
    "ca-file": "ca.pem",
    ciphers: "ECDHE+AESGCM",
    "min-version": 1.2,
    "max-version": 1.3,
    scheduler: { cert: "s.pem", key: "s.key" },
    worker: { cert: "w.pem", key: "w.key" },
    client: { cert: "c.pem", key: "c.key" },
    "crl-file": "crl.pem",
    revoked: ["0a1b"],
    authorization: [{ cn: "worker-*", role: "worker" }],
  }).with({ "distributed.comm.require_encryption": true });
  assertEquals<unknown>({ ...Security.fromConfig(config) }, {
    requireEncryption: true,
    tlsCaFile: "ca.pem",
    tlsCiphers: "ECDHE+AESGCM",
    tlsMinVersion: "1.2",
    tlsMaxVersion: "1.3",
    tlsSchedulerCert: "s.pem",
    tlsSchedulerKey: "s.key",
    tlsWorkerCert: "w.pem",
    tlsWorkerKey: "w.key",
    tlsClientCert: "c.pem",
    tlsClientKey: "c.key",
    tlsCrlFile: "crl.pem",
    tlsRevoked: ["0a1b"],
    authorization: { rules: [{ cn: "worker-*", role: "worker" }] },
  });
});

Deno.test("Security.fromConfig of the built-in settings asks for nothing", () => {
  const security = Security.fromConfig(new Config());
  assertEquals<unknown>({ ...security }, {});
  assertEquals([asksForTls(security), requiresEncryption(security)], [false, false]);
});

Deno.test("Security.fromConfig takes rules as a section, too", () => {
  const rules = [{ uri: "spiffe://acme/worker/*", role: "worker" }];
  assertEquals<unknown>(
    Security.fromConfig(tls({ "ca-file": "ca.pem", authorization: { rules } })).authorization,
    {
      rules,
    },
  );
});

Deno.test("Security.fromConfig: certificates from configuration forbid plain text", () => {
  assertEquals(requiresEncryption(Security.fromConfig(tls({ "ca-file": "ca.pem" }))), true);
  const off = tls({ "ca-file": "ca.pem" }).with({ "distributed.comm.require-encryption": false });
  assertEquals(requiresEncryption(Security.fromConfig(off)), false);
});

Deno.test("Security.fromConfig hides PEM text", () => {
  const pem = "-----BEGIN PRIVATE KEY-----\nMIGHSECRET\n-----END PRIVATE KEY-----\n";
  const config = tls({ "ca-file": "ca.pem", client: { cert: "c.pem", key: pem } });
  const security = Security.fromConfig(config);
  assertEquals(security.tlsClientKey, pem);
  assertEquals(Deno.inspect(security).includes("SECRET"), false);
  assertEquals(JSON.stringify(security).includes("SECRET"), false);
  assertEquals(Deno.inspect(config, { depth: 100 }).includes("SECRET"), false);
  assertEquals(JSON.stringify(config).includes("SECRET"), false);
});

const REFUSED: readonly [
  settings: ConfigLayer["settings"],
  type: typeof SecurityError | typeof ConfigError,
  message: RegExp,
][] = [
  [
    { "min-version": "1.3" },
    SecurityError,
    /"distributed\.comm\.tls\.min-version" must be the number 1\.2 or 1\.3.*tls\.yaml/,
  ],
  [{ "max-version": 1.1 }, SecurityError, /max-version" must be .* not 1\.1/],
  [{ "min-version": 1.3, "max-version": 1.2 }, SecurityError, /\(tls\.yaml\): .*above/],
  [{ client: { key: "k.pem" } }, SecurityError, /tls\.yaml.*without "tlsClientCert"/],
  [{ ciphers: "nope" }, SecurityError, /tls\.yaml.*nope/],
  [{ revoked: "0a1b" }, SecurityError, /tls\.yaml/],
  [{ "ca-file": "c", authorization: [{ cn: "*" }] }, SecurityError, /authorization\.rules\[0\]\.role/],
  [{ "ca-file": 5 }, ConfigError, /"distributed\.comm\.tls\.ca-file" must be text.*tls\.yaml/],
];

for (const [settings, type, message] of REFUSED) {
  Deno.test(`Security.fromConfig refuses ${JSON.stringify(settings)}, naming the source`, () => {
    assertMatch(
      assertThrows(() => Security.fromConfig(tls(settings)), type as new () => Error).message,
      message,
    );
  });
}

Deno.test("withConfigured: what is given counts more, field by field, and pairs stay together", () => {
  const config = tls({
    "ca-file": "ca.pem",
    "min-version": 1.3,
    worker: { cert: "w.pem", key: "w.key" },
    client: { cert: "c.pem", key: "c.key" },
  });
  assertEquals<unknown>({ ...withConfigured({ tlsClientCert: "mine.pem", tlsMinVersion: "1.2" }, config) }, {
    tlsCaFile: "ca.pem",
    tlsMinVersion: "1.2",
    tlsWorkerCert: "w.pem",
    tlsWorkerKey: "w.key",
    tlsClientCert: "mine.pem",
  });
  assertEquals({ ...withConfigured(undefined, config) }, { ...Security.fromConfig(config) });
});

/** Why a vector is not checked here. */
function elsewhere(vector: Vector): string | undefined {
  if (vector["config"] === undefined) return "reprs and links (python's own; security_test.ts, comm/)";
  if (vector["error"] === undefined || Object.keys(vector["config"] as Vector).length > 0) return undefined;
  return "refused keywords, ciphers and files (security_test.ts, cipher_string_test.ts, context_test.ts)";
}

/** Keywords of Dask's `Security`; versions are members of an enumeration there. */
function fieldsOf(keywords: Vector): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(keywords).filter(([, value]) => value !== null).map(([name, value]) => [
      name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
      value === "771" ? "1.2" : value === "772" ? "1.3" : value,
    ]),
  );
}

Deno.test("withConfigured agrees with Dask on refused settings, versions, and require-encryption", () => {
  const skipped = new Map<string, string[]>();
  for (const vector of loadVectors("security")) {
    const id = String(vector["id"]);
    const reason = elsewhere(vector);
    if (reason !== undefined) {
      skipped.set(reason, [...skipped.get(reason) ?? [], id]);
      continue;
    }
    const config = new Config().with(vector["config"] as Vector, "vector");
    const given = fieldsOf(vector["kwargs"] as Vector);
    if (vector["error"] !== undefined) {
      assertThrows(() => withConfigured(given, config), SecurityError, undefined, id);
      continue;
    }
    const security = withConfigured(given, config);
    assertEquals(requiresEncryption(security), vector["require_encryption"], id);
    const context = vector["context"] as Vector | null;
    if (context === null) continue;
    assertEquals(security.tlsMinVersion ?? "1.2", context["min"] === "TLSv1_3" ? "1.3" : "1.2", id);
    assertEquals(security.tlsMaxVersion ?? "1.3", context["max"] === "TLSv1_2" ? "1.2" : "1.3", id);
  }
  const ids = [...skipped.values()].flat();
  assert(ids.length <= 25, `${ids.length} are skipped`);
  for (const [reason, names] of skipped) {
    // deno-lint-ignore no-console
    console.info(`security.json: ${names.length} elsewhere: ${reason}: ${names}`);
  }
});

Deno.test("Security.fromConfig reads variables", () => {
  const config = loadConfig({
    env: {
      DASK_DISTRIBUTED__COMM__TLS__CA_FILE: "ca.pem",
      DASK_DISTRIBUTED__COMM__TLS__WORKER__CERT: "w.pem",
      DASK_DISTRIBUTED__COMM__TLS__MAX_VERSION: "1.2",
    },
  });
  assertEquals<unknown>({ ...Security.fromConfig(config) }, {
    tlsCaFile: "ca.pem",
    tlsWorkerCert: "w.pem",
    tlsMaxVersion: "1.2",
  });
});
