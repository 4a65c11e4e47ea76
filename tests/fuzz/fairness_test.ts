import { assert, assertEquals } from "@std/assert";
import { untyped } from "../../messages/operations.ts";
import { served } from "../../testing/served.ts";
import { connect } from "../../comm/connect.ts";
import { call } from "../../rpc/call.ts";
import { linkOptions } from "../../comm/secure.ts";
import { Server } from "../../rpc/server.ts";
import { handleStream } from "../../rpc/stream.ts";
import { TestCa } from "../../testing/pki/pki.ts";

/** Milliseconds of work for each batch of the flood. */
const WORK_MS = 1;
const QUESTIONS = 31;

for (const scheme of ["tcp", "tls"] as const) {
  Deno.test(`A Server over ${scheme} answers others while a peer never stops sending`, async () => {
    const security = scheme === "tls" ? await (await TestCa.make()).security() : undefined;
    let batches = 0;
    const flooded = Promise.withResolvers<void>();
    await using server = new Server({
      name: "Server",
      operations: served({
        count: () => batches,
        flood: async (_request, comm) => {
          await handleStream(comm, () => {
            const start = performance.now();
            while (performance.now() - start < WORK_MS);
            if (++batches === 100) flooded.resolve();
          });
        },
      }, { flood: { answer: "stream" } }),
    });
    const listener = await server.listen(`${scheme}://127.0.0.1:0`, await linkOptions(security, "scheduler"));
    const address = listener.contactAddress;
    const flooder = new Worker(new URL("../../testing/fuzz/flooder.ts", import.meta.url), { type: "module" });
    try {
      flooder.postMessage({ address, security });
      await flooded.promise;
      await using honest = await connect(address, await linkOptions(security, "client"));
      const between: number[] = [];
      for (let last = batches; between.length < QUESTIONS; last = batches) {
        assertEquals(typeof await call(honest, untyped("count"), {}), "number");
        between.push(batches - last);
      }
      // Sixty turns of the event loop pass if nobody sees to it: a thousand batches.
      const [median = NaN] = between.sort((a, b) => a - b).slice(QUESTIONS >> 1);
      assert(median < 150, `${between.join(", ")} batches were handled before each answer`);
    } finally {
      flooder.terminate();
    }
  });
}
