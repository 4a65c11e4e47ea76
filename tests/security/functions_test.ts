import { assertEquals, assertRejects } from "@std/assert";
import { functionBody } from "../../client/functions/function_source.ts";
import { connect } from "../../comm/connect.ts";
import { CommClosed } from "../../mod.ts";
import { startCluster } from "../../testing/clusters/cluster.ts";

Deno.test("A client can't give a body under the hash of another client's function", async () => {
  await using cluster = await startCluster({ protocol: "tcp" });
  const { client, scheduler } = cluster;
  const inc = (x: number) => x + 1;
  const { hash } = functionBody(inc);
  await using hostile = await connect(scheduler.address);
  await hostile.write({ op: "register-client", client: "hostile", versions: {}, reply: false });
  await hostile.read();
  const { body } = functionBody((x: number) => -x);
  const graph = { groups: [], functions: { [hash]: body }, annotations: {}, fifo_timeout: 60 };
  await hostile.write([{ op: "update-graph", ...graph }]);
  await assertRejects(async () => {
    for (;;) await hostile.read();
  }, CommClosed);
  assertEquals(await client.submit(inc, 41).result(), 42);
});
