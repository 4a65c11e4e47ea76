/**
 * Throw-away credentials in memory.
 *
 * @module
 */

import { Authority } from "./authority.ts";

/** Options of `Security.temporary`. */
export interface TemporaryOptions {
  /**
   * Whether all roles share one certificate and key, as in Dask. If not, each role has its own. @default
   * {false}
   */
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

/** As Dask's (`Security.temporary`, 365 days). */
const DAYS = 365;

const ORGANIZATION = ["O", "dask-internal"] as const;

/** Makes them; about 3 ms. */
export async function temporaryPems(options: TemporaryOptions): Promise<TemporaryPems> {
  const authority = await Authority.make([ORGANIZATION, ["CN", "dask-internal-ca"]], DAYS);
  const pair = (role: string) =>
    authority.issue([ORGANIZATION, ["CN", role]], { dnsNames: ["dask-internal"] });
  const [client, scheduler, worker] = options.shared === true
    ? await pair("dask-internal").then((one) => [one, one, one] as const)
    : await Promise.all([pair("client"), pair("scheduler"), pair("worker")]);
  return {
    tlsCaFile: authority.cert,
    tlsClientCert: client.cert,
    tlsClientKey: client.key,
    tlsSchedulerCert: scheduler.cert,
    tlsSchedulerKey: scheduler.key,
    tlsWorkerCert: worker.cert,
    tlsWorkerKey: worker.key,
  };
}
