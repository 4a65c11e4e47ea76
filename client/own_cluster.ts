/**
 * How a client without an address gets a cluster. `deploy/` stands above this folder and enters itself here.
 *
 * @module
 */

import { DistributedError } from "../internal/errors.ts";
import type { Config } from "../config/config.ts";
import type { DeadlineOptions } from "../internal/deadline.ts";
import type { Security } from "../security/security.ts";

/** A cluster that lives as long as its client. */
export interface OwnCluster {
  /** Address of its scheduler. */
  readonly schedulerAddress: string;
  /** Certificates that it trusts. */
  readonly security: Security | undefined;
  /** Configuration that goes with it. */
  readonly config: Config;
  /** Stops everything. Idempotent. */
  close(): Promise<void>;
}

/** What a client says about the cluster that it wants. */
export interface OwnClusterOptions extends DeadlineOptions {
  /** Certificates, if they are not to be made for it. */
  readonly security?: Security | undefined;
  /** Configuration, if not the program's. */
  readonly config?: Config | undefined;
}

type Starter = (options: OwnClusterOptions) => Promise<OwnCluster>;

let starter: Starter | undefined;

/** Says how clusters are started. */
export function setClusterStarter(start: Starter): void {
  starter = start;
}

const leaving = new WeakMap<object, () => void>();

/** Has `callback` called when `client` was closed. */
export function onceClosed(client: object, callback: () => void): void {
  leaving.set(client, callback);
}

/** Says that `client` was closed. */
export function clientClosed(client: object): void {
  leaving.get(client)?.();
  leaving.delete(client);
}

/** Starts a cluster for a client. */
export async function startOwnCluster(options: OwnClusterOptions): Promise<OwnCluster> {
  if (starter === undefined) {
    throw new DistributedError(
      "NO_ADDRESS",
      'Cannot connect without an address: import "@dask/distributed", which starts a cluster of its own then',
    );
  }
  return await starter(options);
}
