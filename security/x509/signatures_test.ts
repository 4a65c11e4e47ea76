// Certificates and revocation lists made by OpenSSL, with every kind of key and signature that TLS has.
import { assertEquals } from "@std/assert";
import { runToEnd } from "../../testing/processes.ts";
import { checkLists, parseLists } from "../revocation.ts";
import { isSignedBy } from "./signatures.ts";
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

async function openssl(folder: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await runToEnd({ command: ["openssl", ...args], cwd: folder });
  if (code !== 0) throw new Error(stderr);
}

for (const [kind, args] of Object.entries(KINDS)) {
  Deno.test(`isSignedBy judges certificates and revocation lists of OpenSSL: ${kind}`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      const text = (name: string) => Deno.readTextFile(`${folder}/${name}`);
      await openssl(
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
      await openssl(
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
      await openssl(folder, ...ca, "-rand_serial", "-in", "a.csr", "-out", "a.pem");
      await openssl(folder, ...ca, "-revoke", "a.pem", "-crl_reason", "keyCompromise");
      await openssl(folder, ...ca, "-gencrl", "-out", "crl.pem");
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
