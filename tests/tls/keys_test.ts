/**
 * Kinds of keys and signatures beyond the usual ones, made by OpenSSL: they link, or a role says at its start
 * why not.
 */

import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { loadTlsContext } from "../../security/live/context.ts";
import { SecurityError } from "../../security/material/errors.ts";
import type { Security } from "../../security/security.ts";
import { certificateName, parseCertificate } from "../../security/x509/certificate.ts";
import { LogWatch } from "../../testing/logs.ts";
import { madeBy } from "../../testing/pki/made_certificates.ts";
import { dialAs, TestListener } from "../../testing/tls_pair.ts";
import { openssl } from "../../testing/matrix/openssl.ts";

const V3 = "basicConstraints=critical,CA:TRUE\n";

/** A CA and a leaf with keys that `algorithm` makes, the leaf signed with `digest`. */
async function made(algorithm: readonly string[], digest = "sha256"): Promise<Security> {
  const folder = await Deno.makeTempDir({ prefix: "dask-keys-" });
  try {
    const at = (name: string): string => `${folder}/${name}`;
    await Deno.writeTextFile(at("ext"), "basicConstraints=CA:FALSE\n");
    await Deno.writeTextFile(at("config"), `[req]\ndistinguished_name=n\n[n]\n[v3]\n${V3}`);
    await openssl("genpkey", ...algorithm, "-out", at("key")); // one for both: large ones take seconds
    const request = ["req", "-new", "-config", at("config")];
    await openssl(
      ...[...request, "-x509", "-days", "3650", "-key", at("key"), "-subj", "/CN=odd ca"],
      ...["-extensions", "v3", "-out", at("ca.pem")],
    );
    await openssl(...request, "-key", at("key"), "-subj", "/CN=odd", "-out", at("csr"));
    await openssl(
      ...["x509", "-req", `-${digest}`, "-in", at("csr"), "-CA", at("ca.pem"), "-CAkey", at("key")],
      ...["-CAcreateserial", "-days", "3650", "-extfile", at("ext"), "-out", at("leaf.pem")],
    );
    const [ca, cert, key] = await Promise.all(
      ["ca.pem", "leaf.pem", "key"].map((name) => Deno.readTextFile(at(name))),
    ) as [string, string, string];
    return {
      tlsCaFile: ca,
      tlsClientCert: cert,
      tlsClientKey: key,
      tlsSchedulerCert: cert,
      tlsSchedulerKey: key,
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const rsa = (bits: number) => ["-algorithm", "RSA", "-pkeyopt", `rsa_keygen_bits:${bits}`];
const curve = (name: string) => ["-algorithm", "EC", "-pkeyopt", `ec_paramgen_curve:${name}`];

for (
  const [what, algorithm, digest] of [
    ["RSA-3072 with SHA-384", rsa(3072), "sha384"],
    ["P-256 with SHA-512", curve("P-256"), "sha512"],
    ["P-384 with SHA-256", curve("P-384"), "sha256"],
    ["P-521 with SHA-512", curve("P-521"), "sha512"],
  ] as const
) {
  Deno.test(`Links are made with keys of ${what}, over TLS 1.2 and 1.3`, async () => {
    const security = await made(algorithm, digest);
    for (const version of ["1.2", "1.3"] as const) {
      const only = { ...security, tlsMinVersion: version, tlsMaxVersion: version };
      await using listener = await TestListener.start(only);
      const stream = await dialAs(only, listener.port);
      const accepted = await listener.streams.next();
      assertEquals([stream.tls?.protocol, accepted.tls?.peer.name], [`TLSv${version}`, "CN=odd"]);
      await Promise.all([stream.close(), accepted.close()]);
    }
  });
}

const USABLE = /RSA \(2048 to 4096 bits\), EC \(P-256, P-384, P-521\) and Ed25519 keys can be used$/;

for (
  const [what, algorithm, said] of [
    ["RSA-1024", rsa(1024), "an RSA key of 1024 bits"],
    ["RSA-8192", undefined, "a key that can't be read"],
    ["P-224", curve("P-224"), "an EC key on the curve secp224r1"],
    ["secp256k1", curve("secp256k1"), "an EC key on the curve secp256k1"],
    ["Ed448", ["-algorithm", "ED448"], "a key of type ed448"],
  ] as const
) {
  Deno.test(`A role refuses keys of ${what} at its start, its own and the CA's`, async () => {
    const odd = algorithm === undefined ? madeBy("openssl-rsa-8192").security() : await made(algorithm);
    const good = await made(curve("P-256"));
    const start = async (security: Security) =>
      (await assertRejects(() => loadTlsContext(security, "scheduler"), SecurityError)).message;
    const own = await start({ ...odd, tlsCaFile: good.tlsCaFile ?? "" });
    assertStringIncludes(own, `"tlsSchedulerCert" (PEM text) certifies ${said}; `);
    assertMatch(own, USABLE);
    const name = certificateName(parseCertificate(odd.tlsCaFile ?? ""));
    const trusted = await start({ ...good, tlsCaFile: odd.tlsCaFile ?? "" });
    assertStringIncludes(
      trusted,
      `"tlsCaFile" (PEM text) holds the CA "${name}" with ${said}; `,
    );
    // Beside a CA that can be used, it is a warning.
    using log = new LogWatch();
    await loadTlsContext({ ...good, tlsCaFile: `${odd.tlsCaFile}${good.tlsCaFile}` }, "scheduler");
    assert(log.lines.some((line) => line.includes("WARNING") && line.includes("what it signed is refused")));
  });
}

for (
  const [what, make] of [
    ["SHA-1", () => made(curve("P-256"), "sha1")],
    ["P-521 and SHA-256", () => made(curve("P-521"), "sha256")],
    ["another CA of the same name", async () => {
      const [one, other] = [await made(curve("P-256")), await made(curve("P-256"))];
      return { ...one, tlsCaFile: other.tlsCaFile ?? "" };
    }],
  ] as const
) {
  Deno.test(`A role whose certificate was signed by ${what} is warned that its peers refuse it, and they do`, async () => {
    const security = await make();
    using log = new LogWatch();
    await using listener = await TestListener.start(security);
    await log.line(/WARNING - "tlsSchedulerCert" .*peers that trust the same CA will refuse this scheduler/);
    await assertRejects(() => dialAs(security, listener.port));
  });
}
