/**
 * An independent dialler: Deno's own TLS with a client certificate. Takes orders as `agent.ts` does.
 *
 * @module
 */

interface Order {
  readonly id: number;
  readonly port: number;
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
}

const encoder = new TextEncoder();

async function dial({ port, ca, cert, key }: Order): Promise<string> {
  const caCerts = [await Deno.readTextFile(ca)];
  const pair = cert === undefined || key === undefined
    ? {}
    : { cert: await Deno.readTextFile(cert), key: await Deno.readTextFile(key) };
  using conn = await Deno.connectTls({ hostname: "localhost", port, caCerts, ...pair });
  await conn.write(encoder.encode("ping\n"));
  if (await conn.read(new Uint8Array(100)) === null) throw new Error("end of the link");
  return "linked";
}

async function obey(order: Order): Promise<void> {
  let said: { readonly linked?: string; readonly refused?: string };
  try {
    said = { linked: await dial(order) };
  } catch (error) {
    said = { refused: error instanceof Error ? error.message : String(error) };
  }
  Deno.stdout.writeSync(encoder.encode(`${JSON.stringify({ id: order.id, ...said })}\n`));
}

let rest = "";
for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) void obey(JSON.parse(line) as Order);
}
