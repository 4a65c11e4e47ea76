import { assertEquals, assertThrows } from "@std/assert";
import { DEFAULT_LINK_LIMITS } from "../comm/limits/limits.ts";
import { Config } from "../config/config.ts";
import { ConfigError } from "../config/errors.ts";
import { workerSettings } from "./options.ts";

Deno.test("workerSettings takes Dask's numbers, and those of configuration", () => {
  assertEquals(workerSettings({}, new Config()), {
    transfersMax: 10,
    blockedHandlers: [],
    limits: DEFAULT_LINK_LIMITS,
    state: {
      validate: false,
      transferIncomingCountLimit: 50,
      transferMessageBytesLimit: 50e6,
      logLength: 1000,
    },
  });
  const config = new Config().with({
    "distributed.worker.connections": { incoming: 3, outgoing: 4 },
    "distributed.worker.transfer.message_bytes_limit": "1 MiB",
    "distributed.worker.validate": true,
    "distributed.worker.blocked-handlers": ["terminate"],
    "distributed.admin.low-level-log-length": 7,
    "distributed.comm.limits.links": 5,
  });
  assertEquals(workerSettings({}, config), {
    transfersMax: 3,
    blockedHandlers: ["terminate"],
    limits: { ...DEFAULT_LINK_LIMITS, links: 5 },
    state: {
      validate: true,
      transferIncomingCountLimit: 4,
      transferMessageBytesLimit: 2 ** 20,
      logLength: 7,
    },
  });
  assertEquals(workerSettings({ validate: false }, config).state.validate, false);
});

Deno.test("workerSettings refuses a worker that gives nothing to anybody", () => {
  const config = new Config().with({ "distributed.worker.connections.incoming": 0 });
  assertThrows(() => workerSettings({}, config), ConfigError, "of at least 1");
});
