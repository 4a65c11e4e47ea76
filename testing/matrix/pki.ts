/**
 * Certificates of the matrix: every kind, with EC, RSA and Ed25519 keys. Made by the `openssl` command and
 * not by our own writer, so that what is judged comes from somebody else.
 *
 * @module
 */

import { openssl } from "./openssl.ts";

/** Kind of key. */
export type KeyType = "ec" | "rsa" | "ed25519";

/** All kinds of key. */
export const KEY_TYPES: readonly KeyType[] = ["ec", "rsa", "ed25519"];

/** What one end of a link holds: paths. */
export interface Credentials {
  /** The CA that the *other* end must trust for it, and that this end trusts unless said otherwise. */
  readonly ca: string;
  /** Certificate, and what stands behind it; absent: none is shown. */
  readonly cert?: string;
  /** Its private key. */
  readonly key?: string;
}

const DAY_MS = 86_400_000;

const KEY_ARGS: Readonly<Record<KeyType, readonly string[]>> = {
  ec: ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
  rsa: ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
  ed25519: ["-algorithm", "ED25519"],
};

const LEAF =
  "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nsubjectAltName=DNS:localhost\n";
const BOTH = `${LEAF}extendedKeyUsage=serverAuth,clientAuth\n`;
const CA =
  "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n";

interface Issue {
  /** Common name. */
  readonly cn: string;
  /** Extensions; absent: X.509 v1. */
  readonly extensions?: string;
  /** Name of the issuer's certificate; absent: it signs itself. */
  readonly by?: string;
  /** Days from now. */
  readonly from?: number;
  /** Days from now. */
  readonly to?: number;
  /** Its own key pair. */
  readonly key: string;
  /** Name of the file, if it is not `cn`. */
  readonly file?: string;
}

interface RevocationList {
  /** Of its file. */
  readonly name: string;
  /** Name of the issuer's certificate. */
  readonly by: string;
  /** The only certificate on it. */
  readonly revoked: string;
  /** Days from now. */
  readonly from?: number;
  /** Days from now. */
  readonly to?: number;
}

/** One folder of certificates with one kind of key. */
export class MatrixPki {
  readonly #folder: string;
  readonly #type: KeyType;
  readonly #keys = new Map<string, string>();
  #count = 0;

  private constructor(folder: string, type: KeyType) {
    this.#folder = folder;
    this.#type = type;
  }

  /** Makes everything below `parent`. */
  static async make(parent: string, type: KeyType): Promise<MatrixPki> {
    const folder = `${parent}/${type}`;
    await Deno.mkdir(folder, { recursive: true });
    const pki = new MatrixPki(folder, type);
    await Promise.all(
      ["root", "root2", "other", "middle", "sub", "leaf", "stranger"].map((name) => pki.#key(name)),
    );
    for (const issue of ROOTS) await pki.#issue(issue);
    for (const issue of MIDDLES) await pki.#issue(issue);
    await Promise.all(LEAVES.map((issue) => pki.#issue(issue)));
    await Promise.all(LISTS.map((list) => pki.#revoke(list)));
    await pki.#print("revoked");
    await pki.#join("bundle", "other-ca", "root2", "root");
    await pki.#join("chain", "by-middle", "middle");
    await pki.#join("v1-intermediate", "by-v1-middle", "v1-middle");
    await pki.#join("path-length", "by-sub", "sub", "short-middle");
    await pki.#join("ca-false", "by-no-ca", "no-ca");
    await pki.#join("old-chain", "by-old-middle", "old-middle");
    return pki;
  }

  /** Path of a certificate, chain or bundle. */
  file(name: string): string {
    return `${this.#folder}/${name}.pem`;
  }

  /** Path of a private key. */
  key(name: string): string {
    return `${this.#folder}/${name}.key`;
  }

  /** Path of a revocation list. */
  list(name: string): string {
    return `${this.#folder}/${name}.crl`;
  }

  /** Path of a certificate's fingerprint; with `.yaml` behind it, of settings that say that it is revoked. */
  fingerprint(name: string): string {
    return `${this.#folder}/${name}.fingerprint`;
  }

  async #key(name: string): Promise<void> {
    const file = this.key(name);
    await openssl("genpkey", ...KEY_ARGS[this.#type], "-out", file);
    this.#keys.set(name, file);
  }

  async #join(name: string, ...parts: readonly string[]): Promise<void> {
    const texts = await Promise.all(parts.map((part) => Deno.readTextFile(this.file(part))));
    await Deno.writeTextFile(this.file(name), texts.join(""));
  }

  async #issue({ cn, extensions, by, from = -1, to = 30, key, file = cn }: Issue): Promise<void> {
    await this.#work(extensions, async (work) => {
      const [config, csr] = [`${work}/config`, `${work}/csr`];
      const subject = ["-key", this.key(key), "-subj", `/O=matrix/CN=${cn}`];
      await openssl("req", "-new", ...subject, "-config", config, "-out", csr);
      const signer = by === undefined
        ? ["-selfsign", "-keyfile", this.key(key)]
        : ["-cert", this.file(by), "-keyfile", this.key(signerKey(by))];
      await openssl(
        ...["ca", "-batch", "-notext", ...this.#digest, "-config", config],
        ...["-in", csr, "-out", this.file(file), ...signer],
        ...["-startdate", date(from), "-enddate", date(to)],
        ...(extensions === undefined ? [] : ["-extensions", "wanted"]),
      );
    });
  }

  async #revoke({ name, by, revoked, from = -1, to = 30 }: RevocationList): Promise<void> {
    await this.#work(undefined, async (work) => {
      const serial = await openssl("x509", "-in", this.file(revoked), "-noout", "-serial");
      const entry = [
        "R",
        date(30).slice(2),
        date(-1).slice(2),
        serial.trim().replace("serial=", ""),
        "unknown",
      ];
      await Deno.writeTextFile(`${work}/index`, `${entry.join("\t")}\t/CN=${revoked}\n`);
      await openssl(
        ...["ca", "-gencrl", ...this.#digest, "-config", `${work}/config`, "-out", this.list(name)],
        ...["-cert", this.file(by), "-keyfile", this.key(signerKey(by))],
        ...["-crl_lastupdate", date(from), "-crl_nextupdate", date(to)],
      );
    });
  }

  async #print(name: string): Promise<void> {
    const told = await openssl("x509", "-in", this.file(name), "-noout", "-fingerprint", "-sha256");
    const fingerprint = told.trim().replace(/^.*=/, "");
    await Deno.writeTextFile(this.fingerprint(name), `${fingerprint}\n`);
    await Deno.writeTextFile(
      `${this.fingerprint(name)}.yaml`,
      `distributed: {comm: {tls: {revoked: ["${fingerprint}"]}}}\n`,
    );
  }

