/**
 * Dask's distributed runtime native to Deno: clients, schedulers and workers that run graphs of tasks over
 * mutually authenticated links.
 *
 * ```ts
 * import { Client } from "jsr:@dask/distributed";
 *
 * await using client = await Client.connect(); // or Client.connect("tls://10.0.0.5:8786", { security })
 * const squares = client.map((x: number) => x * x, [1, 2, 3]);
 * const total = client.submit((xs: number[]) => xs.reduce((a, b) => a + b), squares);
 * console.log(await total.result()); // 14
 * ```
 *
 * @module
 */

export { Client, type ClientOptions, type RetireWorkersOptions } from "./client/client.ts";
export {
  asCompleted,
  type DoneAndNotDone,
  wait,
  type WaitForManyOptions,
} from "./client/futures/completion.ts";
export { CancelledError, KilledWorker, SchedulerClosed, TaskError } from "./client/futures/errors.ts";
export { FunctionSourceError } from "./client/functions/function_source.ts";
export { type CancelOptions, Future, type WaitOptions } from "./client/futures/future.ts";
export { type RemoteModule, remoteModule } from "./client/functions/remote_module.ts";
export type { ScatterOptions } from "./client/fetch/scatter.ts";
export type { FutureStatus } from "./client/state/key_state.ts";
export type { TaskOptions } from "./client/submit/task_options.ts";
export type { Opaque, Resolved, Submitter, TaskArgs, Unresolved } from "./client/submit/types.ts";
export type { LinkLimits } from "./comm/limits/limits.ts";
export type { PeerCertificate, TlsInfo } from "./security/peer.ts";
export type { ClientAccess, Grant } from "./messages/grant.ts";
export { AddressError, CommAuthError, CommClosed, CommTimeoutError } from "./comm/errors.ts";
export { RpcError } from "./rpc/errors.ts";
export { DistributedError, TimeoutError } from "./internal/errors.ts";
export { Config, type ConfigLayer, type UnreadPlace } from "./config/config.ts";
export { ConfigError } from "./config/errors.ts";
export type { ConfigValue } from "./config/literal.ts";
export { loadConfig, type LoadOptions } from "./config/load.ts";
export type { ConfigEnvironment } from "./config/sources.ts";
export type { ConfigSection } from "./config/tree.ts";
export { LocalCluster } from "./deploy/local_cluster.ts";
export type { LocalClusterOptions } from "./deploy/roles/options.ts";
export type { Address, Brand, ClientId, Key, WorkerStatus } from "./messages/common.ts";
export type {
  CertificateFacts,
  LinkFacts,
  RefusalCounts,
  SchedulerIdentity,
  SecurityFacts,
  WorkerIdentity,
  WorkerMetrics,
} from "./messages/facts.ts";
export type { RemoteErrorInfo } from "./protocol/remote_error.ts";
export { SerializationError } from "./protocol/serialized.ts";
export {
  type DownscaleOptions,
  type RetireOptions,
  Scheduler,
  type SchedulerOptions,
} from "./scheduler/scheduler.ts";
export type { Authorization, CertificateRule } from "./security/authorization.ts";
export { type ExtraConnArgs, Security, type SecurityMakers } from "./security/security.ts";
export type { TlsRole } from "./security/roles.ts";
export type { TemporaryOptions } from "./security/material/temporary.ts";
export { Worker, type WorkerOptions } from "./worker/worker.ts";
