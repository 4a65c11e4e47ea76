/**
 * Throw-away credentials in memory.
 *
 * @module
 */

import { type KeyPair, keyPem, makeCertificate, makeKeys } from "./issue.ts";

/** Options of `Security.temporary`. */
export interface TemporaryOptions {
  /** One pair for every role, as Dask's, instead of one per role. @default {false} */
  readonly shared?: boolean;
  /** Lowest TLS version. */
  readonly tlsMinVersion?: "1.2" | "1.3";
  /** Highest TLS version. */
  readonly tlsMaxVersion?: "1.2" | "1.3";
  /** Allowed suites. */
  readonly tlsCiphers?: string;
}

/** PEM texts of a CA and a pair per role. */
export interface TemporaryPems {
  /** The CA; its key is gone. */
  readonly tlsCaFile: string;
  /** Client's certificate. */
  readonly tlsClientCert: string;
  /** Client's key. */
  readonly tlsClientKey: string;
  /** Scheduler's certificate. */
  readonly tlsSchedulerCert: string;
  /** Scheduler's key. */
  readonly tlsSchedulerKey: string;
  /** Worker's certificate. */
  readonly tlsWorkerCert: string;
  /** Worker's key. */
  readonly tlsWorkerKey: string;
}

interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** As Dask's (`Security.temporary`, 365 days). */
const DAYS = 365;
/** Other machines' clocks may be a little behind. */
const CLOCK_SKEW_MS = 5 * 60_000;

const ORGANIZATION = ["O", "dask-internal"] as const;

/** Makes them; about 3 ms. */
export async function temporaryPems(options: TemporaryOptions): Promise<TemporaryPems> {
  const caKeys = await makeKeys();
  const name = [ORGANIZATION, ["CN", "dask-internal-ca"]] as const;
  const now = Date.now();
  const validity = {
    validFrom: new Date(now - CLOCK_SKEW_MS),
    validTo: new Date(now + DAYS * 86_400_000),
  };
  const tlsCaFile = await makeCertificate({
    ...validity,
    subject: name,
    publicKey: caKeys.publicKey,
    issuer: { name, keys: caKeys },
    ca: true,
  });
  const pair = async (role: string): Promise<Pair> => {
    const keys: KeyPair = await makeKeys();
    const cert = await makeCertificate({
      ...validity,
      subject: [ORGANIZATION, ["CN", role]],
      publicKey: keys.publicKey,
      issuer: { name, keys: caKeys },
      dnsNames: ["dask-internal"],
    });
    return { cert, key: await keyPem(keys) };
  };
  const [client, scheduler, worker] = options.shared === true
    ? await pair("dask-internal").then((one) => [one, one, one] as const)
    : await Promise.all([pair("client"), pair("scheduler"), pair("worker")]);
  return {
    tlsCaFile,
    tlsClientCert: client.cert,
    tlsClientKey: client.key,
    tlsSchedulerCert: scheduler.cert,
    tlsSchedulerKey: scheduler.key,
    tlsWorkerCert: worker.cert,
    tlsWorkerKey: worker.key,
  };
}
