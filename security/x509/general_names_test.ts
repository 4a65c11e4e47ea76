/** Bounds of names, as we judge them and as rustls does: on a listener it looks at them always. */

import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { createServer, type TLSSocket } from "node:tls";
import type { AddressInfo } from "node:net";
import {
  alternativeNames,
  caExtensions,
  certificatePem,
  claim,
  generalName,
  leafExtensions,
  nameConstraints,
  OddCa,
} from "../../testing/pki/odd_certificates.ts";
import { rawDial } from "../../testing/raw_tls/raw_tls.ts";
import { der, Tag } from "./der.ts";
import { readNameConstraints } from "./general_names.ts";
import { keyPem } from "./issue.ts";
import { diagnose } from "./diagnosis.ts";
import { findPath } from "./path.ts";
import { parseCertificate } from "./certificate.ts";

const dns = (text: string) => generalName(0x82, text);
const uri = (text: string) => generalName(0x86, text);
const ip = (...bytes: readonly number[]) => generalName(0x87, Uint8Array.from(bytes));
const mail = (text: string) => generalName(0x81, text);
const someone = generalName(0xa4, der(Tag.sequence));
const acme = [dns("acme.example")];
const sixteen = ip(...new Uint8Array(16));

interface Bounds {
  readonly permitted?: readonly Uint8Array[];
  readonly excluded?: readonly Uint8Array[];
}

type Names = readonly Uint8Array[];

const CASES: readonly (readonly [bounds: Bounds, within: readonly Names[], outside: readonly Names[]])[] = [
  [
    { permitted: acme },
    [[], acme, [dns("a.ACME.example"), dns("b.acme.example")], [uri("a://b")], [ip(1, 2, 3, 4)]],
    [[dns("example")], [dns("xacme.example")], [dns("a.acme.example"), dns("b.example")]],
  ],
  [{ permitted: [...acme, dns("b.example")] }, [[dns("x.acme.example"), dns("b.example")]], [[
    dns("c.example"),
  ]]],
  [{ permitted: [dns(".acme.example")] }, [[dns("a.acme.example")]], [acme]],
  [{ permitted: [dns("")] }, [[dns("a.example")]], [[dns("a..b")]]],
  [
    { excluded: acme },
    [[dns("b.example")], [dns("*.b.example")], [uri("a://acme.example")]],
    [acme, [dns("a.acme.example")], [dns("*.example")], [dns("acme.example.")]],
  ],
  [
    { permitted: [ip(10, 0, 0, 0, 255, 0, 0, 0)] },
    [[ip(10, 9, 8, 7)], [dns("a.example")]],
    [[ip(11, 0, 0, 1)], [sixteen], [ip(10)]],
  ],
  [
    { excluded: [ip(10, 0, 0, 0, 255, 0, 0, 0)] },
    [[ip(11, 0, 0, 1)], [sixteen]],
    [[ip(10, 9, 8, 7)], [ip(10, 9, 8)]],
  ],
  // Kinds that are not compared.
  [
    { permitted: [uri("acme.example"), mail("acme.example")] },
    [acme],
    [[uri("https://acme.example")], [mail("a@acme.example")]],
  ],
  [{ excluded: [uri("acme.example")] }, [acme], [[uri("https://b.example")]]],
  // All have a subject.
  [{ permitted: [someone] }, [], [[], acme]],
  [{ excluded: [someone] }, [], [[]]],
];

const root = await OddCa.make("root");

/** Whether rustls finds a client's chain good. */
async function rustls(): Promise<
  AsyncDisposable & { judge(...as: Parameters<typeof claim>): Promise<boolean> }
