/**
 * What a row of the matrix says: who holds which credentials, and what must become of them.
 *
 * @module
 */

/** Who is at one end of a link. `program` is ours as well: a command with flags. */
export type Party = "ours" | "program" | "openssl" | "python" | "deno";

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
  /** Revocation lists. */
  readonly crl?: string;
  /** A certificate that is revoked by its fingerprint. */
  readonly revoked?: string;
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
  /** What the other end, which is ours, knows of revocation. */
  readonly judge?: Pick<Holding, "crl" | "revoked">;
  /** Which file a program may not read. */
  readonly denied?: "ca" | "cert" | "key";
  /** What our role says when it refuses to start with it. */
  readonly start?: RegExp;
  /** What a program says instead, where its flags show that already. */
  readonly usage?: RegExp;
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

/** Whether it is this package that is at an end. */
export function isOurs(party: Party): boolean {
  return party === "ours" || party === "program";
}
