/**
 * The same certificates and keys in all the ways in which files can hold them, right and wrong.
 *
 * @module
 */

import { openssl } from "./openssl.ts";
import type { KeyType, MatrixPki } from "./pki.ts";

/** The words of a passphrase that nobody is asked for. */
const PASSPHRASE = "pass:matrix";

/** Writes the files; each is named in `expected_files.ts`. */
export async function writeFiles(pki: MatrixPki, type: KeyType): Promise<void> {
  const [cert, chain, key, root] = await Promise.all(
    [pki.file("good"), pki.file("chain"), pki.key("leaf"), pki.file("root")].map((path) =>
      Deno.readTextFile(path)
    ),
  ) as [string, string, string, string];
  const write = async (path: string, text: string): Promise<void> => await Deno.writeTextFile(path, text);
  const [middle, leaf] = chain.split("-----END CERTIFICATE-----\n").reverse().slice(1) as [string, string];
  await Promise.all([
    write(pki.file("cert-key"), cert + key),
    write(pki.file("key-cert"), key + cert),
    write(pki.file("key-chain"), key + chain),
    write(pki.file("crlf"), cert.replaceAll("\n", "\r\n")),
    write(pki.key("crlf"), key.replaceAll("\n", "\r\n")),
    write(pki.file("crlf-ca"), root.replaceAll("\n", "\r\n")),
    write(pki.file("comments"), `# of the role\nsubject=CN = good\n\n${cert}\n# the end\n`),
    write(pki.key("comments"), `Bag Attributes: <No Attributes>\n${key}\n; the end`),
    write(pki.file("comments-ca"), `Our CA\n======\n${root}`),
    write(pki.file("no-newline"), cert.trimEnd()),
    write(pki.file("empty"), ""),
    write(pki.key("empty"), ""),
    write(pki.list("empty"), ""),
    openssl("crl", "-in", pki.list("revoked"), "-outform", "DER", "-out", pki.list("der")),
    write(pki.file("reversed"), [middle, leaf].map((text) => `${text}-----END CERTIFICATE-----\n`).join("")),
    write(pki.key("two"), key + key),
    write(pki.file("cut"), cert.slice(0, cert.length / 2)),
    write(pki.file("garbled"), cert.replace(/\n[A-Za-z0-9+/]{20}/, "\nAAAAAAAAAAAAAAAAAAAA")),
    write(pki.key("garbled"), key.replace(/\n[A-Za-z0-9+/]{8}/, "\nAAAAAAAA")),
    Deno.mkdir(pki.file("folder")),
    openssl("x509", "-in", pki.file("good"), "-outform", "DER", "-out", pki.file("der")),
    openssl("x509", "-in", pki.file("root"), "-outform", "DER", "-out", pki.file("der-ca")),
    openssl("pkey", "-in", pki.key("leaf"), "-outform", "DER", "-out", pki.key("der")),
    openssl("x509", "-in", pki.file("good"), "-text", "-out", pki.file("text")),
    openssl("pkey", "-in", pki.key("leaf"), "-aes256", "-passout", PASSPHRASE, "-out", pki.key("passphrase")),
    ...(type === "ed25519" ? [] : [traditional(pki, type)]),
  ]);
}

/** PKCS#1 and SEC 1, which have no form for Ed25519. */
async function traditional(pki: MatrixPki, type: "ec" | "rsa"): Promise<void> {
  await openssl("pkey", "-in", pki.key("leaf"), "-traditional", "-out", pki.key("traditional"));
  const encrypt = ["-aes256", "-passout", PASSPHRASE];
  await openssl(
    "pkey",
    "-in",
    pki.key("leaf"),
    "-traditional",
    ...encrypt,
    "-out",
    pki.key("old-passphrase"),
  );
  if (type === "rsa") return;
  const parameters = await openssl("ecparam", "-name", "prime256v1");
  await Deno.writeTextFile(
    pki.key("parameters"),
    parameters + await Deno.readTextFile(pki.key("traditional")),
  );
}
