import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { remoteModule, TaskError } from "../../mod.ts";
import { startCluster } from "../../testing/clusters/cluster.ts";

const URL_OF_TASKS = import.meta.resolve("../../testing/fixtures/tasks.ts");

Deno.test("remoteModule: workers import the module, and its functions use what it declares", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const { client } = cluster;
  const tasks = remoteModule<typeof import("../../testing/fixtures/tasks.ts")>(URL_OF_TASKS);
  const norm = client.submit(tasks.norm, -3);
  assertEquals(await norm.result(), 3);
  assertEquals(await client.submit(tasks.norm, norm).result(), 3);
  assertEquals(await client.submit(tasks.later, "x").result(), "x 1");
  assertEquals(await client.submit(tasks.default).result(), "default");
  assertEquals(await client.gather(client.map(tasks.count, [1, 2, 3])), [1, 2, 3]);
  assertEquals(norm.key, client.submit(tasks.norm, -3).key);
  assertEquals(norm.key.split("-")[0], "norm");
});

Deno.test("remoteModule takes data: URLs, and npm: packages", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const { client } = cluster;
  const twice = remoteModule<{ twice: (x: number) => number }>(
    "data:text/javascript,export const twice = (x) => 2 * x;",
  );
  assertEquals(await client.submit(twice.twice, 4).result(), 8);
  const acorn = remoteModule<{ isNewLine: (code: number) => boolean }>("npm:acorn@8.19.0");
  assertEquals(await client.submit(acorn.isNewLine, 10).result(), true);
});

Deno.test("remoteModule: what can't be imported, or is not there, fails the task with the reason", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const { client } = cluster;
  const tasks = remoteModule<{ missing: () => void; number: () => void }>(URL_OF_TASKS);
  await assertRejects(() => client.submit(tasks.missing).result(), TaskError, "exports nothing of that name");
  await assertRejects(
    () => client.submit(tasks.number).result(),
    TaskError,
    "exports no function by that name",
  );
  const nowhere = remoteModule<{ f: () => void }>(import.meta.resolve("./nowhere.ts"));
  await assertRejects(() => client.submit(nowhere.f).result(), TaskError, "Cannot import");
});

Deno.test("remoteModule refuses URLs that workers can't resolve, and calls here", () => {
  assertThrows(() => remoteModule("./tasks.ts"), TypeError, `import.meta.resolve("./tasks.ts")`);
  assertThrows(() => remoteModule("blob:null/1"), TypeError, "not from blob:");
  const tasks = remoteModule<typeof import("../../testing/fixtures/tasks.ts")>(URL_OF_TASKS);
  assertThrows(() => tasks.norm(1), TypeError, `Cannot call "norm"`);
  assertEquals((tasks as { then?: unknown }).then, undefined);
  assertEquals(tasks.norm, tasks.norm);
});
