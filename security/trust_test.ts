import { assertEquals } from "@std/assert";
import type { Grant } from "../messages/grant.ts";
import { captureLog } from "../testing/logs.ts";
import { TestCa } from "../testing/pki/pki.ts";
import { type Authorization, Rules } from "./authorization.ts";
import { LivingLinks } from "./live/living_links.ts";
import { parseLists, Revocation } from "./revocation.ts";
import { Trust } from "./trust.ts";
import { parseCertificate } from "./x509/certificate.ts";

const DAY_MS = 86_400_000;
const NOW = new Date();
const NOTHING = new Revocation([], []);

function rules(...given: Authorization["rules"]): Rules {
  return new Rules({ rules: given });
}

Deno.test("Trust.admit lets nobody new in whose revocation list is out of date, and Trust.keep goes on", async () => {
  const ca = await TestCa.make();
  const leaf = parseCertificate((await ca.issue("somebody")).cert);
  const nextUpdate = new Date(NOW.getTime() + DAY_MS);
  const lists = parseLists(await ca.crl([], { nextUpdate }), "x");
  const root = parseCertificate(ca.pem);
  const trust = new Trust([root], new Revocation(lists, []), undefined);
  const admitted = { grant: undefined, path: [leaf, root] };
  assertEquals(trust.admit([leaf], { now: NOW, purpose: "client" }), admitted);
  const later = new Date(NOW.getTime() + 2 * DAY_MS);
  assertEquals(trust.admit([leaf], { now: later, purpose: "client" }), {
    kind: "revoked",
    reason:
      'its certificate "CN=somebody,O=test" can\'t be checked: the revocation list of "CN=test-ca" has ' +
      "expired; fetch the present one",
  });
  assertEquals(trust.keep([leaf]), admitted);
});

Deno.test("LivingLinks.judge ends whose CA is gone, whose rule is gone, and who may less than before", async () => {
  const ca = await TestCa.make();
  const other = await TestCa.make("other-ca");
  const cas = [parseCertificate(ca.pem)];
  const submit: Grant = { role: "client", access: "submit" };
  const ann = parseCertificate((await ca.issue("ann")).cert);
  const ended = (trust: Trust, grant: Grant | undefined): string => {
    const links = new LivingLinks();
    let reason = "";
    const forget = links.add({
      peer: { way: "accept", address: "10.0.0.7:4711", own: "" },
      chain: [ann],
      grant,
      end: (error) => reason = error.message.replace(/^.* refused: /, ""),
    });
    const lines = captureLog(() => assertEquals(links.judge(trust), reason === "" ? 0 : 1));
    assertEquals(lines.length, reason === "" ? 0 : 1);
    forget();
    assertEquals([...links.peers()], []);
    return reason;
  };
  assertEquals(ended(new Trust(cas, NOTHING, undefined), undefined), "");
  assertEquals(
    ended(new Trust([parseCertificate(other.pem)], NOTHING, undefined), undefined),
    'its certificate "CN=ann,O=test" does not lead to the CA in "tlsCaFile" any more',
  );
  assertEquals(
    ended(new Trust(cas, new Revocation([], [ann.serial]), undefined), undefined),
    `its certificate "CN=ann,O=test" is revoked by "tlsRevoked" (serial ${ann.serial})`,
  );
  const by = (given: Rules, before: Grant | undefined) => ended(new Trust(cas, NOTHING, given), before);
  assertEquals(
    by(rules({ cn: "bob", role: "client" }), submit),
    'no rule of "authorization" fits its certificate "CN=ann,O=test"',
  );
  const less = 'its certificate may do less by "authorization" than when the link was made';
  assertEquals(by(rules({ cn: "ann", role: "client", access: "observe" }), submit), less);
  assertEquals(by(rules({ cn: "ann", role: "worker" }), submit), less);
  assertEquals(by(rules({ cn: "ann", role: "client" }), submit), "");
  assertEquals(by(rules({ cn: "ann", role: "client", access: "administer" }), submit), "");
  // A link that was let in with everything does not keep it once there are rules.
  const again = 'it came in before there was an "authorization": it has to come again';
  assertEquals(by(rules({ cn: "ann", role: "client" }), undefined), again);
});
