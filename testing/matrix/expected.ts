/**
 * What must happen in each case of the matrix, written down before it is run: a table of facts, no code that
 * decides.
 *
 * @module
 */

import { FILE_KINDS } from "./expected_files.ts";
import { isOurs, type Kind, type Party } from "./kind.ts";

/** A dialler hears Deno's word for all that may be wrong with a certificate. */
const UNVERIFIED =
  /refused: its certificate can't be verified: it is not of .* key usage is not that of a server; "client\.ts check" with this address tells which$/;
/** Which word it is depends on whether the listener sends its CA along. */
const NOT_OUR_CA = new RegExp(
  `refused: its certificate does not lead to the CA in "tlsCaFile"$|${UNVERIFIED.source}`,
);

/** What is said of a dialler: a listener sees its certificate. */
function shown(words: string): RegExp {
  return new RegExp(`^TLS link with the peer at ".*" refused: its certificate "O=matrix,CN=${words}`);
}

const TOLD = [
  'it does not trust the issuer of our certificate "O=matrix,CN=[\\w-]+"$',
  '(?:it refused )?our certificate "O=matrix,CN=[\\w-]+"(?:: its log has the reason| has expired, by its clock)$',
  'it could not verify our signature for certificate "O=matrix,CN=[\\w-]+"$',
  'it closed the link during the TLS handshake: it is going down, or refuses our certificate "O=matrix,CN=[\\w-]+"; its log has the reason',
  "it closed the link during the TLS handshake: it went away, or refuses our certificate; its log has the reason$",
].join("|");
/**
 * What our end says where the other refused its certificate: by an alert, or by hanging up during TLS or
 * behind it.
 */
const UNTRUSTED = new RegExp(
  `TLS link was refused by (?:the peer at )?"127\\.0\\.0\\.1:\\d+": (?:${TOLD})|` +
    "the peer ended the link (?:3 times )?between TLS and its first message .* refuses the certificate of this side|" +
    'after TLS, before it said anything: it went away, or refuses our certificate "O=matrix,CN=[\\w-]+"; its log has',
);

const NO_ISSUER =
  /unable to get (?:local )?issuer certificate|unable to verify the first certificate|self[- ]signed certificate in certificate chain/;

/** What the party that was refused hears: an alert, or the end of the link. */
export const HEARD: Readonly<Record<Exclude<Party, "ours" | "program">, RegExp>> = {
  openssl: /alert|errno=|reset|unexpected eof|CONNECTION CLOSED|^ERROR$/im,
  python: /alert|closed|reset|EOF|CommClosedError|Timed out|handshake/i,
  deno: /received fatal alert|reset|close|end of file|end of the link|broken pipe/i,
};

const GOOD = { cert: "good", key: "leaf" } as const;

