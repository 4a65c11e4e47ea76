import { assertRejects } from "@std/assert";
import { SCHEDULER_OPERATIONS } from "../messages/scheduler_operations.ts";
import { connect } from "../comm/connect.ts";
import { CommClosed } from "../comm/errors.ts";
import { call } from "../rpc/call.ts";
import { Scheduler } from "./scheduler.ts";

Deno.test("Scheduler.close ends a scatter that waits for workers", async () => {
  await using scheduler = await Scheduler.start({ host: "127.0.0.1", port: 0, protocol: "tcp" });
  const comm = await connect(scheduler.address, {});
  await comm.write({ op: "scatter", client: "c", data: {}, workers: null, timeout: 1e9 });
  const other = await connect(scheduler.address, {});
  await call(other, SCHEDULER_OPERATIONS.identity, {}); // the scheduler had time to read the first
  await scheduler.close();
  await assertRejects(() => comm.read(), CommClosed);
  comm.abort();
  other.abort();
});