> {
  const own = await root.issue();
  let verdict = Promise.withResolvers<boolean>();
  const server = createServer({
    ca: [certificatePem(root.cert)],
    cert: certificatePem(own.cert),
    key: await keyPem(own.keys),
    requestCert: true,
    rejectUnauthorized: false,
  }, (socket: TLSSocket) => {
    socket.on("error", () => {});
    verdict.resolve(socket.authorized);
    socket.destroy();
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", () => resolve());
  await promise;
  return {
    judge: async (...as) => {
      verdict = Promise.withResolvers();
      const [is] = await Promise.all([
        verdict.promise,
        rawDial((server.address() as AddressInfo).port, claim(...as)),
      ]);
      return is;
    },
    [Symbol.asyncDispose]: async () => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      await closed.promise;
    },
  };
}

Deno.test("findPath keeps to the bounds that a CA has for names, as rustls does", async () => {
  await using judge = await rustls();
  const NOW = { now: new Date(), purpose: "client" } as const;
  for (const [{ permitted = [], excluded = [] }, within, outside] of CASES) {
    const middle = await root.intermediate("middle", {
      extensions: [...caExtensions(), nameConstraints(permitted, excluded)],
    });
    for (
      const [names, expected] of [
        ...within.map((one) => [one, true] as const),
        ...outside.map((one) => [one, false] as const),
      ]
    ) {
      const extensions = [...leafExtensions(), ...names.length === 0 ? [] : [alternativeNames(...names)]];
      const { cert, keys } = await middle.issue({ extensions });
      const what = [permitted, excluded, names].map((all) => all.map((one) => one.toHex()).join(" ")).join(
        " | ",
      );
      const chain = [cert, middle.cert];
      const path = findPath(chain.map((one) => parseCertificate(one)), [parseCertificate(root.cert)], NOW);
      assertEquals(path !== undefined, expected, what);
      assertEquals(await judge.judge(chain, keys), expected, `rustls: ${what}`);
    }
  }
});

Deno.test("findPath counts bounds of every CA above, and diagnose names who is out of whose", async () => {
  const now = new Date();
  const bounded = { extensions: [...caExtensions(), nameConstraints(acme)] };
  const [top, middle] = [await OddCa.make("top", bounded), await root.intermediate("middle", bounded)];
  const sub = await middle.intermediate("sub");
  const odd = await middle.intermediate("odd", {
    extensions: [...caExtensions(), alternativeNames(dns("b.example"))],
  });
  const named = { extensions: [...leafExtensions(), alternativeNames(dns("b.example"))] };
  const chains = [
    [
      [await sub.issue(named), sub, middle],
      root,
      /^certificate "CN=scheduler" has a name that "CN=middle" above it/,
    ],
    [
      [await top.issue(named)],
      top,
      /^certificate "CN=scheduler" has a name that "CN=top" above it may not sign for/,
    ],
    [
      [await odd.issue(), odd, middle],
      root,
      /has "CN=odd" above it, with a name that "CN=middle" above it may not/,
    ],
  ] as const;
  for (const [pairs, ca, words] of chains) {
    const [chain, cas] = [pairs.map(({ cert }) => parseCertificate(cert)), [parseCertificate(ca.cert)]];
    assertEquals(findPath(chain, cas, { now }), undefined);
    assertMatch(diagnose(chain, cas, now, "server") ?? "", words);
  }
  const good = [await sub.issue(), sub, middle].map(({ cert }) => parseCertificate(cert));
  assertEquals(findPath(good, [parseCertificate(root.cert)], { now })?.length, 4);
});

Deno.test("readNameConstraints refuses what it can't be sure of", () => {
  const base = der(Tag.sequence, dns("a"));
  const bad = [
    der(Tag.sequence, der(Tag.context, der(Tag.sequence, dns("a"), der(0x80, Uint8Array.of(0))))),
    der(Tag.sequence, der(Tag.context, der(Tag.sequence, der(0x89)))),
    der(Tag.sequence, der(Tag.context | 1, base), der(Tag.context, base)),
    new Uint8Array([...der(Tag.sequence, der(Tag.context, base)), 5, 0]),
    Uint8Array.of(0xff),
  ];
  for (const value of bad) assertThrows(() => readNameConstraints(value), SyntaxError);
  assertEquals(readNameConstraints(der(Tag.sequence, der(Tag.context | 1, base))).excluded.length, 1);
});
