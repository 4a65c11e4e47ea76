import { setImmediate } from "node:timers";
import { assertEquals } from "@std/assert";
import type { Comm } from "../comm/comm.ts";
import { connectInproc, listenInproc } from "../comm/inproc.ts";
import { Config } from "../config/config.ts";
import type { Address, FunctionHash, Key, RawMessage } from "../messages/common.ts";
import { serializeValue } from "../protocol/values.ts";
import { Session } from "./session.ts";

/** Comms by their first request, positioned after it. */
function listenFor(...ops: readonly string[]): {
  readonly address: Address;
  readonly comms: readonly Promise<{ readonly comm: Comm; readonly request: RawMessage }>[];
  close(): Promise<void>;
} {
  const slots = ops.map(() => Promise.withResolvers<{ comm: Comm; request: RawMessage }>());
  const { listenAddress, close } = listenInproc("inproc://" as Address, async (comm) => {
    const request = await comm.read() as RawMessage;
    slots[ops.indexOf(String(request["op"]))]?.resolve({ comm, request });
  });
  return { address: listenAddress, comms: slots.map(({ promise }) => promise), close };
}

Deno.test("Session waits again for a result that came along and is lost while another is fetched", async () => {
  const scheduler = listenFor("register-client");
  const worker = listenFor("get_data");
  const opening = Session.open(scheduler.address, { config: new Config() });
  const registered = await scheduler.comms[0];
  const stream = registered?.comm ?? connectInproc(scheduler.address);
  await stream.write([{ op: "stream-start", warning: "", error: "" }]);
  const session = await opening;
  const body = { hash: "f" as FunctionHash, body: new Uint8Array() };
  const [first, second] = ["first", "second"].map((key) =>
    session.submit(body, [key as Key, new Uint8Array(), []], {})
  );
  if (first === undefined || second === undefined) throw new Error("Two tasks were submitted");
  await stream.read(); // the graph
  const inMemory = { op: "key-in-memory", key: "first", workers: [worker.address] };
  const [result] = serializeValue(1).frames;
  await stream.write([{ ...inMemory, result }, { ...inMemory, key: "second" }]);
  const fetching = session.fetch([first, second], undefined);
  const asked = await worker.comms[0];
  await stream.write([{ op: "lost-data", key: "first" }]);
  while (first.status !== "lost") await Promise.resolve();
  await asked?.comm.write({ status: "OK", data: { second: serializeValue(2) } });
  await new Promise((resolve) => setImmediate(resolve)); // links inside a program need only one turn
  await stream.write([{ ...inMemory, result }]);
  assertEquals(await fetching, [1, 2]);
  const closing = session.close();
  stream.abort();
  await closing;
  await scheduler.close();
  await worker.close();
});
