/**
 * What must happen with good certificates and keys in files of all forms, written down before it is run. Only
 * our own roles read them, and the link behind it is between two of ours.
 *
 * @module
 */

import { type Holding, isOurs, type Kind, type Spot } from "./kind.ts";

const OURS = ({ party, other }: Spot): boolean => !isOurs(party) || !isOurs(other);
const LIBRARY = (spot: Spot): boolean => OURS(spot) || spot.party === "program";
const PROGRAM = ({ party }: Spot): boolean => party !== "program";
const NO_ED25519 = (spot: Spot): boolean => OURS(spot) || spot.key === "ed25519";
const EC_ONLY = (spot: Spot): boolean => OURS(spot) || spot.key !== "ec";

const GOOD: Holding = { cert: "good", key: "leaf" };

/** A form that can be used. */
function links(name: string, holds: Holding, not: (spot: Spot) => boolean = OURS): Kind {
  return { name, holds: { ...GOOD, ...holds }, trusts: "root", not };
}

/** The key is in the certificate's file. */
function both(name: string, cert: string): Kind {
  return { name, holds: { cert }, trusts: "root", not: OURS };
}

/** A form that can't be used, and what our role says instead of starting. */
function fails(name: string, holds: Holding, start: RegExp, not: (spot: Spot) => boolean = OURS): Kind {
  return { name, holds: { ...GOOD, ...holds }, trusts: "root", start, not };
}

const NAMES = { ca: "CA", cert: "certificate", key: "key" } as const;
const TITLES = {
  ca: "CaFile",
  cert: "(?:Client|Worker|Scheduler)Cert",
  key: "(?:Client|Worker|Scheduler)Key",
} as const;

const ENCRYPTED =
  /^"tls\w+Key" file ".*" holds an encrypted private key: decrypt it with "openssl pkey -in KEY -out PLAIN-KEY"/;

/** All of them. */
export const FILE_KINDS: readonly Kind[] = [
  links("PEM texts in memory", { inMemory: true }, LIBRARY),
  both("certificate, key", "cert-key"),
  both("key, certificate", "key-cert"),
  both("key, chain", "key-chain"),
  links("CRLF", { cert: "crlf", key: "crlf", ca: "crlf-ca" }),
  links("comments", { cert: "comments", key: "comments", ca: "comments-ca" }),
  links("openssl x509 -text", { cert: "text" }),
  links("no newline at the end", { cert: "no-newline" }),
  links("PKCS#1 or SEC 1 key", { key: "traditional" }, NO_ED25519),
  links("EC PARAMETERS and key", { key: "parameters" }, EC_ONLY),
  fails(
    "DER certificate",
    { cert: "der" },
    /^"tls\w+Cert" file ".*" is DER, and PEM is wanted: .*"openssl x509 -inform/,
  ),
  fails(
    "DER key",
    { key: "der" },
    /^"tls\w+Key" file ".*" is DER, and PEM is wanted: convert it with "openssl pkey -inform/,
  ),
  fails(
    "DER CA",
    { ca: "der-ca" },
    /^"tlsCaFile" file ".*" is DER, and PEM is wanted: convert it with "openssl x509/,
  ),
  fails("passphrase", { key: "passphrase" }, ENCRYPTED),
  fails("passphrase, PKCS#1 or SEC 1", { key: "old-passphrase" }, ENCRYPTED, NO_ED25519),
  fails(
    "empty certificate",
    { cert: "empty" },
    /^"tls\w+Cert" file ".*" holds no certificate: it must be PEM text/,
  ),
  fails("empty key", { key: "empty" }, /^"tls\w+Key" file ".*" holds no private key$/),
  fails(
    "empty CA",
    { ca: "empty" },
    /^"tlsCaFile" file ".*" holds no certificate: it must be the PEM text of the trusted CA/,
  ),
  fails(
    "missing certificate",
    { cert: "missing" },
    /^Cannot read "tls\w+Cert" file ".*": there is no such file$/,
  ),
  fails("missing key", { key: "missing" }, /^Cannot read "tls\w+Key" file ".*": there is no such file$/),
  fails("missing CA", { ca: "missing" }, /^Cannot read "tlsCaFile" file ".*": there is no such file$/),
  fails(
    "folder",
    { cert: "folder" },
    /^Cannot read "tls\w+Cert" file ".*": it is a directory; name a file in it$/,
  ),
  fails(
    "CA is a folder",
    { ca: "folder" },
    /^Cannot read "tlsCaFile" file ".*": it is a directory; name a file in it$/,
  ),
  fails(
    "chain upside down",
    { cert: "reversed" },
    /does not belong to .*, whose first certificate must be the role's own$/,
  ),
  fails("two keys", { key: "two" }, /^"tls\w+Key" file ".*" holds several private keys: leave one$/),
  fails(
    "cut certificate",
    { cert: "cut" },
    /^"tls\w+Cert" file ".*" is damaged: of 1 PEM blocks that begin in it, 0 are whole$/,
  ),
  fails(
    "garbled certificate",
    { cert: "garbled" },
    /^"tls\w+Cert" file ".*" holds a certificate that can't be read$/,
  ),
  fails(
    "garbled key",
    { key: "garbled" },
    /^"tls\w+Key" file ".*" holds a private key that can't be read: RSA .*, EC .* and Ed25519/,
  ),
  {
    name: "key in neither file",
    holds: { cert: "good" },
    trusts: "root",
    start: /^"tls\w+Cert" file ".*" holds no private key: set "tls\w+Key", or add the key to that file$/,
    not: OURS,
  },
  {
    name: "CA has ended",
    holds: { ...GOOD, ca: "expired" },
    trusts: "root",
    start: /^"tlsCaFile" file ".*" holds no CA that is still valid: it holds from .* to .*, and now is /,
    not: OURS,
  },
  links("revocation list, DER", { crl: "der" }),
  fails(
    "revocation list has ended",
    { crl: "old" },
    /^The revocation list of "O=matrix,CN=root" in "tlsCrlFile" has expired .*: fetch the present one$/,
  ),
  fails(
    "revocation list begins later",
    { crl: "not-yet" },
    /^The revocation list of "O=matrix,CN=root" in "tlsCrlFile" begins .*, which is not yet: compare the clocks$/,
  ),
  fails(
    "revocation list of another CA",
    { crl: "other" },
    /^The revocation list of "O=matrix,CN=other-ca" in "tlsCrlFile" is of no CA in "tlsCaFile": take it out, or replace it in the same step as the CA$/,
  ),
  fails(
    "empty revocation list",
    { crl: "empty" },
    /^"tlsCrlFile" file ".*" holds no revocation list: it must be PEM \("-----BEGIN X509 CRL-----"\) or DER$/,
  ),
  fails(
    "missing revocation list",
    { crl: "missing" },
    /^Cannot read "tlsCrlFile" file ".*": there is no such file$/,
  ),
  ...(["ca", "cert", "key"] as const).map((denied): Kind => ({
    name: `--deny-read of the ${NAMES[denied]}`,
    holds: GOOD,
    trusts: "root",
    denied,
    start: new RegExp(
      `^Cannot read "tls${TITLES[denied]}" file "(.*)": Deno may not; run it with --allow-read="\\1"$`,
    ),
    not: PROGRAM,
  })),
];