  get #digest(): readonly string[] {
    return ["-md", this.#type === "ed25519" ? "null" : "sha256"];
  }

  /** Lets `openssl ca` have the files that it wants. */
  async #work(extensions: string | undefined, use: (folder: string) => Promise<void>): Promise<void> {
    const work = `${this.#folder}/work-${this.#count++}`;
    await Deno.mkdir(work);
    await Deno.writeTextFile(`${work}/index`, "");
    await Deno.writeTextFile(`${work}/config`, config(work, extensions));
    await use(work);
    await Deno.remove(work, { recursive: true });
  }
}

const ROOTS: readonly Issue[] = [
  { cn: "root", extensions: CA, key: "root" },
  { cn: "root2", extensions: CA, key: "root2" },
  { cn: "other-ca", extensions: CA, key: "other" },
  { cn: "v1-root", key: "root2" },
  { cn: "root", extensions: CA, key: "other", file: "namesake" },
];

const MIDDLES: readonly Issue[] = [
  { cn: "middle", extensions: CA, by: "root", key: "middle" },
  { cn: "v1-middle", by: "root", key: "middle" },
  { cn: "old-middle", extensions: CA, by: "root", key: "middle", from: -30, to: -1 },
  { cn: "no-ca", extensions: BOTH, by: "root", key: "middle" },
  { cn: "short-middle", extensions: CA.replace("CA:TRUE", "CA:TRUE,pathlen:0"), by: "root", key: "middle" },
  { cn: "sub", extensions: CA, by: "short-middle", key: "sub" },
];

const LEAVES: readonly Issue[] = [
  { cn: "good", extensions: BOTH, by: "root", key: "leaf" },
  { cn: "by-root2", extensions: BOTH, by: "root2", key: "leaf" },
  { cn: "by-v1-root", extensions: BOTH, by: "v1-root", key: "leaf" },
  { cn: "by-middle", extensions: BOTH, by: "middle", key: "leaf" },
  { cn: "by-v1-middle", extensions: BOTH, by: "v1-middle", key: "leaf" },
  { cn: "by-sub", extensions: BOTH, by: "sub", key: "leaf" },
  { cn: "by-no-ca", extensions: BOTH, by: "no-ca", key: "leaf" },
  { cn: "by-old-middle", extensions: BOTH, by: "old-middle", key: "leaf" },
  { cn: "by-namesake", extensions: BOTH, by: "namesake", key: "leaf" },
  { cn: "revoked", extensions: BOTH, by: "root", key: "leaf" },
  { cn: "no-usage", extensions: LEAF, by: "root", key: "leaf" },
  { cn: "by-other", extensions: BOTH, by: "other-ca", key: "leaf" },
  { cn: "self-signed", extensions: BOTH, key: "leaf" },
  { cn: "expired", extensions: BOTH, by: "root", key: "leaf", from: -30, to: -1 },
  { cn: "not-yet", extensions: BOTH, by: "root", key: "leaf", from: 1, to: 30 },
  { cn: "client-only", extensions: `${LEAF}extendedKeyUsage=clientAuth\n`, by: "root", key: "leaf" },
  { cn: "server-only", extensions: `${LEAF}extendedKeyUsage=serverAuth\n`, by: "root", key: "leaf" },
  { cn: "v1-leaf", by: "root", key: "leaf" },
];

const LISTS: readonly RevocationList[] = [
  { name: "revoked", by: "root", revoked: "revoked" },
  { name: "middle", by: "root", revoked: "middle" },
  { name: "old", by: "root", revoked: "revoked", from: -30, to: -1 },
  { name: "not-yet", by: "root", revoked: "revoked", from: 1, to: 30 },
  { name: "other", by: "other-ca", revoked: "by-other" },
];

/** Whose key a certificate was made with. */
function signerKey(name: string): string {
  const key = [...ROOTS, ...MIDDLES].find(({ cn, file = cn }) => file === name)?.key;
  if (key === undefined) throw new Error(`"${name}" is no issuer`);
  return key;
}

function config(work: string, extensions: string | undefined): string {
  return `[req]
distinguished_name = names
prompt = no
[names]
CN = unused
[ca]
default_ca = this
[this]
database = ${work}/index
new_certs_dir = ${work}
policy = any
unique_subject = no
rand_serial = yes
[any]
commonName = supplied
organizationName = optional
[wanted]
${extensions ?? ""}`;
}

/** `YYYYMMDDHHMMSSZ`, so many days from now. */
function date(days: number): string {
  const at = new Date(Date.now() + days * DAY_MS);
  return `${at.toISOString().replaceAll(/[-:T]/g, "").slice(0, 14)}Z`;
}
