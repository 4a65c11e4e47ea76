// Certificates and revocation lists made by OpenSSL, with every kind of key and signature that TLS has.
import { assertEquals } from "@std/assert";
import { runToEnd } from "../../testing/processes.ts";
import { checkLists, parseLists } from "../revocation.ts";
import { openssl } from "../../testing/matrix/openssl.ts";
import { certificateParts, OddCa } from "../../testing/pki/odd_certificates.ts";
import { der, derBitString, derOid, Tag } from "./der.ts";
import { isSignedBy, isUncheckable, signatureName } from "./signatures.ts";
import { parseCertificate } from "./certificate.ts";

const KINDS: Readonly<Record<string, readonly string[]>> = {
  "RSA with SHA-256": ["-newkey", "rsa:2048", "-sha256"],
  "RSA with SHA-512": ["-newkey", "rsa:2048", "-sha512"],
  "RSA-PSS with SHA-256": [
    ...["-newkey", "rsa:2048", "-sha256"],
    ...["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"],
  ],
  "P-256 with SHA-256": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-sha256"],
  "P-384 with SHA-384": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-sha384"],
  "Ed25519": ["-newkey", "ed25519"],
};

async function opensslIn(folder: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await runToEnd({ command: ["openssl", ...args], cwd: folder });
  if (code !== 0) throw new Error(stderr);
}

