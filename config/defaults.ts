/**
 * Dask's settings (`distributed/distributed.yaml`): those that count here with their defaults, and the names
 * of those that do not, so that a setting without effect gets a warning.
 *
 * @module
 */

import type { ConfigValue } from "./literal.ts";
import type { ConfigSection } from "./tree.ts";

/** Settings that have an effect, with their default values. */
export const DEFAULTS: ConfigSection = {
  distributed: {
    scheduler: {
      "allowed-failures": 3,
      bandwidth: 100_000_000,
      "blocked-handlers": [],
      "default-task-durations": {
        "rechunk-split": "1us",
        "split-shuffle": "1us",
        "split-taskshuffle": "1us",
        "split-stage": "1us",
      },
      "idle-timeout": null,
      validate: false,
      "worker-saturation": 1.1,
      "worker-ttl": "5 minutes",
    },
    worker: {
      "blocked-handlers": [],
      connections: { outgoing: 50, incoming: 10 },
      transfer: { "message-bytes-limit": "50MB" },
      validate: false,
    },
    client: { heartbeat: "5s" },
    comm: {
      compression: false,
      "default-scheme": "tcp",
      "require-encryption": null,
      timeouts: { connect: "30s" },
      // Not Dask's; comm/limits/limits.ts says what each is for.
      limits: {
        "handshake-timeout": "10s",
        "handshake-bytes": "4KiB",
        "handshake-frames": 8,
        handshakes: 1024,
        "handshakes-per-host": 256,
        "accepts-per-second": 500,
        links: 8192,
        "links-per-host": 4096,
        "message-bytes": "1TiB",
        "message-frames": 500_000,
        "message-depth": 511,
        "message-values": 10_000_000,
        "queued-bytes": "256MiB",
        "queued-bytes-per-host": "1GiB",
        "answers-per-peer": 8,
        "stall-timeout": "5 minutes",
      },
      tls: {
        ciphers: null,
        "min-version": 1.2,
        "max-version": null,
        "ca-file": null,
        scheduler: { cert: null, key: null },
        worker: { cert: null, key: null },
        client: { cert: null, key: null },
        // Not Dask's:
        "crl-file": null,
        revoked: null,
        authorization: null,
      },
    },
    admin: { "low-level-log-length": 1000 },
  },
  "scheduler-address": null,
};

/** Sections whose names are free. */
export const FREE_SECTIONS: readonly string[] = [
  "distributed.scheduler.default-task-durations",
  "distributed.logging",
];

/** Settings and sections of Dask that have no effect here, by the section that they are in. */
const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  "distributed": "version adaptive dashboard deploy diagnostics nanny p2p rmm ucx logging-file-config",
  "distributed.scheduler":
    "active-memory-manager allowed-imports contact-address dashboard default-data-size events-cleanup-delay " +
    "http locks no-workers-timeout preload preload-argv reuse-broadcast-comm rootish-taskgroup " +
    "rootish-taskgroup-dependencies unknown-task-duration work-stealing work-stealing-interval",
  "distributed.worker":
    "daemon http lifetime memory multiprocessing-method preload preload-argv profile resources " +
    "use-file-locking",
  "distributed.client": "direct-to-workers preload preload-argv scheduler-info-interval security-loader",
  "distributed.comm": "offload retry shard socket-backlog timeouts.tcp ucx websockets zstd",
  "distributed.admin":
    "event-loop large-graph-warning-threshold log-format log-length max-error-length pdb-on-err " +
    "system-monitor tick",
};

/** Paths of {@linkcode WITHOUT_EFFECT}. */
export const UNUSED: readonly string[] = Object.entries(WITHOUT_EFFECT).flatMap(([section, names]) =>
  names.split(" ").map((name) => `${section}.${name}`)
);

/** Sections of Dask outside `distributed` that are read here. */
export const OUTER_SECTIONS: readonly string[] = ["distributed", "logging", "scheduler-address"];

/** Value of a setting by its path with dots, as it is built in. */
export function builtIn(path: string): ConfigValue | undefined {
  let value: ConfigValue | undefined = DEFAULTS;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as ConfigSection)[name];
  }
  return value;
}
