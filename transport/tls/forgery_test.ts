/**
 * Peers that show somebody else's certificate, or one that its CA should not have signed, over TLS that is
 * spoken by hand (decision 0018). Deno's client takes many of them for verified.
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { damageTree } from "../../testing/pki/der_tree.ts";
import { claim, OddCa, publicKeyOf } from "../../testing/pki/odd_certificates.ts";
import { oddLeaves } from "../../testing/pki/odd_leaves.ts";
import { Random } from "../../testing/random.ts";
import { rawDial, RawServer } from "../../testing/raw_tls/raw_tls.ts";
import { TestListener } from "../../testing/tls_pair.ts";
import { mutateBytes } from "../../testing/fuzz/mutate.ts";
import type { ByteStream } from "../byte_stream.ts";
import { loadTlsContext } from "../../security/live/context.ts";
import { TlsRefusedError } from "../../security/verdict.ts";
import { makeKeys } from "../../security/x509/issue.ts";
import { nodeTls } from "./node_tls.ts";

const ca = await OddCa.make("our-ca");
const security = await ca.security();
const context = await loadTlsContext(security, "client");
const keys = await makeKeys();
const leaves = await oddLeaves(ca, keys);

/** rustls' own verdict, which is as good as ours. */
const UNVERIFIED = /refused: its certificate can't be verified/;

function dial({ port }: RawServer): Promise<ByteStream> {
  return nodeTls.dial({ hostname: "127.0.0.1", port, context, signal: undefined });
}

/** Dials `server`, which must be refused for one of `reasons`, and must not have heard a word. */
async function assertRefused(server: RawServer, ...reasons: readonly RegExp[]): Promise<void> {
  const error = await assertRejects(() => dial(server), TlsRefusedError);
  assert(reasons.some((reason) => reason.test(error.message)), error.message);
  assertEquals([error.side, error.final, error.kind], ["here", true, "handshake"]);
  assertEquals((await server.ends.next()).heard.length, 0, "something was sent");
}

for (const { what, cert, fault, refused } of leaves) {
  const reasons = [UNVERIFIED, ...[fault, refused].filter((reason) => reason !== undefined)];

  Deno.test(`nodeTls.dial refuses who has no key for a certificate with this: ${what}`, async () => {
    for (const version of ["1.2", "1.3"] as const) {
      await using server = new RawServer(claim([cert]), version);
      await assertRefused(server, ...reasons);
    }
  });

  const isHarmless = fault === undefined && refused === undefined;
  Deno.test(`nodeTls.dial ${isHarmless ? "takes" : "refuses"} the owner of a certificate with this: ${what}`, async () => {
    for (const version of ["1.2", "1.3"] as const) {
      await using server = new RawServer(claim([cert], keys), version);
      if (!isHarmless) {
        await assertRefused(server, ...reasons);
        continue;
      }
      const stream = await dial(server);
      await stream.write([Uint8Array.of(1, 2, 3)]);
      await stream.close();
      assertEquals((await server.ends.next()).heard.length, 3);
    }
  });
}

// webpki reads the key only to verify with it, so that `webpki.ts` can't ask about it: `strict_der.ts` stands
// alone here.
Deno.test("nodeTls.dial refuses who has no key, however the key in the certificate is written", async () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const random = new Random(seed);
  const publicKey = await publicKeyOf(keys);
  for (let i = 0; i < 200; i++) {
    const damaged = random.chance(0.5) ? damageTree(publicKey, random) : mutateBytes(publicKey, random);
    const cert = await ca.sign({ publicKey: damaged }, keys);
    await using server = new RawServer(claim([cert]), random.pick(["1.2", "1.3"]));
    const taken = await dial(server).then((stream) => (stream.abort(), true), () => false);
    assertEquals(
      [taken, (await server.ends.next()).heard.length],
      [false, 0],
      `seed ${seed}, ${cert.toHex()}`,
    );
  }
});

Deno.test("nodeTls.listen refuses each of them without its key, and takes the harmless ones with it", async () => {
  await using listener = await TestListener.start(security);
  for (const { what, cert, fault, refused } of leaves) {
    const [dialled, { reason }] = await Promise.all([
      rawDial(listener.port, claim([cert])),
      listener.refusals.next(),
    ]);
    assertMatch(reason.message, /refused: its certificate /, what);
    assertEquals([dialled.heard.length, listener.streams.left.length], [0, 0], what);
    const dialling = rawDial(listener.port, claim([cert], keys));
    if (fault === undefined && refused === undefined) (await listener.streams.next()).abort();
    else await listener.refusals.next();
    await dialling;
  }
  assertEquals([listener.streams.left, listener.refusals.left], [[], []]);
});
