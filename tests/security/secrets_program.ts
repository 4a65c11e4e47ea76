/**
 * A cluster at debug level that shows all it has, for `secrets_test.ts`: its keys are printed first, on a line of
 * their own, and may not occur again.
 *
 * @module
 */

// deno-lint-ignore-file no-console

import { Client, Scheduler, Security, Worker } from "../../mod.ts";
import { linkOptions } from "../../comm/secure.ts";
import { setLogLevel } from "../../config/logging.ts";
import { loadTlsContext } from "../../security/context.ts";

const OPTIONS = {
  depth: 20,
  showHidden: true,
  getters: true,
  iterableLimit: 1000,
  strAbbreviateSize: 1e6,
} as const;

setLogLevel("distributed", "debug");
const security = await Security.temporary();
const secrets = [security.tlsClientKey, security.tlsSchedulerKey, security.tlsWorkerKey];
console.log(JSON.stringify(secrets));

await using scheduler = await Scheduler.start({ host: "127.0.0.1", port: 0, security });
await using worker = await Worker.start(scheduler.address, { nthreads: 1, security });
await using client = await Client.connect(scheduler.address, { security });
console.log(await client.submit((x: number) => x + 1, 1).result());
console.log(await client.schedulerInfo(), await client.links(), await client.links(worker.address));

const errors: unknown[] = [];
const attempt = async (action: () => Promise<unknown>) => {
  try {
    await action();
  } catch (error) {
    errors.push(error);
  }
};
await attempt(() =>
  Client.connect(scheduler.address, { security: { ...security, tlsCaFile: "/nonexistent.pem" } })
);
await attempt(async () => Client.connect(scheduler.address, { security: await Security.temporary() }));
const { tlsClientKey: _, ...withoutKey } = security;
await attempt(() => Client.connect(scheduler.address, { security: withoutKey }));
await attempt(() =>
  Client.connect(scheduler.address, { security: { ...security, tlsClientCert: security.tlsClientKey ?? "" } })
);
await attempt(() =>
  Client.connect(scheduler.address, { security: { ...security, tlsClientKey: "-----BEGIN X\n" } })
);
await attempt(() => client.submit((given: unknown) => given, { roles: new WeakMap() }).result());

const context = await loadTlsContext(security, "client");
const links = await linkOptions(security, "worker");
for (
  const value of [security, { nested: security }, scheduler, worker, client, context, links, errors, {
    ...links,
  }]
) {
  console.log(Deno.inspect(value, OPTIONS));
  console.log(JSON.stringify(value));
  console.log(String(value));
}
for (const error of errors) console.log(error instanceof Error ? error.stack : error);

/** What a task sees of the process that it runs in. */
const seen = client.submit(() =>
  Object.getOwnPropertyNames(globalThis).map((name) => {
    const value: unknown = Reflect.get(globalThis, name);
    return typeof value === "object" ? Deno.inspect(value, { depth: 6, showHidden: true }) : String(value);
  }).join("\n")
);
console.log(await seen.result());
