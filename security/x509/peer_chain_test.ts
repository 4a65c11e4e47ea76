import { assertEquals, assertThrows } from "@std/assert";
import { OddCa } from "../../testing/pki/odd_certificates.ts";
import { peerChain } from "./peer_chain.ts";

const ca = await OddCa.make("ca");
const certificates = await Promise.all(
  Array.from({ length: 11 }, () => ca.sign({ extensions: null }, ca.keys)),
);

function shown(chain: ReturnType<typeof peerChain>): Uint8Array[] {
  return chain.map(({ raw }) => raw);
}

/** As `getPeerCertificate(true)` gives certificates: each with its issuer behind it. */
function linked(raws: readonly unknown[]): unknown {
  return raws.toReversed().reduce((issuerCertificate, raw) => ({ raw, issuerCertificate }), undefined);
}

Deno.test("peerChain takes what was sent, each once, and at most ten", () => {
  const [a, b] = certificates;
  const sent = [a, a, b, a].filter((one) => one !== undefined);
  assertEquals(shown(peerChain({ sent, linked: linked(certificates) })), certificates.slice(0, 2));
  assertEquals(peerChain({ sent: [], linked: linked(certificates) }), []);
  assertEquals(peerChain({ sent: certificates.slice(0, 10), linked: undefined }).length, 10);
  assertThrows(
    () => peerChain({ sent: certificates, linked: undefined }),
    SyntaxError,
    "more than 10 certificates",
  );
});

Deno.test("peerChain follows issuers where the TLS layer has no list of what was sent", () => {
  const three = certificates.slice(0, 3);
  assertEquals(shown(peerChain({ sent: undefined, linked: linked(three) })), three);
  const root: Record<string, unknown> = { raw: three[0] };
  root["issuerCertificate"] = root; // a root is its own issuer
  assertEquals(shown(peerChain({ sent: undefined, linked: root })), three.slice(0, 1));
  const [first, second] = three;
  const cut = linked([first, "no bytes", second]);
  assertEquals(shown(peerChain({ sent: undefined, linked: cut })), three.slice(0, 1));
  for (const none of [undefined, null, {}, "text"]) {
    assertEquals(peerChain({ sent: undefined, linked: none }), []);
  }
});
