import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Client, Scheduler, Worker } from "../mod.ts";
import { Config, type ConfigLayer } from "../config/config.ts";
import { ConfigError } from "../config/errors.ts";
import { TestCa } from "../testing/pki/pki.ts";
import { CommTimeoutError } from "./errors.ts";
import { linkOptions } from "./secure.ts";
import { blockedHandlers, defaultScheme } from "./settings.ts";

function configOf(distributed: ConfigLayer["settings"]): Config {
  return new Config([{ source: "test.yaml", settings: { distributed } }]);
}

Deno.test("linkOptions takes compression and the time for a dial from configuration", async () => {
  const built = await linkOptions(undefined, "client", new Config());
  assertEquals([built.compression, built.timeout, built.requireEncryption], [null, 30_000, false]);
  const config = configOf({
    comm: { compression: "auto", timeouts: { connect: "200ms" }, "require-encryption": true },
  });
  const { compression, timeout, requireEncryption } = await linkOptions(undefined, "client", config);
  assertEquals([compression, timeout, requireEncryption], ["lz4", 200, true]);
  await assertRejects(
    () => linkOptions(undefined, "client", configOf({ comm: { compression: "zstd" } })),
    ConfigError,
    "test.yaml",
  );
});

Deno.test("linkOptions takes certificates from configuration where none are given", async () => {
  const security = await (await TestCa.make()).security();
  const tls = {
    "ca-file": security.tlsCaFile ?? "",
    client: { cert: security.tlsClientCert ?? "", key: security.tlsClientKey ?? "" },
  };
  const config = configOf({ comm: { tls } });
  const { context, requireEncryption } = await linkOptions(undefined, "client", config);
  assert(context !== undefined);
  assertEquals(requireEncryption, true);
  assertEquals((await linkOptions({ requireEncryption: false }, "client", config)).requireEncryption, false);
});

Deno.test("Client.connect gives up after distributed.comm.timeouts.connect", async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const config = configOf({ comm: { timeouts: { connect: "200ms" } } });
  await assertRejects(
    () => Client.connect(`tcp://127.0.0.1:${silent.addr.port}`, { config }),
    CommTimeoutError,
    "0.2 s",
  );
});

Deno.test("addresses without a scheme have that of configuration, for scheduler, workers and clients", async () => {
  const security = await (await TestCa.make()).security();
  const config = configOf({ comm: { "default-scheme": "tls" }, worker: { validate: true } })
    .with({ "scheduler-address": null });
  await using scheduler = await Scheduler.start({ host: "127.0.0.1", port: 0, security, config });
  const bare = scheduler.address.replace("tls://", "");
  await using worker = await Worker.start(bare, { nthreads: 1, security, config });
  assertEquals(worker.address.startsWith("tls://"), true);
  await using client = await Client.connect(bare, { security, config });
  assertEquals(client.schedulerAddress, scheduler.address);
  const known = config.with({ "scheduler-address": bare });
  await using other = await Client.connect(undefined, { security, config: known });
  assertEquals(other.schedulerAddress, scheduler.address);
});

Deno.test("blocked-handlers are refused by scheduler and worker", async () => {
  const config = configOf({ scheduler: { "blocked-handlers": ["retire_workers"] } });
  await using scheduler = await Scheduler.start({ host: "127.0.0.1", port: 0, protocol: "tcp", config });
  await using client = await Client.connect(scheduler.address, { config });
  await assertRejects(() => client.retireWorkers({ n: 1 }), Error, "has been explicitly disallowed");
});

Deno.test("defaultScheme and blockedHandlers refuse what can't be used", () => {
  assertEquals(defaultScheme(new Config()), { name: "tcp", isAssumed: true });
  assertEquals(defaultScheme(configOf({ comm: { "default-scheme": "tcp" } })), {
    name: "tcp",
    isAssumed: false,
  });
  assertThrows(() => defaultScheme(configOf({ comm: { "default-scheme": "ws" } })), ConfigError, "test.yaml");
  const blocked = configOf({ worker: { "blocked-handlers": "get_data" } });
  assertThrows(
    () => blockedHandlers(blocked, "distributed.worker.blocked-handlers"),
    ConfigError,
    "list of names",
  );
});