for (const [kind, args] of Object.entries(KINDS)) {
  Deno.test(`isSignedBy judges certificates and revocation lists of OpenSSL: ${kind}`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      const text = (name: string) => Deno.readTextFile(`${folder}/${name}`);
      await opensslIn(
        folder,
        "req",
        "-x509",
        ...args,
        "-nodes",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-subj",
        "/CN=ca",
      );
      await opensslIn(
        folder,
        "req",
        "-new",
        ...args,
        "-nodes",
        "-keyout",
        "a.key",
        "-out",
        "a.csr",
        "-subj",
        "/CN=a",
      );
      await Deno.writeTextFile(`${folder}/index.txt`, "");
      await Deno.writeTextFile(`${folder}/crlnumber`, "01\n");
      await Deno.writeTextFile(
        `${folder}/ca.cnf`,
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\ncrlnumber=crlnumber\nnew_certs_dir=.\n" +
          "default_md=default\ndefault_days=9\ndefault_crl_days=9\npolicy=p\n[p]\ncommonName=supplied\n",
      );
      const sigopts = args.filter((_, at) => args[at] === "-sigopt" || args[at - 1] === "-sigopt");
      const digest = args.find((arg) => arg.startsWith("-sha"))?.slice(1);
      const ca = ["ca", "-batch", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", ...sigopts]
        .concat(
          digest === undefined ? [] : ["-md", digest],
        );
      await opensslIn(folder, ...ca, "-rand_serial", "-in", "a.csr", "-out", "a.pem");
      await opensslIn(folder, ...ca, "-revoke", "a.pem", "-crl_reason", "keyCompromise");
      await opensslIn(folder, ...ca, "-gencrl", "-out", "crl.pem");
      const issuer = parseCertificate(await text("ca.pem"));
      const pem = await text("a.pem");
      const leaf = parseCertificate(pem.slice(pem.indexOf("-----BEGIN")));
      assertEquals(isSignedBy(leaf.raw, issuer), true);
      const forged = Uint8Array.from(leaf.raw);
      forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
      assertEquals(isSignedBy(forged, issuer), false);
      const lists = parseLists(new TextEncoder().encode(await text("crl.pem")), "crl.pem");
      assertEquals(lists.map(({ serials }) => [...serials]), [[leaf.serial]]);
      checkLists(lists, [issuer], new Date());
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

/** What is signed with the algorithm `oid`, as far as anybody looks at that. */
function signedWith(oid: string): Uint8Array {
  return der(
    Tag.sequence,
    der(Tag.sequence),
    der(Tag.sequence, derOid(oid)),
    derBitString(0, new Uint8Array(8)),
  );
}

Deno.test("signatureName names algorithms that are not trusted, and no others", () => {
  const names: Readonly<Record<string, string | undefined>> = {
    "1.2.840.113549.1.1.4": "MD5",
    "1.2.840.113549.1.1.5": "SHA-1",
    "1.2.840.10045.4.1": "SHA-1",
    "1.2.3.4": "algorithm 1.2.3.4",
    "1.2.840.113549.1.1.10": undefined,
    "1.2.840.113549.1.1.11": undefined,
    "1.2.840.113549.1.1.12": undefined,
    "1.2.840.113549.1.1.13": undefined,
    "1.2.840.10045.4.3.2": undefined,
    "1.2.840.10045.4.3.3": undefined,
    "1.2.840.10045.4.3.4": undefined,
    "1.3.101.112": undefined,
  };
  for (const [oid, name] of Object.entries(names)) assertEquals(signatureName(signedWith(oid)), name, oid);
});

Deno.test("isSignedBy says no to what can't be read, and to algorithms that are not trusted", async () => {
  const ca = await OddCa.make("ca");
  const issuer = parseCertificate(ca.cert);
  const { cert } = await ca.issue();
  assertEquals(isSignedBy(cert, issuer), true);
  for (const other of ["1.2.840.10045.4.1", "1.2.840.10045.4.3.3", "1.2.840.113549.1.1.10", "1.3.101.112"]) {
    const parts = certificateParts(cert);
    const claimed = der(
      Tag.sequence,
      parts.body,
      der(Tag.sequence, derOid(other)),
      derBitString(0, parts.signature),
    );
    assertEquals(isSignedBy(claimed, issuer), false, other);
  }
  assertEquals(isSignedBy(new Uint8Array(), issuer), false);
  assertEquals(isSignedBy(cert, { ...issuer, raw: Uint8Array.of(1, 2, 3) }), false);
});

Deno.test("isSignedBy judges every hash that comes with a salt as long as itself, and no other", async () => {
  for (const [bits, size] of [[256, 32], [384, 48], [512, 64]] as const) {
    const keys = await crypto.subtle.generateKey(
      {
        name: "RSA-PSS",
        modulusLength: 2048,
        publicExponent: Uint8Array.of(1, 0, 1),
        hash: `SHA-${bits}`,
      },
      true,
      ["sign", "verify"],
    );
    const body = der(Tag.sequence, der(Tag.integer, Uint8Array.of(1)));
    const issuer = parseCertificate(await (await OddCa.make("ca")).sign({}, keys));
    const sign = async (saltLength: number): Promise<Uint8Array> => {
      const signature = await crypto.subtle.sign({ name: "RSA-PSS", saltLength }, keys.privateKey, body);
      const hash = der(Tag.context, der(Tag.sequence, derOid(`2.16.840.1.101.3.4.2.${bits / 128 - 1}`)));
      const algorithm = der(Tag.sequence, derOid("1.2.840.113549.1.1.10"), der(Tag.sequence, hash));
      return der(Tag.sequence, body, algorithm, derBitString(0, new Uint8Array(signature)));
    };
    assertEquals(isSignedBy(await sign(size), issuer), true, `SHA-${bits}`);
    assertEquals(isSignedBy(await sign(size - 1), issuer), false, `SHA-${bits}`);
  }
});

Deno.test("isUncheckable is said of P-521 keys with another hash than SHA-512 alone", async () => {
  const p256 = parseCertificate((await OddCa.make("ca")).cert);
  assertEquals(isUncheckable(signedWith("1.2.840.10045.4.3.2"), p256), false);
  assertEquals(isUncheckable(signedWith("1.2.840.10045.4.3.2"), { ...p256, raw: new Uint8Array() }), false);
  const keys = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521", "-nodes", "-keyout", "/dev/null"];
  const p521 = parseCertificate(await openssl("req", "-x509", ...keys, "-subj", "/CN=ca"));
  assertEquals(isUncheckable(signedWith("1.2.840.10045.4.3.2"), p521), true);
  assertEquals(isUncheckable(signedWith("1.2.840.10045.4.3.3"), p521), true);
  assertEquals(isUncheckable(signedWith("1.2.840.10045.4.3.4"), p521), false);
});