/** Kinds of certificates. */
const CERTIFICATE_KINDS: readonly Kind[] = [
  { name: "right pair", holds: GOOD, trusts: "root" },
  { name: "chain, complete", holds: { cert: "chain", key: "leaf" }, trusts: "root" },
  { name: "bundle of CAs", holds: { cert: "by-root2", key: "leaf" }, trusts: "bundle" },
  { name: "v1 root", holds: { cert: "by-v1-root", key: "leaf" }, trusts: "v1-root" },
  { name: "no extended key usage", holds: { cert: "no-usage", key: "leaf" }, trusts: "root" },
  {
    name: "not on the revocation list",
    holds: GOOD,
    trusts: "root",
    judge: { crl: "revoked" },
    not: ({ other }) => !isOurs(other),
  },
  {
    name: "no certificate",
    holds: {},
    trusts: "root",
    start: /^Security for a (?:client|worker|scheduler) has no "tls\w+Cert"/,
    usage: /^TLS needs --tls-cert too: a role trusts one CA and shows a certificate of it$/,
    refused: {
      ours: /refused: it showed no certificate$/,
      openssl: /peer did not return a certificate/,
      deno: /never/,
      told: /never/,
    },
    // No listener of others starts without one, and Python's clients don't dial without one.
    not: ({ party, end }) => party === "python" || (!isOurs(party) && end === "listener"),
  },
  {
    name: "other CA",
    holds: { cert: "by-other", key: "leaf" },
    trusts: "root",
    refused: {
      ours: {
        dialler: shown(
          `by-other" is signed by "O=matrix,CN=other-ca", which is not in "tlsCaFile" and was not sent along`,
        ),
        listener: NOT_OUR_CA,
      },
      openssl: NO_ISSUER,
      deno: /UnknownIssuer/,
      told: UNTRUSTED,
    },
  },
  {
    name: "other CA of the same name",
    holds: { cert: "by-namesake", key: "leaf" },
    trusts: "root",
    refused: {
      ours: {
        dialler: shown(
          `by-namesake" says that "O=matrix,CN=root" signed it, but not the one in "tlsCaFile": it is of another CA`,
        ),
        listener: UNVERIFIED,
      },
      openssl: /certificate signature failure|unable to get local issuer/,
      deno: /BadSignature|UnknownIssuer/,
      told: UNTRUSTED,
    },
  },
  {
    name: "expired CA in the chain",
    holds: { cert: "old-chain", key: "leaf" },
    trusts: "root",
    refused: {
      ours: {
        dialler: shown(`by-old-middle" is signed by "O=matrix,CN=old-middle", which has expired`),
        listener: UNVERIFIED,
      },
      openssl: /certificate has expired/,
      deno: /[Ee]xpired/,
      told: UNTRUSTED,
    },
  },
  {
    name: "revoked by list",
    holds: { cert: "revoked", key: "leaf" },
    trusts: "root",
    judge: { crl: "revoked" },
    refused: {
      ours: /: its certificate "O=matrix,CN=revoked" is revoked by its CA \(serial [0-9A-F]+\)$/,
      openssl: /never/,
      deno: /never/,
      told: UNTRUSTED,
    },
    not: ({ other }) => !isOurs(other),
  },
  {
    name: "revoked by fingerprint",
    holds: { cert: "revoked", key: "leaf" },
    trusts: "root",
    judge: { revoked: "revoked" },
    refused: {
      ours: /: its certificate "O=matrix,CN=revoked" is revoked by "tlsRevoked" \(serial [0-9A-F]+\)$/,
      openssl: /never/,
      deno: /never/,
      told: UNTRUSTED,
    },
    not: ({ other }) => !isOurs(other),
  },
  {
    name: "revoked CA in the chain",
    holds: { cert: "chain", key: "leaf" },
    trusts: "root",
    judge: { crl: "middle" },
    refused: {
      ours:
        /: its certificate "O=matrix,CN=by-middle" \(of the CA "O=matrix,CN=middle" above it\) is revoked by its CA \(/,
      openssl: /never/,
      deno: /never/,
      told: UNTRUSTED,
    },
    not: ({ other }) => !isOurs(other),
  },
  {
    name: "chain, incomplete",
    holds: { cert: "by-middle", key: "leaf" },
    trusts: "root",
    refused: {
      ours: {
        dialler: shown(
          `by-middle" is signed by "O=matrix,CN=middle", which is not in "tlsCaFile" and was not sent along`,
        ),
        listener: NOT_OUR_CA,
      },
      openssl: NO_ISSUER,
      deno: /UnknownIssuer/,
      told: UNTRUSTED,
    },
  },
  {
    name: "self-signed",
    holds: { cert: "self-signed", key: "leaf" },
    trusts: "root",
    refused: {
      ours: { dialler: shown(`self-signed" is self-signed, and not in "tlsCaFile"`), listener: NOT_OUR_CA },
      openssl: /self[- ]signed certificate/,
      deno: /UnknownIssuer/,
      told: UNTRUSTED,
    },
  },
  {
    name: "expired",
    holds: { cert: "expired", key: "leaf" },
    trusts: "root",
    start: /"tls\w+Cert" file ".*" is not valid now: it holds from .* to .*, and now is /,
    refused: {
      ours: { dialler: shown(`expired" has expired on .*Z, and now is .*Z$`), listener: UNVERIFIED },
      openssl: /certificate has expired/,
      deno: /[Ee]xpired/,
      told: /never/,
    },
  },
  {
    name: "not yet valid",
    holds: { cert: "not-yet", key: "leaf" },
    trusts: "root",
    start: /"tls\w+Cert" file ".*" is not valid now: it holds from .* to .*, and now is /,
    refused: {
      ours: {
        dialler: shown(`not-yet" is not valid before .*Z, and now is .*Z: compare the clocks$`),
        listener: UNVERIFIED,
      },
      openssl: /certificate is not yet valid/,
      deno: /valid/,
      told: /never/,
    },
  },
  {
    name: "wrong key usage",
    holds: { dialler: { cert: "server-only", key: "leaf" }, listener: { cert: "client-only", key: "leaf" } },
    trusts: "root",
    refused: {
      ours: {
        dialler: shown(
          `server-only" may not be used as a client's: its extended key usage is a server's only`,
        ),
        listener: UNVERIFIED,
      },
      openssl: /unsuitable certificate purpose|unsupported certificate purpose/,
      deno: /InvalidPurpose|purpose|[Kk]ey ?[Uu]sage/,
      told: UNTRUSTED,
    },
  },
  {
    name: "v1 leaf",
    holds: { cert: "v1-leaf", key: "leaf" },
    trusts: "root",
    start: /is an X\.509 v1 certificate, which is refused: .* Make a v3 one: openssl x509 -req/,
    refused: {
      ours: {
        dialler: shown(`v1-leaf" is X\\.509 v1, which is refused: make a v3 one`),
        listener: /its certificate "O=matrix,CN=v1-leaf" is X\.509 v1, which does not prove/,
      },
      openssl: /never/,
      deno: /UnsupportedCertVersion|BadEncoding|certificate/,
      told: /never/,
    },
    // Deno itself does not start with it.
    not: ({ party }) => party === "deno",
  },
  {
    name: "v1 intermediate",
    holds: { cert: "v1-intermediate", key: "leaf" },
    trusts: "root",
    start:
      /^"tls\w+Cert" file ".*" has "O=matrix,CN=v1-middle" behind the role's own certificate, which is X\.509 v1/,
    refused: {
      ours: {
        dialler: shown(
          `by-v1-middle" is signed by "O=matrix,CN=v1-middle", which is X\\.509 v1, which does not say that it may sign`,
        ),
        listener:
          /refused: its certificate "O=matrix,CN=by-v1-middle" is signed by "O=matrix,CN=v1-middle", which is X\.509 v1, which does not say/,
      },
      openssl: /invalid CA certificate|issuer certificate/,
      deno: /invalid peer certificate/,
      told: UNTRUSTED,
    },
  },
  {
    name: "path length",
    holds: { cert: "path-length", key: "leaf" },
    trusts: "root",
    refused: {
      ours: {
        dialler: shown(
          `by-sub" has "O=matrix,CN=sub" above it, which is signed by "O=matrix,CN=short-middle", which may have no CA below it`,
        ),
        listener: UNVERIFIED,
      },
      openssl: /path length constraint exceeded/,
      deno: /invalid peer certificate/,
      told: UNTRUSTED,
    },
  },
  {
    name: "CA:FALSE issuer",
    holds: { cert: "ca-false", key: "leaf" },
    trusts: "root",
    refused: {
      ours: {
        dialler: shown(`by-no-ca" is signed by "O=matrix,CN=no-ca", which is no CA`),
        listener: UNVERIFIED,
      },
      openssl: /invalid CA certificate|key usage does not include certificate signing/,
      deno: /invalid peer certificate/,
      told: UNTRUSTED,
    },
  },
  {
    name: "other's key",
    holds: { cert: "good", key: "stranger" },
    trusts: "root",
    start: /^The private key of ".*" file ".*" does not belong to the certificate of ".*" file ".*"/,
    // Nobody else starts with it either.
    not: ({ party }) => !isOurs(party),
  },
  {
    name: "forged key",
    holds: { cert: "good", key: "forged" },
    trusts: "root",
    refused: {
      ours:
        /refused: (?:its certificate can't be verified|a signature of its certificate or handshake is wrong)/,
      openssl: /never/,
      deno: /never/,
      told: /never/,
    },
    not: ({ party, key }) => party !== "openssl" || key !== "ec",
  },
  {
    name: "forged key, v1",
    holds: { cert: "v1-leaf", key: "forged" },
    trusts: "root",
    refused: {
      ours: {
        dialler: shown(`v1-leaf" is X\\.509 v1, which is refused: make a v3 one`),
        listener: /its certificate "O=matrix,CN=v1-leaf" is X\.509 v1, which does not prove/,
      },
      openssl: /never/,
      deno: /never/,
      told: /never/,
    },
    not: ({ party, key }) => party !== "openssl" || key !== "ec",
  },
];

/** All kinds. */
export const KINDS: readonly Kind[] = [...CERTIFICATE_KINDS, ...FILE_KINDS];

/** Who dials whom in a cluster: nobody dials a client. */
export const LINKS = [
  ["client", "scheduler"],
  ["worker", "scheduler"],
  ["scheduler", "worker"],
  ["worker", "worker"],
  ["client", "worker"],
] as const;

/** TLS versions. */
export const VERSIONS = ["1.2", "1.3"] as const;

/** Who dials whom in the matrix; one of them is ours. Programs are tried with one kind of key and TLS 1.3. */
export const PARTIES: readonly (readonly [dialler: Party, listener: Party])[] = [
  ["ours", "ours"],
  ["openssl", "ours"],
  ["python", "ours"],
  ["deno", "ours"],
  ["ours", "openssl"],
  ["ours", "python"],
  ["program", "program"],
];
