/**
 * An independent dialler: Deno's own TLS with a client certificate. Takes orders as `agent.ts` does.
 *
 * @module
 */

interface Order {
  readonly id: number;
  readonly action: "dial" | "close";
  readonly port: number;
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  /** What to send, in base64. */
  readonly say: string;
  /** What to see in the answer, as a pattern. */
  readonly hear: string;
}

const encoder = new TextEncoder();
const links = new Map<number, Deno.TlsConn>();

async function dial({ id, port, ca, cert, key, say, hear }: Order): Promise<string> {
  const caCerts = [await Deno.readTextFile(ca)];
  const pair = cert === undefined || key === undefined
    ? {}
    : { cert: await Deno.readTextFile(cert), key: await Deno.readTextFile(key) };
  const conn = await Deno.connectTls({ hostname: "localhost", port, caCerts, ...pair });
  links.set(id, conn);
  for (let rest = Uint8Array.fromBase64(say); rest.length > 0;) rest = rest.subarray(await conn.write(rest));
  const buffer = new Uint8Array(65536);
  const decoder = new TextDecoder();
  for (let text = ""; !new RegExp(hear).test(text);) {
    const count = await conn.read(buffer);
    if (count === null) throw new Error("end of the link");
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
  return "linked";
}

async function obey(order: Order): Promise<void> {
  const { id, action } = order;
  if (action === "close") {
    links.get(id)?.close();
    links.delete(id);
    return;
  }
  let said: { readonly linked?: string; readonly refused?: string };
  try {
    said = { linked: await dial(order) };
  } catch (error) {
    said = { refused: error instanceof Error ? error.message : String(error) };
  }
  Deno.stdout.writeSync(encoder.encode(`${JSON.stringify({ id, ...said })}\n`));
}

let rest = "";
for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) void obey(JSON.parse(line) as Order);
}
