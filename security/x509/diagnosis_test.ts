import { assertEquals, assertMatch } from "@std/assert";
import { runToEnd } from "../../testing/processes.ts";
import { expired, notYetValid, TestCa } from "../../testing/pki/pki.ts";
import { diagnose } from "./diagnosis.ts";
import type { Purpose } from "./path.ts";
import { type Certificate, parseCertificate } from "./certificate.ts";

const ca = await TestCa.make("root");
const root = parseCertificate(ca.pem);
const middleCa = await ca.intermediate("middle");
const middle = parseCertificate(middleCa.pem);
const below = parseCertificate((await middleCa.issue("role")).cert);
const good = parseCertificate((await ca.issue("role")).cert);

async function role(options: Parameters<TestCa["issue"]>[1]): Promise<Certificate> {
  return parseCertificate((await ca.issue("role", options)).cert);
}

function of(chain: readonly Certificate[], purpose: Purpose = "server"): string {
  return diagnose(chain, [root], new Date(), purpose) ?? "nothing";
}

function saying(certificate: Certificate, extensions: Partial<Certificate["extensions"]>): Certificate {
  return { ...certificate, extensions: { ...certificate.extensions, ...extensions } };
}

/** `body`, signature algorithm `hex` in place of ECDSA with SHA-256. */
function signedWith(certificate: Certificate, hex: string): Certificate {
  const raw = Uint8Array.fromHex(certificate.raw.toHex().replaceAll("06082a8648ce3d040302", hex));
  return { ...certificate, raw };
}

Deno.test("diagnose finds nothing in what is good, with the CAs between or without", () => {
  for (const purpose of ["server", "client"] as const) {
    assertEquals(of([good], purpose), "nothing");
    assertEquals(of([below, middle], purpose), "nothing");
    assertEquals(of([below, middle, root], purpose), "nothing");
    assertEquals(of([below, saying(middle, { pathLength: 0 })], purpose), "nothing");
  }
  assertEquals(of([]), "nothing");
});

