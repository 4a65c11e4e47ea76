/**
 * Requests and replies: one map with an `op` each way, one at a time per comm.
 *
 * @module
 */

import type { Grant } from "./grant.ts";
import type { Serialized } from "../protocol/serialized.ts";
import type { Address, ClientId, Key, WorkerStatus } from "./common.ts";

/** Versions of host and packages; empty maps are fine. */
export interface Versions {
  /** Operating system and runtime. */
  readonly host: Readonly<Record<string, string | null>>;
  /** Packages. */
  readonly packages: Readonly<Record<string, string | null>>;
}

/** Client → scheduler: turns the comm into the client's stream; answered by {@linkcode StreamStart} in a list of one. */
export interface RegisterClient {
  /** Operation. */
  readonly op: "register-client";
  /** Who. */
  readonly client: ClientId;
  /** What it runs on. */
  readonly versions: Versions;
  /** Always false: the answer is a stream message. */
  readonly reply: false;
}

/** First message on a client's stream. */
export interface StreamStart {
  /** Operation. */
  readonly op: "stream-start";
  /** To be shown. */
  readonly warning?: string;
  /** If not empty, the client must give up. */
  readonly error?: string;
}

/** What a worker tells about itself with each heartbeat; the part that a scheduler relies on. */
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
  /** Ours: whole days until the worker's certificate ends; absent without TLS. */
  readonly certificate_days_left?: number;
}

/** Worker → scheduler: turns the comm into the worker's stream, after a reply that is a bare map. */
export interface RegisterWorker {
  /** Operation. */
  readonly op: "register-worker";
  /** Always false: the answer is {@linkcode RegisterWorkerReply}, sent by hand. */
  readonly reply: false;
  /** Where peers dial it. */
  readonly address: Address;
  /** `"init"`; `"running"` follows on the stream. */
  readonly status: WorkerStatus;
  /** Tasks at once. */
  readonly nthreads: number;
  /** Unique in the cluster. */
  readonly name: string;
  /** Seconds since the epoch. */
  readonly now: number;
  /** Abstract resources. */
  readonly resources: Readonly<Record<string, number>>;
  /** Bytes, or nothing for no limit. */
  readonly memory_limit: number | null;
  /** Where it spills. */
  readonly local_directory: string;
  /** Ports of HTTP services. */
  readonly services: Readonly<Record<string, number>>;
  /** Its nanny, if any. */
  readonly nanny: Address | null;
  /** Process id. */
  readonly pid: number;
  /** What it runs on. */
  readonly versions: Versions;
  /** First metrics. */
  readonly metrics: WorkerMetrics;
  /** Free; ours says `{ runtime: "deno" }`. */
  readonly extra: Readonly<Record<string, unknown>>;
  /** What caused it. */
  readonly stimulus_id: string;
  /** `Worker-<uuid>`: this instance. */
  readonly server_id: string;
}

/** Answer to {@linkcode RegisterWorker}. */
export interface RegisterWorkerReply {
  /** `"OK"`, or `"error"` with a message. */
  readonly status: "OK" | "error";
  /** Why not. */
  readonly message?: string;
  /** Seconds since the epoch. */
  readonly time: number;
  /** Seconds until the next heartbeat. */
  readonly "heartbeat-interval"?: number;
  /** Pickled plugins of a Python scheduler; ignored here. */
  readonly "worker-plugins"?: Readonly<Record<string, Uint8Array>>;
  /** To be logged. */
  readonly warning?: string;
}

/** Worker → scheduler: still here. */
export interface HeartbeatWorker {
  /** Operation. */
  readonly op: "heartbeat_worker";
  /** Who. */
  readonly address: Address;
  /** Seconds since the epoch. */
  readonly now: number;
  /** State of the worker. */
  readonly metrics: WorkerMetrics;
  /** Running tasks and for how many seconds. */
  readonly executing: Readonly<Record<string, number>>;
  /** Free. */
  readonly extensions: Readonly<Record<string, unknown>>;
}

/** Answer to {@linkcode HeartbeatWorker}; `"missing"` means the scheduler does not know the worker, which must end. */
export interface HeartbeatWorkerReply {
  /** Whether the worker is known. */
  readonly status: "OK" | "missing";
  /** Seconds since the epoch. */
  readonly time?: number;
  /** Seconds until the next heartbeat. */
  readonly "heartbeat-interval"?: number;
}

