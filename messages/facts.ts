/**
 * Facts about roles, for peers, tools and people.
 *
 * @module
 */

import type { Address, WorkerStatus } from "./common.ts";
import type { Grant } from "./grant.ts";

/** Versions of the host and of packages; the maps can be empty. */
export interface Versions {
  /** Operating system and runtime. */
  readonly host: Readonly<Record<string, string | null>>;
  /** Packages. */
  readonly packages: Readonly<Record<string, string | null>>;
}

/** Metrics that a worker sends with each heartbeat; the part that a scheduler uses. */
export interface WorkerMetrics {
  /** Bytes per second: overall, by peer, by type. */
  readonly bandwidth: {
    readonly total: number;
    readonly workers: Readonly<Record<string, unknown>>;
    readonly types: Readonly<Record<string, unknown>>;
  };
  /** Counters since the last heartbeat. */
  readonly digests_total_since_heartbeat: Readonly<Record<string, number>>;
  /** Resident bytes of the process. */
  readonly memory: number;
  /** Bytes of results held. */
  readonly managed_bytes: number;
  /** Spilled results. */
  readonly spilled_bytes: { readonly memory: number; readonly disk: number };
  /** Number of tasks by state. */
  readonly task_counts: Readonly<Record<string, number>>;
  /** Seconds since the epoch. */
  readonly time: number;
  /** Processor use in percent, 100 per core. */
  readonly cpu: number;
  /** Not in Dask: whole days until the worker's certificate ends; absent without TLS. */
  readonly certificate_days_left?: number;
}

/** A worker in {@linkcode SchedulerIdentity}. */
export interface WorkerIdentity {
  /** Always `"Worker"`. */
  readonly type: "Worker";
  /** Its name. */
  readonly id: string;
  /** Host part of its address. */
  readonly host: string;
  /** Its name. */
  readonly name: string;
  /** Number of tasks that it runs at once. */
  readonly nthreads: number;
  /** Memory limit in bytes; null for no limit. */
  readonly memory_limit: number | null;
  /** Seconds since the epoch. */
  readonly last_seen: number;
  /** Status. */
  readonly status: WorkerStatus;
  /** Abstract resources. */
  readonly resources: Readonly<Record<string, number>>;
  /** Folder that it spills to. */
  readonly local_directory: string;
  /** Ports of HTTP services. */
  readonly services: Readonly<Record<string, number>>;
  /** Its nanny, if any. */
  readonly nanny: Address | null;
  /** Last metrics. */
  readonly metrics: WorkerMetrics;
}

/** A scheduler's answer to `identity`. */
export interface SchedulerIdentity {
  /** Always `"Scheduler"`. */
  readonly type: "Scheduler";
  /** `Scheduler-<uuid>`. */
  readonly id: string;
  /** Contact address. */
  readonly address: Address;
  /** Ports of HTTP services. */
  readonly services: Readonly<Record<string, number>>;
  /** Seconds since the epoch. */
  readonly started: number;
  /** Number of workers. */
  readonly n_workers: number;
  /** Number of tasks that all workers together run at once. */
  readonly total_threads: number;
  /** Sum of the workers' memory limits, in bytes. */
  readonly total_memory: number;
  /** Workers by address, at most the number that was requested. */
  readonly workers: Readonly<Record<string, WorkerIdentity>>;
  /** Not in Dask: certificates and refusals; absent without TLS. */
  readonly security?: SecurityFacts;
}

/** A worker's answer to `identity`. */
export interface WorkerSelf {
  /** Always `"Worker"`. */
  readonly type: "Worker";
  /** Its name. */
  readonly id: string;
  /** Address of its scheduler. */
  readonly scheduler: Address;
  /** Number of tasks that it runs at once. */
  readonly nthreads: number;
  /** Memory limit in bytes; null for no limit. */
  readonly memory_limit: number | null;
  /** Not in Dask: certificates and refusals; absent without TLS. */
  readonly security?: SecurityFacts;
}

/**
 * Not in Dask: a role's own certificate, the certificates of its peers, and the number of refusals. Part of
 * `identity`.
 */
export interface SecurityFacts {
  /** Own certificate. */
  readonly certificate: CertificateFacts;
  /** Trusted CAs. */
  readonly ca: readonly CertificateFacts[];
  /** Certificates at the other ends of open links, each once. */
  readonly peers: readonly CertificateFacts[];
  /** Revocation lists by issuer: days until the next one is due. */
  readonly crl_days_left: Readonly<Record<string, number>>;
  /** Refusals since the start. */
  readonly refused: RefusalCounts;
  /** Number of times that certificates, keys or lists were reloaded. */
  readonly reloads: number;
}

/** Facts about a certificate. */
export interface CertificateFacts {
  /**
   * Name in logs: `subject`; if that has no common name, a URI or DNS name, or the fingerprint.
   */
  readonly name: string;
  /** Distinguished name; may be empty. */
  readonly subject: string;
  /** SHA-256, upper-case hexadecimal with colons. */
  readonly fingerprint256: string;
  /** When it ends. */
  readonly valid_to: string;
  /** Whole days until then; negative afterwards. */
  readonly days_left: number;
}

/** Refusals by reason. */
export interface RefusalCounts {
  /** TLS handshakes and policy: no certificate, another CA, expired, version, cipher. */
  readonly handshake: number;
  /** Revoked certificates. */
  readonly revoked: number;
  /** Certificates that match no rule, or whose rule gives them another role. */
  readonly unauthorized: number;
  /** Operations that the peer may not use. */
  readonly operation: number;
  /** Open links that were closed because their peer is no longer trusted. */
  readonly ended: number;
  /** Links that were closed before their handshake because of limits. */
  readonly kept_out: number;
}

/** One open link of a role. */
export interface LinkFacts {
  /** Address of the peer: the one that was dialled, or for an accepted link the peer's ephemeral address. */
  readonly peer: Address;
  /** Whether this role opened the link. */
  readonly dialled: boolean;
  /** TLS facts, absent on other schemes. */
  readonly tls?: {
    /** `"TLSv1.2"` or `"TLSv1.3"`. */
    readonly protocol: string;
    /** OpenSSL's name of the negotiated suite. */
    readonly cipher: string;
    /**
     * The other end's certificate: name, subject, issuer, SHA-256, serial number, end, and what it may be and
     * do.
     */
    readonly peer: {
      readonly name: string;
      readonly subject: string;
      readonly issuer: string;
      readonly fingerprint256: string;
      readonly serial?: string;
      readonly validTo?: string;
      readonly grant?: Grant;
    };
  };
}
