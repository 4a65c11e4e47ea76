import { assertEquals, assertThrows } from "@std/assert";
import { TestCa, type TestCertificateOptions } from "../testing/pki/pki.ts";
import { type Authorization, type CertificateRule, checkAuthorization, Rules } from "./authorization.ts";
import { SecurityError } from "./material/errors.ts";
import { fingerprint256, parseCertificate } from "./x509/certificate.ts";

async function certificate(options: TestCertificateOptions) {
  const ca = await TestCa.make();
  return parseCertificate((await ca.issue("somebody", options)).cert);
}

function roleOf(rules: Authorization["rules"], cert: Awaited<ReturnType<typeof certificate>>) {
  return new Rules(checkAuthorization({ rules })).grant(cert)?.role;
}

Deno.test("Rules match a URI with * within one part of its path only", async () => {
  const cert = await certificate({ uris: ["spiffe://acme/ns/a/worker"] });
  const matches = (uri: string) => roleOf([{ uri, role: "worker" }], cert) === "worker";
  const patterns = [
    "spiffe://acme/ns/a/worker",
    "spiffe://acme/ns/*/worker",
    "spiffe://*/ns/a/w*r",
    "spiffe://acme/*/worker",
    "spiffe://acme/*",
    "spiffe://acme/ns/a/worke",
    "spiffe://ACME/ns/a/worker",
    "*",
  ];
  assertEquals(patterns.map(matches), [true, true, true, false, false, false, false, false]);
});

Deno.test("Rules match a DNS name without regard to case and * between its dots only", async () => {
  const cert = await certificate({ dnsNames: ["other", "W1.Workers.acme.example"] });
  const matches = (dns: string) => roleOf([{ dns, role: "worker" }], cert) === "worker";
  assertEquals(
    ["w1.workers.ACME.example", "*.workers.acme.example", "*.acme.example", "w1xworkers.acme.example"].map(
      matches,
    ),
    [true, true, false, false],
  );
});

Deno.test("Rules match OU, CN and fingerprint, all that a rule names", async () => {
  const cert = await certificate({
    subject: [["O", "acme"], ["OU", "batch"], ["OU", "night"], ["CN", "w (1)"]],
  });
  const fingerprint = fingerprint256(cert.raw);
  const role = (rule: object) => roleOf([{ ...rule, role: "worker" }], cert);
  assertEquals(role({ ou: "night" }), "worker");
  assertEquals(role({ ou: "nigh" }), undefined);
  assertEquals(role({ ou: "batch", cn: "w (*" }), "worker");
  assertEquals(role({ ou: "batch", cn: "x*" }), undefined);
  assertEquals(role({ fingerprint }), "worker");
  assertEquals(role({ fingerprint: fingerprint.replaceAll(":", "").toLowerCase() }), "worker");
  assertEquals(
    role({ fingerprint: fingerprint.replace(/^../, fingerprint.startsWith("00") ? "01" : "00") }),
    undefined,
  );
  assertEquals(role({}), "worker");
});

Deno.test("Rules take * for at least one character, and a byte order mark for a character", async () => {
  const granted = async (rule: Omit<CertificateRule, "role">, options: TestCertificateOptions) =>
    new Rules({ rules: [{ ...rule, role: "worker" }] }).grant(await certificate(options)) !== undefined;
  assertEquals(await granted({ uri: "spiffe://acme/worker/*" }, { uris: ["spiffe://acme/worker/"] }), false);
  assertEquals(await granted({ cn: "worker-*" }, { subject: [["CN", "worker-"]] }), false);
  assertEquals(await granted({ cn: "worker-*" }, { subject: [["CN", "worker-a.b/c"]] }), true);
  assertEquals(await granted({ cn: "admin" }, { subject: [["CN", "\ufeffadmin"]] }), false);
});

Deno.test("checkAuthorization copies rules: who changes the record afterwards changes nothing", () => {
  const rules: { cn: string; role: "client" }[] = [{ cn: "ann", role: "client" }];
  const checked = checkAuthorization({ rules });
  rules[0] = { cn: "*", role: "client" };
  rules.push({ cn: "*", role: "client" });
  assertEquals(checked, { rules: [{ cn: "ann", role: "client" }] });
});

Deno.test("Rules take the first that matches, and a client may submit unless it says otherwise", async () => {
  const cert = await certificate({ subject: [["CN", "ann"]] });
  const rules = new Rules({
    rules: [
      { cn: "bob", role: "scheduler" },
      { cn: "a*", role: "client", access: "observe" },
      { cn: "ann", role: "worker" },
    ],
  });
  assertEquals(rules.grant(cert), { role: "client", access: "observe" });
  assertEquals(new Rules({ rules: [{ role: "client" }] }).grant(cert), { role: "client", access: "submit" });
  assertEquals(new Rules({ rules: [{ cn: "bob", role: "client" }] }).grant(cert), undefined);
});

for (
  const [what, value, message] of [
    ["no record", [], "must be a record { rules"],
    ["rules that are none", { rules: "x" }, "must be a record { rules"],
    ["no rules at all", { rules: [] }, "would refuse everybody"],
    ["an unknown option", { rules: [{ role: "client" }], rule: 1 }, 'Unknown option "authorization.rule"'],
    ["a rule that is none", { rules: ["x"] }, "authorization.rules[0]"],
    ["no role", { rules: [{ cn: "x" }] }, '"authorization.rules[0].role" must be'],
    ["an unknown role", { rules: [{ role: "admin" }] }, 'not "admin"'],
    ["an unknown field", { rules: [{ role: "client", ur: "x" }] }, 'did you mean "uri"?'],
    ["an unknown access", { rules: [{ role: "client", access: "all" }] }, '.access" must be'],
    ["access of a worker", { rules: [{ role: "worker", access: "submit" }] }, "is for clients"],
    ["an empty pattern", { rules: [{ role: "worker", cn: "" }] }, "not empty"],
    ["a pattern that is no text", { rules: [{ role: "worker", cn: 3 }] }, "must be text"],
    // Such as of an environment variable that is not set: without it, the rule would fit everybody.
    [
      "a pattern that is undefined",
      { rules: [{ role: "client", access: "administer", cn: undefined }] },
      "must be text",
    ],
    ["a short fingerprint", { rules: [{ role: "worker", fingerprint: "AB:CD" }] }, "64 digits"],
  ] as const
) {
  Deno.test(`checkAuthorization refuses ${what}`, () => {
    assertThrows(() => checkAuthorization(value), SecurityError, message);
  });
}