/** Anybody → worker: results, please. Answered by {@linkcode GetDataReply}, then the asker writes `"OK"`. */
export interface GetData {
  /** Operation. */
  readonly op: "get_data";
  /** Which. */
  readonly keys: readonly Key[];
  /** Address of the asking worker, if it is one. */
  readonly who: Address | null;
}

/** Answer to {@linkcode GetData}. Keys that the worker does not hold are left out. */
export type GetDataReply =
  | { readonly status: "OK"; readonly data: Readonly<Record<string, Serialized>> }
  | { readonly status: "busy" };

/** Client → scheduler: results by way of the scheduler. */
export interface Gather {
  /** Operation. */
  readonly op: "gather";
  /** Which. */
  readonly keys: readonly Key[];
}

/** Worker → scheduler: leaves on purpose. */
export interface Unregister {
  /** Operation. */
  readonly op: "unregister";
  /** Who. */
  readonly address: Address;
  /** What caused it. */
  readonly stimulus_id: string;
}

/** Client or worker → scheduler: copies these workers' results to others, then removes the workers. */
export interface RetireWorkers {
  /** Operation. */
  readonly op: "retire_workers";
  /** Addresses. */
  readonly workers?: readonly string[] | undefined;
  /** Names, instead of addresses. */
  readonly names?: readonly string[] | undefined;
  /** Without addresses and names: so many of the cheapest. */
  readonly n?: number | undefined;
  /** Whether the workers are told to shut down. Default false. */
  readonly close_workers?: boolean | undefined;
  /** Whether the scheduler forgets them at once. Default true. */
  readonly remove?: boolean | undefined;
  /** What caused it. */
  readonly stimulus_id?: string | undefined;
}

/** Anybody → scheduler: what it is, and its workers. */
export interface Identity {
  /** Operation. */
  readonly op: "identity";
  /** List so many workers at most; -1 for all. */
  readonly n_workers?: number;
}

/** Ours, anybody → scheduler or worker: its open links. */
export interface Links {
  /** Operation. */
  readonly op: "links";
}

/** Answer to {@linkcode Gather}; keys of an error are those that nobody gave. */
export type GatherReply =
  | { readonly status: "OK"; readonly data: Readonly<Record<string, Serialized>> }
  | { readonly status: "error"; readonly keys: readonly Key[] };

/** Anybody → scheduler: who holds these? Unknown keys have no holders. */
export interface WhoHas {
  /** Operation. */
  readonly op: "who_has";
  /** Which; nothing for all. */
  readonly keys: readonly Key[] | null;
}

/** Anybody → scheduler: what does each worker hold? Answered by keys, by address. */
export interface HasWhat {
  /** Operation. */
  readonly op: "has_what";
  /** Which; nothing for all. */
  readonly workers: readonly Address[] | null;
}

/** Anybody → scheduler: what was each worker given to run? Answered by keys, by address. */
export interface Processing {
  /** Operation. */
  readonly op: "processing";
  /** Which; nothing for all. */
  readonly workers: readonly Address[] | null;
}

/** Anybody → scheduler: how many threads has each worker? */
export interface Ncores {
  /** Operation. */
  readonly op: "ncores";
  /** Which; nothing for all. */
  readonly workers: readonly Address[] | null;
}

/** Client → scheduler: run these failed tasks again. Answered by the keys that run again. */
export interface Retry {
  /** Operation. */
  readonly op: "retry";
  /** Which. */
  readonly keys: readonly Key[];
  /** Who asks. */
  readonly client: ClientId;
}

/** Client → worker: keep these values. */
export interface UpdateWorkerData {
  /** Operation. */
  readonly op: "update_data";
  /** Values by key. */
  readonly data: Readonly<Record<string, Serialized>>;
  /** What caused it. */
  readonly stimulus_id?: string;
}

/** Answer to {@linkcode UpdateWorkerData}. */
export interface UpdateWorkerDataReply {
  /** Bytes by key. */
  readonly nbytes: Readonly<Record<string, number>>;
  /** Always `"OK"`. */
  readonly status: "OK";
}

