/**
 * What an end of a link is given, and what is seen of it.
 *
 * @module
 */

import type { Role } from "./roles.ts";

/** One end of a link. */
export interface EndOptions {
  /** Number of the case. */
  readonly id: number;
  /** As whom. */
  readonly role: Role;
  /** Who is at the other end. */
  readonly whom: Role;
  /** Path of what is trusted. */
  readonly ca: string;
  /** Path. */
  readonly cert?: string;
  /** Path. */
  readonly key?: string;
  /** Path of revocation lists; ours alone looks at them. */
  readonly crl?: string;
  /** Path of a fingerprint of a certificate that is revoked; ours alone looks at it. */
  readonly revoked?: string;
  /** Path of a file that a program may not read. */
  readonly denied?: string;
  /** Whether our end gets the texts of the files. */
  readonly inMemory: boolean;
  /** The only TLS version. */
  readonly version: "1.2" | "1.3";
  /** Key of the value that a worker gives. */
  readonly value: string;
}

/** What became of one end. */
export interface Seen {
  /** `silent`: nothing was heard of it in time. */
  readonly how: "linked" | "refused" | "start" | "silent" | "idle";
  /** Error, or TLS version. */
  readonly text: string;
}

/** A listening end. */
export interface Listening {
  /** Where; absent if it did not start. */
  readonly port?: number;
  /**
   * What became of the link; `dialler` is what the other end tells, `words` what this one is to say of a
   * refusal.
   */
  seen(dialler: Seen, words: RegExp): Promise<Seen>;
  /** Ends it. */
  close(): Promise<void>;
}

/** An end that dialled. */
export interface Dialled {
  /** What became of it. */
  readonly seen: Seen;
  /** Ends it. */
  close(): Promise<void>;
}

/** Seconds after which an end is silent: nothing takes so long unless it hangs. */
export const PATIENCE = 60;
