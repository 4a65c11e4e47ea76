import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { createPrivateKey } from "node:crypto";
import { expired, notYetValid, TestCa } from "../../testing/pki/pki.ts";
import { loadTlsContext, TlsContext } from "./context.ts";
import { SecurityError } from "../material/errors.ts";
import { checkSecurity } from "../security.ts";
import { Security } from "../security.ts";

async function refusal(
  security: Security,
  role: "client" | "scheduler" | "worker" = "client",
): Promise<string> {
  return (await assertRejects(() => loadTlsContext(security, role), SecurityError)).message;
}

/** What a context read from its files. */
function loaded(context: TlsContext): unknown {
  return [TlsContext.material(context), context.chain, context.trust.cas];
}

async function clientOf(
  ca: TestCa,
): Promise<{ tlsCaFile: string; tlsClientCert: string; tlsClientKey: string }> {
  const { cert, key } = await ca.issue("client");
  return { tlsCaFile: ca.pem, tlsClientCert: cert, tlsClientKey: key };
}

Deno.test("loadTlsContext shows each role's own certificate", async () => {
  const security = await Security.temporary();
  for (const role of ["client", "scheduler", "worker"] as const) {
    const context = await loadTlsContext(security, role);
    assertEquals(context.certificate.subject.at(-1), ["CN", role]);
    assertEquals([context.role, context.requireEncryption], [role, true]);
    assertEquals([context.minVersion, context.maxVersion], ["1.2", "1.3"]);
  }
});

