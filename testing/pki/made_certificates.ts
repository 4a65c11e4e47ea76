/**
 * Certificates that other people's tools made, from `tests/vectors/certificates.json`.
 *
 * @module
 */

import type { Security } from "../../security/security.ts";
import type { TlsRole } from "../../security/roles.ts";
import type { TestPair } from "./pki.ts";
import { loadVectors } from "../vectors.ts";

/** One CA, and the pairs that it signed. */
export interface MadePairs {
  /** Maker and kind, such as `cfssl-ecdsa`. */
  readonly id: string;
  /** The CA, PEM. */
  readonly ca: string;
  /** Whether a role refuses to start with it. */
  readonly refused: boolean;
  /** By role, or one for `all`. */
  readonly pairs: Readonly<Partial<Record<TlsRole | "all", TestPair>>>;
  /** The pair of a role. */
  pair(role: TlsRole): TestPair;
  /** A record of all roles. */
  security(): Security;
}

/** All that can be used. */
export function madePairs(): readonly MadePairs[] {
  return allPairs().filter(({ refused }) => !refused);
}

function allPairs(): readonly MadePairs[] {
  return loadVectors("certificates").map((vector) => {
    const { id, ca, pairs } = vector as unknown as Pick<MadePairs, "id" | "ca" | "pairs">;
    const pair = (role: TlsRole): TestPair => {
      const found = pairs[role] ?? pairs.all;
      if (found === undefined) throw new Error(`"${id}" has no pair for a ${role}`);
      return found;
    };
    return {
      id,
      ca,
      refused: vector["refused"] === true,
      pairs,
      pair,
      security: () => ({
        tlsCaFile: ca,
        tlsClientCert: pair("client").cert,
        tlsClientKey: pair("client").key,
        tlsSchedulerCert: pair("scheduler").cert,
        tlsSchedulerKey: pair("scheduler").key,
        tlsWorkerCert: pair("worker").cert,
        tlsWorkerKey: pair("worker").key,
      }),
    };
  });
}

/** The one that is called `id`. */
export function madeBy(id: string): MadePairs {
  const found = allPairs().find((made) => made.id === id);
  if (found === undefined) throw new Error(`there are no certificates "${id}"`);
  return found;
}
