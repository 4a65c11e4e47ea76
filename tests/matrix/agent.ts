/**
 * Our end of the matrix's links, in a process of its own: takes orders as lines of JSON, and tells what happens as
 * lines of JSON. Over `dask` it uses the comms that roles use; over `raw` the streams below, for peers that don't speak
 * Dask.
 *
 * @module
 */

import type { TlsInfo } from "../../comm/comm.ts";
import { connect } from "../../comm/connect.ts";
import { listen } from "../../comm/listen.ts";
import { loadTlsContext, type TlsContext } from "../../security/context.ts";
import { nodeTls } from "../../security/node_tls.ts";
import type { Security, TlsRole } from "../../security/security.ts";

/** An order. */
export interface Order {
  /** Comes back with everything that happens. */
  readonly id: number;
  /** What to do. */
  readonly action: "listen" | "dial" | "close";
  /** Which protocol to speak over TLS. */
  readonly over?: "dask" | "raw";
  /** As whom. */
  readonly role?: TlsRole;
  /** What is shown and trusted. */
  readonly security?: Security;
  /** Where to dial. */
  readonly port?: number;
}

/** What happened. */
export interface Happening {
  /** Of the order. */
  readonly id: number;
  /** The role did not start. */
  readonly start?: string;
  /** The port that is listened on. */
  readonly listening?: number;
  /** A message arrived from the peer: TLS version. */
  readonly linked?: string;
  /** There is no link. */
  readonly refused?: string;
}

const encoder = new TextEncoder();
const listeners = new Map<number, { close(): Promise<void> }>();

function tell(happening: Happening): void {
  Deno.stdout.writeSync(encoder.encode(`${JSON.stringify(happening)}\n`));
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function obey(order: Order): Promise<void> {
  const { id, action, role = "client", security = {} } = order;
  if (action === "close") {
    await listeners.get(id)?.close();
    listeners.delete(id);
    return;
  }
  let context: TlsContext;
  try {
    context = await loadTlsContext(security, role);
  } catch (error) {
    tell({ id, start: text(error) });
    return;
  }
  if (action === "listen") return await (order.over === "raw" ? listenRaw : listenDask)(id, context);
  try {
    const tls = await (order.over === "raw" ? dialRaw : dialDask)(order.port ?? 0, context);
    tell({ id, linked: tls?.protocol ?? "none" });
  } catch (error) {
    tell({ id, refused: text(error) });
  }
}

async function listenDask(id: number, context: TlsContext): Promise<void> {
  const listener = await listen("tls://127.0.0.1:0", {
    context,
    onComm: async (comm) => {
      try {
        await comm.read();
        tell({ id, linked: comm.tls?.protocol ?? "none" });
        await comm.write("pong");
        await comm.close();
      } catch (error) {
        tell({ id, refused: text(error) });
      }
    },
    onRefused: (reason) => tell({ id, refused: text(reason) }),
  });
  listeners.set(id, listener);
  tell({ id, listening: Number(new URL(listener.contactAddress.replace("tls:", "http:")).port) });
}

async function listenRaw(id: number, context: TlsContext): Promise<void> {
  const listener = await nodeTls.listen({
    hostname: "127.0.0.1",
    port: 0,
    context,
    onConnection: async (stream) => {
      try {
        const chunk = await stream.read();
        if (chunk === null) throw new Error("it ended the link without a word");
        tell({ id, linked: stream.tls?.protocol ?? "none" });
        await stream.write([chunk.slice()]);
      } catch (error) {
        tell({ id, refused: text(error) });
      } finally {
        await stream.close();
      }
    },
    onRefused: (reason) => tell({ id, refused: text(reason) }),
  });
  listeners.set(id, listener);
  tell({ id, listening: listener.addr.port });
}

async function dialDask(port: number, context: TlsContext): Promise<TlsInfo | undefined> {
  await using comm = await connect(`tls://127.0.0.1:${port}`, { context, timeout: "10s" });
  await comm.write("ping");
  await comm.read();
  return comm.tls;
}

async function dialRaw(port: number, context: TlsContext): Promise<TlsInfo | undefined> {
  const stream = await nodeTls.dial({ hostname: "127.0.0.1", port, context });
  try {
    await stream.write([encoder.encode("ping\n")]);
    if (await stream.read() === null) {
      throw new Error("the peer closed the link during the TLS handshake: it said nothing");
    }
    return stream.tls;
  } finally {
    await stream.close();
  }
}

let rest = "";
for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) void obey(JSON.parse(line) as Order);
}
