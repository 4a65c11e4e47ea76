import { assert, assertEquals } from "@std/assert";
import { handshakeInfo } from "../../comm/handshake.ts";
import { setLogLevel } from "../../config/logging.ts";
import { encodeFrames } from "../../protocol/frames.ts";
import { encodeMessage } from "../../protocol/message.ts";
import { startCluster } from "../../testing/cluster.ts";
import { Random } from "../../testing/random.ts";
import { corpus, flat } from "./corpus.ts";
import { inputOf } from "./fuzz.ts";

const SEEDS = corpus();
const HANDSHAKE = flat(encodeFrames(encodeMessage(handshakeInfo("tcp://a:1", "tcp://b:1", null))));
/** Milliseconds that a hostile peer listens for an answer before it hangs up. */
const PATIENCE_MS = 20;

/** Sends damaged input as a peer would: after a good handshake or none, whole or in two pieces; then hangs up. */
async function attack(port: number, seed: number, index: number): Promise<void> {
  const random = new Random(seed * 1000 + index);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const input = inputOf(SEEDS, seed, index);
  try {
    if (random.chance(0.9)) await conn.write(HANDSHAKE);
    const cut = random.chance(0.3) ? random.below(input.length + 1) : input.length;
    await writeAll(conn, input.subarray(0, cut));
    await writeAll(conn, input.subarray(cut));
    await drain(conn);
  } catch (error) {
    // Being hung up on is what should happen.
    const isHungUp = error instanceof Deno.errors.BrokenPipe ||
      error instanceof Deno.errors.ConnectionReset ||
      error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted;
    if (!isHungUp) throw error;
  }
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await conn.write(rest));
}

/** Reads until the other end hangs up, or patience ends. */
async function drain(conn: Deno.Conn): Promise<void> {
  const timer = setTimeout(() => conn.close(), PATIENCE_MS);
  try {
    const waste = new Uint8Array(4096);
    while (await conn.read(waste) !== null);
  } finally {
    clearTimeout(timer);
  }
}

for (const role of ["scheduler", "worker"] as const) {
  Deno.test(`A live ${role} under damaged input goes on serving an honest client`, async () => {
    setLogLevel("distributed", "critical"); // it has a lot to tell
    try {
      await using cluster = await startCluster({ protocol: "tcp" });
      const { client, scheduler, workers } = cluster;
      const address = role === "scheduler" ? scheduler.address : workers[0]?.address ?? "";
      const port = Number(new URL(address.replace("tcp:", "http:")).port);
      const before = Deno.memoryUsage().heapUsed;
      const inc = (x: number) => x + 1;
      for (let round = 0; round < 20; round++) {
        const attacks = Array.from({ length: 25 }, (_, i) => attack(port, 11, round * 25 + i));
        const futures = client.map(inc, [round, round + 1, round + 2]);
        assertEquals(await client.gather(futures, { timeout: "20s" }), [round + 1, round + 2, round + 3]);
        await Promise.all(attacks);
      }
      assert(Deno.memoryUsage().heapUsed - before < 100e6, "the heap grew");
    } finally {
      setLogLevel("distributed", "info");
    }
  });
}
