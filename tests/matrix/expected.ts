/**
 * What must happen in each case of the matrix, written down before it is run: a table of facts, no code that decides.
 *
 * @module
 */

import { FILE_KINDS } from "./expected_files.ts";

/** Who is at one end of a link. */
export type Party = "ours" | "openssl" | "python" | "deno";

/** Which end holds the credentials that the case is about. */
export type End = "dialler" | "listener";

/** Credentials of one end, by names of files in the PKI. */
export interface Holding {
  /** Certificate file; absent: none. */
  readonly cert?: string;
  /** Key file; `forged`: made for the certificate by somebody who has not its key. */
  readonly key?: string;
  /** What it trusts. */
  readonly ca?: string;
  /** Whether it has texts in memory instead of paths. */
  readonly inMemory?: boolean;
}

/** What a verifier says when it refuses. Absent: it links. */
export type Words = Readonly<Partial<Record<Party, RegExp>>>;

/** Where a kind of credentials is tried. */
export interface Spot {
  /** Who holds them. */
  readonly party: Party;
  /** Who is at the other end. */
  readonly other: Party;
  /** At which end they are held. */
  readonly end: End;
  /** Kind of key. */
  readonly key: string;
}

/** One kind of credentials. */
export interface Kind {
  /** What it is called in the table. */
  readonly name: string;
  /** What the end shows; for a dialler and a listener if they differ. */
  readonly holds: Holding | Readonly<Record<End, Holding>>;
  /** What the other end trusts. */
  readonly trusts: string;
  /** What our role says when it refuses to start with it. */
  readonly start?: RegExp;
  /** What the other end says, if it refuses. */
  readonly refused?: {
    /** Ours, in either direction, or by direction of the *bad* end. */
    readonly ours: RegExp | Readonly<Record<End, RegExp>>;
    /** OpenSSL, and Python, which says the same words. */
    readonly openssl: RegExp;
    /** `Deno.connectTls`. */
    readonly deno: RegExp;
    /** What our end says when the *other* end refused it. */
    readonly told: RegExp;
  };
  /** Parties that can't hold such credentials at an end, or can't be made to. */
  readonly not?: (spot: Spot) => boolean;
}

/** A dialler hears Deno's word for all that may be wrong with a certificate. */
const UNVERIFIED =
  /refused: its certificate can't be verified: it is not of .* key usage is not that of a server; "client\.ts check" with this address tells which$/;
const NOT_OUR_CA = /refused: its certificate does not lead to the CA in "tlsCaFile"$/;

/** What is said of a dialler: a listener sees its certificate. */
function shown(words: string): RegExp {
  return new RegExp(`^TLS link with the peer at ".*" refused: its certificate "O=matrix,CN=${words}`);
}

/** What our end says where the other refused its certificate: by an alert, or by hanging up. */
const UNTRUSTED =
  /was refused by .*: (?:it does not trust the issuer of our certificate "O=matrix,CN=|"?it closed the link during the TLS handshake: )|O=matrix,CN=[\w-]+"|ended the link 3 times between TLS and its first message/;

const NO_ISSUER =
  /unable to get (?:local )?issuer certificate|unable to verify the first certificate|self[- ]signed certificate in certificate chain/;

/** What the party that was refused hears: an alert, or the end of the link. */
export const HEARD: Readonly<Record<Exclude<Party, "ours">, RegExp>> = {
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
  {
    name: "no certificate",
    holds: {},
    trusts: "root",
    start: /^Security for a (?:client|worker|scheduler) has no "tls\w+Cert"/,
    refused: {
      ours: /refused: it showed no certificate$/,
      openssl: /peer did not return a certificate/,
      deno: /never/,
      told: /never/,
    },
    // No listener of others starts without one, and Python's clients don't dial without one.
    not: ({ party, end }) => party === "python" || (party !== "ours" && end === "listener"),
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
      told: /it refused our certificate|ended the link 3 times|closed the link during the TLS handshake/,
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
    not: ({ party }) => party !== "ours",
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

/** Who dials whom in a cluster. */
export const LINKS = [
  ["client", "scheduler"],
  ["worker", "scheduler"],
  ["worker", "worker"],
  ["client", "worker"],
] as const;

/** TLS versions. */
export const VERSIONS = ["1.2", "1.3"] as const;

/** Who dials whom in the matrix; one of them is ours. */
export const PARTIES: readonly (readonly [dialler: Party, listener: Party])[] = [
  ["ours", "ours"],
  ["openssl", "ours"],
  ["python", "ours"],
  ["deno", "ours"],
  ["ours", "openssl"],
  ["ours", "python"],
];