/** Client → scheduler: give these values to workers; the client wants them. Answered by the keys. */
export interface Scatter {
  /** Operation. */
  readonly op: "scatter";
  /** Values by key. */
  readonly data: Readonly<Record<string, Serialized>>;
  /** Addresses, names or hosts to choose from; nothing for all. */
  readonly workers: readonly string[] | null;
  /** Who wants them. */
  readonly client: ClientId;
  /** To all, or to so many. */
  readonly broadcast: boolean | number;
  /** Seconds to wait for a worker. */
  readonly timeout: number;
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
  /** Tasks at once. */
  readonly nthreads: number;
  /** Bytes, or nothing for no limit. */
  readonly memory_limit: number | null;
  /** Seconds since the epoch. */
  readonly last_seen: number;
  /** Status. */
  readonly status: WorkerStatus;
  /** Abstract resources. */
  readonly resources: Readonly<Record<string, number>>;
  /** Where it spills. */
  readonly local_directory: string;
  /** Ports of HTTP services. */
  readonly services: Readonly<Record<string, number>>;
  /** Its nanny, if any. */
  readonly nanny: Address | null;
  /** Last metrics. */
  readonly metrics: WorkerMetrics;
}

/** Answer to `identity`, asked of a scheduler. */
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
  /** Tasks at once, all workers together. */
  readonly total_threads: number;
  /** Bytes, all workers together. */
  readonly total_memory: number;
  /** Workers by address, at most as many as were asked for. */
  readonly workers: Readonly<Record<string, WorkerIdentity>>;
  /** Ours: certificates and refusals; absent on a plain scheduler. */
  readonly security?: SecurityFacts;
}

/** Ours: what a role knows of the certificates around it, and whom it refused. Additive in `identity`. */
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
  /** How often certificates, keys or lists were taken anew. */
  readonly reloads: number;
}

/** A certificate in words. */
export interface CertificateFacts {
  /** What it is called in logs: `subject`, and where that has no common name a URI or DNS name, or the fingerprint. */
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
  /** Certificates that no rule lets in, or whose role is another one. */
  readonly unauthorized: number;
  /** Operations of a peer that may not use them. */
  readonly operation: number;
  /** Open links that were ended because their peer is not trusted any more. */
  readonly ended: number;
  /** Links that were closed before their handshake because of limits. */
  readonly kept_out: number;
}

/** Operations by name: what is asked and what is answered. */
export interface RpcOperations {
  /** Results of a worker. */
  "get_data": { request: GetData; reply: GetDataReply };
  /** Results by way of the scheduler. */
  "gather": { request: Gather; reply: GatherReply };
  /** Holders of results. */
  "who_has": { request: WhoHas; reply: Record<Key, Address[]> };
  /** Results by worker. */
  "has_what": { request: HasWhat; reply: Record<Address, Key[]> };
  /** Tasks by worker. */
  "processing": { request: Processing; reply: Record<Address, Key[]> };
  /** Threads by worker. */
  "ncores": { request: Ncores; reply: Record<Address, number> };
  /** Failed tasks again. */
  "retry": { request: Retry; reply: readonly Key[] };
  /** Values to a worker. */
  "update_data": { request: UpdateWorkerData; reply: UpdateWorkerDataReply };
  /** Values to some workers. */
  "scatter": { request: Scatter; reply: readonly Key[] };
  /** Scheduler and workers. */
  "identity": { request: Identity; reply: SchedulerIdentity };
  /** Sign of life. */
  "heartbeat_worker": { request: HeartbeatWorker; reply: HeartbeatWorkerReply };
  /** Goodbye. */
  "unregister": { request: Unregister; reply: null };
  /** Goodbye without loss; answered with those that could go. */
  "retire_workers": { request: RetireWorkers; reply: Readonly<Record<Address, WorkerIdentity>> };
  /** Open links. */
  "links": { request: Links; reply: LinkFacts[] };
}

/** Any request: an operation and its fields. */
export interface AnyRequest {
  /** Operation. */
  readonly op: string;
  /** Fields, in wire spelling. */
  readonly [field: string]: unknown;
}

/** What may be asked by an operation. */
export type RequestOf<Op extends string> = Op extends keyof RpcOperations ? RpcOperations[Op]["request"]
  : AnyRequest;

/** What is answered to an operation, if the other end keeps to the protocol. */
export type ReplyOf<Op extends string> = Op extends keyof RpcOperations ? RpcOperations[Op]["reply"]
  : unknown;

/** One open link of a role. */
export interface LinkFacts {
  /** The other end: the address that was dialled, or the ephemeral one of who dialled. */
  readonly peer: Address;
  /** Whether this role dialled. */
  readonly dialled: boolean;
  /** TLS facts, absent on other schemes. */
  readonly tls?: {
    /** `"TLSv1.2"` or `"TLSv1.3"`. */
    readonly protocol: string;
    /** OpenSSL's name of the negotiated suite. */
    readonly cipher: string;
    /** The other end's certificate: name, subject, issuer, SHA-256, serial number, end, and what it may be and do. */
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