Deno.test("diagnose says what is wrong, with the names that matter", async () => {
  const stranger = await TestCa.make("stranger");
  const namesake = await TestCa.make("root");
  const noCa = await ca.intermediate("no-ca", { ca: false });
  const oldCa = await ca.intermediate("old-ca", expired());
  const v1 = await ca.intermediate("v1-ca", { version: 1 });
  const sub = await middleCa.intermediate("sub");
  const chained = async (issuer: TestCa): Promise<Certificate[]> =>
    [(await issuer.issue("role")).cert, issuer.pem].map(parseCertificate);
  const table: readonly (readonly [chain: readonly Certificate[], purpose: Purpose, said: RegExp])[] = [
    [
      [parseCertificate((await stranger.issue("role")).cert)],
      "server",
      /^certificate "CN=role,O=test" is signed by "CN=stranger", which is not in "tlsCaFile" and was not sent along/,
    ],
    [
      [parseCertificate((await namesake.issue("role")).cert)],
      "server",
      /says that "CN=root" signed it, but not the one in "tlsCaFile": it is of another CA with the same name/,
    ],
    [[middle], "server", /is a CA's \(CA:TRUE\)/],
    [
      [parseCertificate(stranger.pem)],
      "server",
      /"CN=stranger" is self-signed, and not in "tlsCaFile"/,
    ],
    [[below], "server", /is signed by "CN=middle", which is not in "tlsCaFile" and was not sent along/],
    [await chained(noCa), "server", /is signed by "CN=no-ca", which is no CA \(CA:FALSE\)/],
    [await chained(oldCa), "client", /is signed by "CN=old-ca", which has expired on /],
    [
      await chained(v1),
      "client",
      /is signed by "CN=v1-ca", which is X\.509 v1, which does not say that it may sign/,
    ],
    [
      [...await chained(sub), saying(middle, { pathLength: 0 })],
      "client",
      /has "CN=sub" above it, which is signed by "CN=middle", which may have no CA below it \(path length\)/,
    ],
    [
      [below, saying(middle, { signsCertificates: false })],
      "client",
      /"CN=middle", which may not sign certificates by its key usage/,
    ],
    [
      [below, saying(middle, { unknownCritical: ["1.2.3"] })],
      "client",
      /"CN=middle", which has a critical extension that is not understood \(1\.2\.3\)/,
    ],
    [
      [saying(good, { unknownCritical: ["1.2.3"] })],
      "client",
      /has a critical extension that is not understood \(1\.2\.3\)/,
    ],
    [[{ ...below, raw: good.raw }, middle], "client", /has a signature that "CN=middle" did not make/],
    [
      [signedWith(good, "06082a8648ce3d040301")],
      "client",
      /is signed with algorithm 1\.2\.840\.10045\.4\.3\.1, which is not accepted/,
    ],
    [[await role({ version: 1 })], "client", /is X\.509 v1, which is refused: make a v3 one/],
    [[await role(expired())], "client", /has expired on \d{4}-.*Z, and now is \d{4}-/],
    [[await role(notYetValid())], "client", /is not valid before .*: compare the clocks$/],
    [
      [await role({ usages: ["serverAuth"] })],
      "client",
      /may not be used as a client's: its extended key usage is a server's only/,
    ],
    [
      [await role({ usages: ["clientAuth"] })],
      "server",
      /may not be used as a server's: its extended key usage is a client's only/,
    ],
  ];
  for (const [chain, purpose, said] of table) assertMatch(of(chain, purpose), said);
});

Deno.test("diagnose ends on certificates that sign each other in a circle", async () => {
  const other = await TestCa.make("b");
  const [a, b] = [parseCertificate((await other.intermediate("a")).pem), parseCertificate(other.pem)];
  const circle = [saying(a, { isCa: false }), { ...b, issuer: a.subject }, { ...a, issuer: b.subject }];
  assertMatch(of(circle), /is signed by|above it/);
});

Deno.test("diagnose says so where a signature can't be checked, which is OpenSSL's default of a P-521 CA", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const made = async (name: string, ...more: string[]): Promise<Certificate> => {
      const key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:secp521r1",
        "-nodes",
        "-keyout",
        `${folder}/${name}.key`,
      ];
      const { code, stderr } = await runToEnd({
        command: [
          "openssl",
          "req",
          "-x509",
          ...key,
          "-subj",
          `/CN=${name}`,
          "-out",
          `${folder}/${name}.pem`,
          ...more,
        ],
      });
      assertEquals(code, 0, stderr);
      return parseCertificate(await Deno.readTextFile(`${folder}/${name}.pem`));
    };
    const big = await made("big");
    const by = ["-CA", `${folder}/big.pem`, "-CAkey", `${folder}/big.key`];
    const [usual, checkable] = [
      await made("usual", ...by, "-sha256"),
      await made("checkable", ...by, "-sha512"),
    ]
      .map((one) => saying(one, { isCa: false }));
    if (usual === undefined || checkable === undefined) throw new Error("none");
    assertMatch(
      diagnose([usual], [big], new Date(), "client") ?? "",
      /"CN=usual" is signed by "CN=big", whose key is a P-521 one: only with SHA-512 can that be checked here$/,
    );
    assertEquals(diagnose([checkable], [big], new Date(), "client"), undefined);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("diagnose looks at all that is trusted, not at the first or the last", async () => {
  const others = await Promise.all(
    ["a", "b"].map(async (name) => parseCertificate((await TestCa.make(name)).pem)),
  );
  const namesake = parseCertificate((await TestCa.make("root")).pem);
  const said = (chain: readonly Certificate[], cas: readonly Certificate[]): string =>
    diagnose(chain, cas, new Date(), "server") ?? "nothing";
  for (const cas of [[root, ...others], [...others, root], [namesake, root], [root, namesake]]) {
    assertEquals(said([good], cas), "nothing");
    assertEquals(said([below, middle], cas), "nothing");
    assertEquals(said([below, middle, root], cas), "nothing");
    assertEquals(said([below, middle, ...others], cas), "nothing");
  }
  const old = { ...root, validTo: new Date(0) };
  assertEquals(said([good], [old, root]), "nothing");
  assertEquals(said([good], [root, old]), "nothing");
  assertMatch(said([good], [old]), /is signed by "CN=root" of "tlsCaFile", which has expired on 1970-/);
  assertEquals(said([root], [root]), "nothing", "what is trusted itself may be a CA's");
  assertMatch(said([middle], [root]), /is a CA's/);
});

Deno.test("diagnose names the certificate above, if it is that one", async () => {
  const sub = await middleCa.intermediate("sub");
  const chain = [parseCertificate((await sub.issue("role")).cert), parseCertificate(sub.pem)];
  assertMatch(
    of(chain),
    /^certificate "CN=role,O=test" has "CN=sub" above it, which is signed by "CN=middle", which is not in "tlsCaFile"/,
  );
  const broken = { ...middle, raw: good.raw };
  assertMatch(
    of([...chain, broken]),
    /has a signature \(of "CN=sub" above it\) that "CN=middle" did not make/,
  );
  const loose = { ...root, raw: below.raw, subject: [["CN", "loose"]], issuer: [["CN", "loose"]] } as const;
  assertMatch(
    of([{ ...good, issuer: loose.subject }, loose]),
    /is signed by "CN=loose", which is not in "tlsCaFile": it is of another CA$/,
  );
});

Deno.test("diagnose gives up above ten certificates", async () => {
  let top = ca;
  const between: Certificate[] = [];
  for (let i = 0; i < 11; i++) {
    top = await top.intermediate(`level ${i}`);
    between.unshift(parseCertificate(top.pem));
  }
  const deep = parseCertificate((await top.issue("role")).cert);
  assertMatch(of([deep, ...between]), /has more than 10 certificates above it$/);
  const said = diagnose([deep, ...between.slice(0, 9)], between.slice(9, 10), new Date(), "server");
  assertEquals(said, undefined);
});

Deno.test("diagnose says what names a CA may sign for", () => {
  const name = (text: string) => ({ tag: 0x82, content: new TextEncoder().encode(text) });
  const bounds = { nameConstraints: { permitted: [name("a.example")], excluded: [] } };
  const named = saying(below, { names: [name("b.example")] });
  assertMatch(of([named, saying(middle, bounds)]), /has a name that "CN=middle" above it may not sign for/);
  const said = diagnose(
    [saying(good, { names: [name("b.example")] })],
    [saying(root, bounds)],
    new Date(),
    "client",
  );
  assertMatch(said ?? "", /has a name that "CN=root" above it may not sign for/);
});
