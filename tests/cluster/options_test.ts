import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { CancelledError, TaskError, type TaskOptions } from "../../mod.ts";
import { startCluster } from "../../testing/clusters/cluster.ts";

Deno.test("Client.submit computes the same function with the same arguments once, under one key", async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const other = await cluster.connect();
  const random = (x: number) => x + Math.random();
  const [a, b, c] = [client.submit(random, 1), client.submit(random, 1), client.submit(random, 2)];
  const elsewhere = other.submit(random, 1);
  assertEquals(a.key, b.key);
  assertEquals(a.key, elsewhere.key);
  assertNotEquals(a.key, c.key);
  const value = await a.result();
  assertEquals([await b.result(), await elsewhere.result()], [value, value]);
  a.release();
  await other.close();
  const shared = client.submit(random, 1);
  assertEquals(await shared.result(), value); // b still wants it
  for (const future of [shared, b]) future.release();
  assertNotEquals(await client.submit(random, 1).result(), value);
});

Deno.test("Client.with makes keys that are not pure, or given, or begin as given", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const { client } = cluster;
  const inc = (x: number) => x + 1;
  const impure = client.with({ pure: false });
  const keys = [impure.submit(inc, 1).key, impure.submit(inc, 1).key, client.submit(inc, 1).key];
  assertEquals(new Set(keys).size, 3);
  assert(keys.every((key) => /^inc-[0-9a-f]{32}$/.test(key)));
  const named = client.with({ key: "total" }).submit(inc, 41);
  assertEquals([named.key as string, await named.result()], ["total", 42]);
  const mapped = client.with({ key: "part" }).map(inc, [1, 2]);
  assert(mapped.every((future) => /^part-[0-9a-f]{32}$/.test(future.key)));
  assertEquals(await client.gather(mapped), [2, 3]);
});

Deno.test("Client.with runs tasks on the workers named, by name or address", async () => {
  await using cluster = await startCluster();
  const { client, workers } = cluster;
  const [first, second] = workers;
  assert(first !== undefined && second !== undefined);
  for (const [name, worker] of [["w1", second], [first.address, first]] as const) {
    const futures = client.with({ workers: [name] }).map((x: number) => x * 2, [1, 2, 3, 4]);
    await client.gather(futures);
    const holders = new Set(Object.values(await client.whoHas(futures)).flat());
    assertEquals(holders, new Set([worker.address]));
    for (const future of futures) future.release();
  }
  const wish = client.with({ workers: ["nobody"], allowOtherWorkers: true }).submit((x: number) => x, 7);
  assertEquals(await wish.result(), 7);
});

Deno.test("Client.with runs a failing task again as often as retries says", async () => {
  await using cluster = await startCluster({ nWorkers: 1 });
  const { client } = cluster;
  const flaky = (name: string, fails: number): number => {
    const counts = globalThis as unknown as Record<string, number>;
    const tries = counts[name] = (counts[name] ?? 0) + 1;
    if (tries <= fails) throw new Error(`try ${tries}`);
    return tries;
  };
  assertEquals(await client.with({ retries: 2 }).submit(flaky, "a", 2).result(), 3);
  await assertRejects(() => client.with({ retries: 1 }).submit(flaky, "b", 2).result(), TaskError, "try 2");
});

Deno.test("Client.with begins tasks of higher priority earlier", async () => {
  await using cluster = await startCluster({ nWorkers: 0 });
  const { client } = cluster;
  const note = (name: string): number => {
    const counts = globalThis as unknown as { order?: number };
    counts.order = (counts.order ?? 0) + 1;
    return name === "" ? -1 : counts.order;
  };
  const low = client.with({ priority: -1 }).submit(note, "low");
  const usual = client.submit(note, "usual");
  const high = client.with({ priority: 10 }).submit(note, "high");
  await client.schedulerInfo(); // the graphs went ahead of it
  await cluster.addWorker();
  assertEquals(await client.gather([high, usual, low]), [1, 2, 3]);
});

Deno.test("Client.with cancels its tasks that have not ended when its signal is aborted", async () => {
  await using cluster = await startCluster({ nWorkers: 0 });
  const { client } = cluster;
  const controller = new AbortController();
  const limited = client.with({ signal: controller.signal });
  const [first, second] = [limited.submit((x: number) => x, 1), limited.submit((x: number) => x, 2)];
  const free = client.submit((x: number) => x, 3);
  const waiting = first.result();
  controller.abort(new Error("enough"));
  await assertRejects(() => waiting, CancelledError, "its signal was aborted: enough");
  assertEquals([first.status, second.status, free.status], ["cancelled", "cancelled", "pending"]);
  assertThrows(() => limited.submit((x: number) => x, 4), Error, "enough");
  await cluster.addWorker();
  assertEquals(await free.result(), 3);
  assertEquals([...await client.processing().then(Object.values)].flat(), []);
});

Deno.test("Client.with refuses options that it does not know or can't use, by name", async () => {
  await using cluster = await startCluster({ nWorkers: 0 });
  const refused: readonly (readonly [Record<string, unknown>, string])[] = [
    [{ timeout: "1s" }, `option "timeout": it is not known here`],
    [{ resources: { GPU: 1 } }, `option "resources"`],
    [{ retries: { max: 3 } }, `option "retries": it must be a whole number`],
    [{ priority: NaN }, `option "priority": it must be a finite number`],
    [{ workers: [] }, `option "workers"`],
    [{ key: "" }, `option "key"`],
    [{ allowOtherWorkers: true }, `it needs "workers"`],
  ];
  for (const [options, reason] of refused) {
    assertThrows(() => cluster.client.with(options as TaskOptions), TypeError, reason);
  }
});
