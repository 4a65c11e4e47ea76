import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { TlsRefusedError } from "../../security/verdict.ts";
import { claim, OddCa } from "../pki/odd_certificates.ts";
import { rawDial, RawServer } from "./raw_tls.ts";
import { dialAs, TestListener } from "../tls_pair.ts";

const ca = await OddCa.make("our-ca");
const security = await ca.security();
const good = await ca.issue();
const text = new TextEncoder();

for (const version of ["1.2", "1.3"] as const) {
  Deno.test(`RawServer speaks TLS ${version} to who trusts its certificate`, async () => {
    const echo = async (heard: Uint8Array, say: (bytes: Uint8Array) => Promise<void>) => await say(heard);
    await using server = new RawServer(claim([good.cert], good.keys), version, echo);
    const stream = await dialAs(security, server.port);
    assertEquals(stream.tls?.protocol, `TLSv${version}`);
    const long = new Uint8Array(40_000).fill(7);
    await stream.write([text.encode("hello"), long]);
    let heard = 0;
    while (heard < 40_005) heard += (await stream.read())?.length ?? Infinity;
    await stream.close();
    const end = await server.ends.next();
    assertEquals([end.finished, end.heard.length, heard], [true, 40_005, 40_005]);
  });

  Deno.test(`RawServer without the key is refused over TLS ${version}, and hears nothing`, async () => {
    await using server = new RawServer(claim([good.cert]), version);
    const error = await assertRejects(() => dialAs(security, server.port), TlsRefusedError);
    assertMatch(error.message, /can't be verified/);
    const end = await server.ends.next();
    assertEquals([end.finished, end.heard.length], [false, 0]);
  });
}

Deno.test("rawDial is taken with the key, and refused without", async () => {
  await using listener = await TestListener.start(security);
  const [taken, stream] = await Promise.all([
    rawDial(listener.port, claim([good.cert], good.keys)),
    listener.streams.next().then((stream) => (stream.abort(), stream)),
  ]);
  assertEquals([taken.finished, stream.tls?.peer.name], [true, "CN=scheduler"]);
  const refused = await rawDial(listener.port, claim([good.cert]));
  assertEquals([refused.alert, listener.streams.left.length], [51, 0]);
  await listener.refusals.next();
});