Deno.test("loadTlsContext reads files, and the key from the certificate's file in either order", async () => {
  const ca = await TestCa.make();
  const { cert, key } = await ca.issue("client");
  const { cert: otherCert, key: otherKey } = await ca.issue("client");
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/ca.pem`, `some words before\n${ca.pem}`);
    for (const both of [cert + key, key + cert]) {
      await Deno.writeTextFile(`${directory}/both.pem`, both);
      const security = { tlsCaFile: `${directory}/ca.pem`, tlsClientCert: `${directory}/both.pem` };
      const context = await loadTlsContext(security, "client");
      assertEquals(TlsContext.material(context).key, key);
      assertEquals(
        loaded(await loadTlsContext({ ...security, tlsClientCert: both }, "client")),
        loaded(context),
      );
      const other = await loadTlsContext({ ...security, tlsClientCert: otherCert + otherKey }, "client");
      assertNotEquals(loaded(other), loaded(context));
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("loadTlsContext takes keys in SEC 1 form", async () => {
  const security = await clientOf(await TestCa.make());
  const key = createPrivateKey(security.tlsClientKey);
  const sec1 = key.export({ type: "sec1", format: "pem" }).toString();
  assertMatch(sec1, /BEGIN EC PRIVATE KEY/);
  const context = await loadTlsContext({ ...security, tlsClientKey: sec1 }, "client");
  assertEquals(TlsContext.material(context).key, security.tlsClientKey);
});

Deno.test("loadTlsContext hides key material from inspection and JSON", async () => {
  const security = await clientOf(await TestCa.make());
  const context = await loadTlsContext(security, "client");
  const line = security.tlsClientKey.split("\n")[1] ?? "";
  assert(line.length > 40);
  for (const text of [Deno.inspect(context, { depth: 10, showHidden: true }), JSON.stringify(context)]) {
    assert(!text.includes(line));
    assert(!text.includes("PRIVATE"));
  }
});

Deno.test("loadTlsContext says which option a role lacks", async () => {
  const ca = await TestCa.make();
  assertEquals(
    await refusal({ tlsCaFile: ca.pem }, "worker"),
    'Security for a worker has no "tlsWorkerCert", only tlsCaFile: a worker needs "tlsCaFile" and "tlsWorkerCert"',
  );
  const { tlsCaFile: _, ...noCa } = await clientOf(ca);
  assertMatch(
    await refusal(noCa),
    /^Security for a client has no "tlsCaFile", only tlsClientCert, tlsClientKey: /,
  );
  assertMatch(await refusal({ requireEncryption: true }), /has no "tlsCaFile": a client needs/);
});

Deno.test("loadTlsContext names the file and the reason when it can't be read", async () => {
  const security = await clientOf(await TestCa.make());
  assertEquals(
    await refusal({ ...security, tlsClientKey: "/nowhere/key.pem" }),
    'Cannot read "tlsClientKey" file "/nowhere/key.pem": there is no such file',
  );
  assertMatch(
    await refusal({ ...security, tlsCaFile: Deno.cwd() }),
    /^Cannot read "tlsCaFile" file ".*": .*[Dd]irectory/,
  );
});

Deno.test({
  name: "loadTlsContext names the flag when Deno may not read the file",
  permissions: { read: false },
  fn: async () => {
    assertEquals(
      await refusal({ tlsCaFile: "ca.pem", tlsClientCert: "client.pem" }),
      'Cannot read "tlsCaFile" file "ca.pem": Deno may not; run it with --allow-read="ca.pem"',
    );
  },
});

Deno.test("loadTlsContext refuses an own v1 certificate with the command that makes v3", async () => {
  const ca = await TestCa.make();
  const { cert, key } = await ca.issue("client", { version: 1 });
  const message = await refusal({ tlsCaFile: ca.pem, tlsClientCert: cert, tlsClientKey: key });
  assertMatch(message, /^"tlsClientCert" \(PEM text\) is an X\.509 v1 certificate, which is refused/);
  assertMatch(message, /openssl x509 -req .* -extfile /);
});

Deno.test("loadTlsContext refuses an own certificate outside its time", async () => {
  const ca = await TestCa.make();
  for (const time of [expired(), notYetValid()]) {
    const { cert, key } = await ca.issue("client", time);
    assertMatch(
      await refusal({ tlsCaFile: ca.pem, tlsClientCert: cert, tlsClientKey: key }),
      /^"tlsClientCert" \(PEM text\) is not valid now: it holds from .*Z to .*Z, and now is .*Z$/,
    );
  }
  const old = await TestCa.make("old", expired());
  assertMatch(
    await refusal({ ...await clientOf(ca), tlsCaFile: old.pem }),
    /^"tlsCaFile" \(PEM text\) holds no CA that is still valid/,
  );
});

Deno.test("loadTlsContext refuses a key of another certificate", async () => {
  const ca = await TestCa.make();
  const security = await clientOf(ca);
  const { key } = await ca.issue("other");
  assertEquals(
    await refusal({ ...security, tlsClientKey: key }),
    'The private key of "tlsClientKey" (PEM text) does not belong to the certificate of "tlsClientCert" (PEM text)',
  );
});

Deno.test("loadTlsContext refuses files without what they must hold", async () => {
  const security = await clientOf(await TestCa.make());
  const { tlsClientKey: _, ...noKey } = security;
  assertEquals(
    await refusal(noKey),
    '"tlsClientCert" (PEM text) holds no private key: set "tlsClientKey", or add the key to that file',
  );
  assertMatch(
    await refusal({ ...security, tlsClientCert: "a\nb" }),
    /^"tlsClientCert" .* holds no certificate: /,
  );
  assertMatch(await refusal({ ...security, tlsCaFile: "a\nb" }), /^"tlsCaFile" .* holds no certificate: /);
  assertMatch(
    await refusal({ ...security, tlsClientKey: security.tlsClientKey + security.tlsClientKey }),
    /holds several private keys: leave one$/,
  );
  const garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  assertMatch(await refusal({ ...security, tlsCaFile: garbage }), /holds a certificate that can't be read$/);
});

Deno.test("loadTlsContext takes PEM that lost its line breaks for text, and shows none of it", async () => {
  const security = await clientOf(await TestCa.make());
  for (const lost of ["", " ", "\\n"]) {
    const tlsClientKey = security.tlsClientKey.replaceAll("\n", lost);
    const given = { ...security, tlsClientKey };
    const error = await assertRejects(() => loadTlsContext(given, "client"), SecurityError);
    assertEquals(
      error.message.split(":")[0],
      '"tlsClientKey" (PEM text) has no line breaks, which PEM needs',
    );
    const secret = security.tlsClientKey.split("\n")[1] ?? "";
    for (
      const shown of [
        Deno.inspect(error),
        Deno.inspect(checkSecurity(given)),
        JSON.stringify(checkSecurity(given)),
      ]
    ) {
      assert(!shown.includes(secret), shown);
    }
  }
});

Deno.test("loadTlsContext refuses files of which a part is cut off", async () => {
  const ca = await TestCa.make();
  const security = await clientOf(ca);
  const cut = ca.pem + (await TestCa.make("next")).pem.slice(0, -12);
  assertMatch(
    await refusal({ ...security, tlsCaFile: cut }),
    /^"tlsCaFile" \(PEM text\) is damaged: of 2 PEM blocks that begin in it, 1 are whole$/,
  );
});

Deno.test("TlsContext.reload neither turns requireEncryption on nor off", async () => {
  const security = await clientOf(await TestCa.make());
  const plain = await loadTlsContext({ ...security, requireEncryption: false }, "client");
  await assertRejects(() => plain.reload(security), SecurityError, "can't be turned on");
  const strict = await loadTlsContext(security, "client");
  await assertRejects(
    () => strict.reload({ ...security, requireEncryption: false }),
    SecurityError,
    "can't be taken back",
  );
});

Deno.test("TlsContext.reload takes no rules back, which would let everybody in", async () => {
  const security = await clientOf(await TestCa.make());
  const authorization = { rules: [{ cn: "*", role: "client" }] } as const;
  const context = await loadTlsContext({ ...security, authorization }, "client");
  await assertRejects(() => context.reload(security), SecurityError, `"authorization" can't be taken back`);
  await context.reload({ ...security, authorization: { rules: [{ cn: "ann", role: "client" }] } });
});

Deno.test("loadTlsContext refuses encrypted keys with the command that decrypts, and shows none", async () => {
  const security = await clientOf(await TestCa.make());
  const encrypted = createPrivateKey(security.tlsClientKey)
    .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "secret" }).toString();
  assertMatch(
    await refusal({ ...security, tlsClientKey: encrypted }),
    /encrypted private key: decrypt it with "openssl pkey/,
  );
  const broken = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
  const error = await assertRejects(
    () => loadTlsContext({ ...security, tlsClientKey: broken }, "client"),
    SecurityError,
  );
  assertMatch(error.message, /holds a private key that can't be read/);
  assert(!Deno.inspect(error).includes("c2VjcmV0"));
});
