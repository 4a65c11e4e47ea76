import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { TestCa } from "../testing/pki/pki.ts";
import { SecurityError } from "./material/errors.ts";
import { pem } from "./x509/issue.ts";
import { checkLists, checkRevoked, parseLists, readLists, Revocation } from "./revocation.ts";
import { type Certificate, fingerprint256, parseCertificate } from "./x509/certificate.ts";

const DAY_MS = 86_400_000;
const later = (days: number) => new Date(Date.now() + days * DAY_MS);

Deno.test("parseLists reads PEM and DER, one and several, with text around", async () => {
  const ca = await TestCa.make();
  const other = await TestCa.make("other-ca");
  const victim = await ca.issue("victim");
  const one = await ca.crl([victim.cert]);
  const two = await other.crl([]);
  const texts = `Made today\r\n${pem("X509 CRL", one).replaceAll("\n", "\r\n")}# and\n${
    pem("X509 CRL", two)
  }`;
  const serials = [new Set([parseCertificate(victim.cert).serial]), new Set<string>()];
  assertEquals(parseLists(new TextEncoder().encode(texts), "x").map((list) => list.serials), serials);
  const ders = new Uint8Array([...one, ...two]);
  assertEquals(parseLists(ders, "x").map((list) => list.serials), serials);
});

Deno.test("parseLists refuses what is no list, or cut off", async () => {
  const cut = (await (await TestCa.make()).crl([])).subarray(0, 40);
  const ca = await TestCa.make();
  assertThrows(() => parseLists(new Uint8Array(), "FILE"), SecurityError, "FILE holds no revocation list");
  assertThrows(
    () => parseLists(new TextEncoder().encode(ca.pem), "FILE"),
    SecurityError,
    "FILE is damaged: of 1 PEM blocks",
  );
  const whole = pem("X509 CRL", await (await TestCa.make()).crl([]));
  for (
    const damaged of [whole + whole.slice(0, -10), whole + whole.replace("BEGIN X509 CRL", "BEGIN X509 CLR")]
  ) {
    assertThrows(
      () => parseLists(new TextEncoder().encode(damaged), "FILE"),
      SecurityError,
      "FILE is damaged: of 2 PEM blocks",
    );
  }
  assertThrows(() => parseLists(cut, "FILE"), SecurityError, "can't be read");
});

Deno.test("readLists names a file that is not there", async () => {
  await assertRejects(
    () => readLists("/nowhere/crl.pem"),
    SecurityError,
    'Cannot read "tlsCrlFile" file "/nowhere/crl.pem": there is no such file',
  );
});

Deno.test("checkLists takes a list of a trusted CA, and refuses others, wrong signatures and wrong times", async () => {
  const ca = await TestCa.make();
  const impostor = await TestCa.make(); // the same name, another key
  const stranger = await TestCa.make("stranger");
  const cas = [parseCertificate(ca.pem)];
  const check = (der: Uint8Array) => checkLists(parseLists(der, "x"), cas, new Date());
  check(await ca.crl([]));
  const wrong = await Promise.all([
    stranger.crl([]),
    impostor.crl([]),
    ca.crl([], { thisUpdate: later(1), nextUpdate: later(2) }),
    ca.crl([], { thisUpdate: later(-9), nextUpdate: later(-1) }),
  ]);
  const reasons = ["is of no CA", "wrong signature", "not yet", "has expired"];
  for (const [at, der] of wrong.entries()) assertThrows(() => check(der), SecurityError, reasons[at]);
});

Deno.test("checkLists refuses a list that was signed by a CA's certificate without the right to", async () => {
  const ca = await TestCa.make();
  const leaf = await ca.intermediate("leaf", { ca: false });
  const list = parseLists(await leaf.crl([]), "x");
  assertThrows(
    () => checkLists(list, [parseCertificate(leaf.pem)], new Date()),
    SecurityError,
    "wrong signature",
  );
});

Deno.test("Revocation knows revoked certificates by list, serial and fingerprint", async () => {
  const ca = await TestCa.make();
  const other = await TestCa.make("other-ca");
  const [listed, numbered, printed, fine] = (await Promise.all([1, 2, 3, 4].map(() => ca.issue("x"))))
    .map(({ cert }) => parseCertificate(cert));
  if (!listed || !numbered || !printed || !fine) throw new Error("no certificates");
  const serial = numbered.serial.toLowerCase().replaceAll(/(..)(?=.)/g, "$1:");
  const lists = parseLists(await ca.crl([pem("CERTIFICATE", listed.raw)]), "x");
  const revocation = new Revocation(lists, [`00:${serial}`, fingerprint256(printed.raw)]);
  const root = parseCertificate(ca.pem);
  const reason = (one: Certificate, by = revocation) => by.refusal([one, root])?.reason;
  assertEquals(reason(fine), undefined);
  assertEquals(reason(listed), `is revoked by its CA (serial ${listed.serial})`);
  assertEquals(reason(numbered), `is revoked by "tlsRevoked" (serial ${numbered.serial})`);
  assertEquals(reason(printed), `is revoked by "tlsRevoked" (serial ${printed.serial})`);
  // The same number of another CA is another certificate.
  const foreign = parseLists(await other.crl([pem("CERTIFICATE", listed.raw)]), "x");
  assertEquals(reason(listed, new Revocation(foreign, [])), undefined);
  // So it is if the other CA has the same name.
  const namesake = parseLists(await (await TestCa.make()).crl([pem("CERTIFICATE", listed.raw)]), "x");
  assertEquals(reason(listed, new Revocation(namesake, [])), undefined);
});

Deno.test("Revocation lets nobody new in once the list is out of date", async () => {
  const ca = await TestCa.make();
  const leaf = parseCertificate((await ca.issue("x")).cert);
  const path = [leaf, parseCertificate(ca.pem)];
  const overdue = parseLists(await ca.crl([], { nextUpdate: later(2) }), "x");
  const revocation = new Revocation(overdue, []);
  assertEquals(revocation.staleness(path, later(1)), undefined);
  assertEquals(revocation.staleness(path, later(3))?.includes("has expired"), true);
  assertEquals(new Revocation([], []).staleness(path, later(3)), undefined);
  // The list of another CA with the same name makes up for nothing.
  const namesake = parseLists(await (await TestCa.make()).crl([], { nextUpdate: later(9) }), "x");
  const both = new Revocation([...overdue, ...namesake], []);
  assertEquals(both.staleness(path, later(3))?.includes("has expired"), true);
});

for (const entry of ["", "xyz", "12 34", "A".repeat(41), "A".repeat(63), 4123, null]) {
  Deno.test(`checkRevoked refuses ${JSON.stringify(entry)}`, () => {
    checkRevoked(["0a", "0A:0B", "A".repeat(40), "a".repeat(64)]);
    assertThrows(() => checkRevoked([entry]), SecurityError, '"tlsRevoked[0]"');
  });
}
