/**
 * Chains that X.509 forbids, over TLS that is spoken by hand: as they are, and with a certificate that rustls
 * can't read, so that Deno's client looks at nothing but names (decision 0018).
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  alternativeNames,
  basicConstraints,
  caExtensions,
  certificatePem,
  claim,
  CLIENT_AUTH,
  commonName,
  extendedKeyUsage,
  generalName,
  keyUsage,
  leafExtensions,
  nameConstraints,
  NULL,
  OddCa,
  type OddPair,
  type OddParts,
  printableName,
  validity,
} from "../../testing/pki/odd_certificates.ts";
import { concat, RawServer } from "../../testing/raw_tls/raw_tls.ts";
import { loadTlsContext, type TlsContext } from "../../security/live/context.ts";
import { der, Tag } from "../../security/x509/der.ts";
import { TlsRefusedError } from "../../security/verdict.ts";
import { derExtension, type KeyPair } from "../../security/x509/issue.ts";
import { nodeTls } from "./node_tls.ts";

const root = await OddCa.make("our-ca");
const security = await root.security();
const context = await loadTlsContext(security, "client");
const NONE = new Uint8Array();
const V1: OddParts = { version: null, extensions: null };
const host = (name: string): Uint8Array => alternativeNames(generalName(0x82, name));
const bounded = { extensions: [...caExtensions(), nameConstraints([generalName(0x82, "clients.example")])] };
const foreign = { extensions: [...leafExtensions(), host("scheduler.example")] };

/** A certificate that nobody can do anything with, but that stops rustls. */
const junk = await root.sign({ ...V1, subject: commonName("junk") }, root.keys);

/** What anybody can do to a chain, so that rustls sees less of it. */
const HIDINGS: Readonly<Record<string, (chain: readonly Uint8Array[]) => readonly Uint8Array[]>> = {
  "by nothing": (chain) => chain,
  "by two bytes behind the leaf": ([leaf = NULL, ...rest]) => [concat(leaf, NULL), ...rest],
  "by an X.509 v1 certificate beside": (chain) => [...chain, junk],
};

/** Dials a server that shows `chain` and owns its first certificate; what it says, or nothing. */
async function refusal(
  chain: readonly Uint8Array[],
  keys: KeyPair | undefined,
  trusting: TlsContext = context,
): Promise<string | undefined> {
  await using server = new RawServer(claim(chain, keys));
  const dialling = nodeTls.dial({
    hostname: "127.0.0.1",
    port: server.port,
    context: trusting,
    signal: undefined,
  });
  const refused = await dialling.then((stream) => stream.abort(), (error: unknown) => error);
  assertEquals((await server.ends.next()).heard.length, 0, "something was sent");
  if (refused === undefined) return undefined;
  assert(refused instanceof TlsRefusedError, `${refused}`);
  assertEquals([refused.side, refused.final], ["here", true]);
  return refused.message;
}

/** Certificates as they are sent, the leaf first, and the leaf's keys. */
interface Chain {
  readonly chain: readonly Uint8Array[];
  readonly keys: KeyPair;
}

/** A leaf below `ca`, and what stands behind it. */
async function below(ca: OddCa, above: readonly OddPair[], parts: OddParts = {}): Promise<Chain> {
  const { cert, keys } = await ca.issue(parts);
  return { chain: [cert, ...above.map((one) => one.cert)], keys };
}

/** A leaf below a CA below the root. */
async function two(parts: OddParts, leaf: OddParts = {}): Promise<Chain> {
  const ca = await root.intermediate("sub", parts);
  return await below(ca, [ca], leaf);
}

/** A leaf below so many CAs below `top`. */
async function deep(
  top: OddCa,
  count: number,
  leaf: OddParts = {},
  above: readonly OddPair[] = [],
): Promise<Chain> {
  const cas: OddCa[] = [];
  for (let at = top; cas.length < count; cas.unshift(at)) at = await at.intermediate(`level ${cas.length}`);
  return await below(cas[0] ?? top, [...cas, ...above], leaf);
}

/** A certificate of `of`, by `by`. */
async function cross(by: OddCa, { name, keys }: OddCa, parts: OddParts = {}): Promise<OddPair> {
  return { cert: await by.sign({ extensions: caExtensions(), ...parts, subject: name }, keys), keys };
}

async function forbidden(): Promise<readonly (readonly [what: string, chain: Chain, words: RegExp])[]> {
  const short = await root.intermediate("short", { extensions: caExtensions(0) });
  const longer = await short.intermediate("longer");
  const narrow = await root.intermediate("narrow", bounded);
  const respelled = new OddCa(narrow.cert, narrow.keys, printableName("narrow"));
  const spelled = await respelled.intermediate("spelled");
  const [a, b] = [await OddCa.make("a"), await OddCa.make("b")];
  const stranger = await OddCa.make("stranger");
  const twin = await OddCa.make("our-ca");
  const clientsOnly = extendedKeyUsage(CLIENT_AUTH);
  const unknown = derExtension("1.2.3.4", true, NULL);
  const outOfBounds = /has a name that "CN=narrow" above it may not sign for/;
  return [
    ["a CA below one that may have none", await below(longer, [longer, short]), /may have no CA below it/],
    [
      "a CA that may not sign",
      await two({ extensions: [basicConstraints(true), keyUsage(0x80, 7)] }),
      /"CN=sub", which may not sign certificates by its key usage/,
    ],
    [
      "a CA for clients",
      await two({ extensions: [...caExtensions(), clientsOnly] }),
      /may not sign for servers/,
    ],
    [
      "a leaf for clients",
      await two({}, { extensions: [basicConstraints(false), clientsOnly] }),
      /may not be used as a server's/,
    ],
    [
      "a CA with an unknown critical extension",
      await two({ extensions: [...caExtensions(), unknown] }),
      /critical extension that is not understood \(1\.2\.3\.4\)/,
    ],
    [
      "a leaf with an unknown critical extension",
      await two({}, { extensions: [...leafExtensions(), unknown] }),
      /critical extension that is not understood \(1\.2\.3\.4\)/,
    ],
    ["a leaf above another", await two({ extensions: leafExtensions() }), /"CN=sub", which is no CA/],
    ["a CA that does not say so", await two({ extensions: [keyUsage(0x06, 1)] }), /"CN=sub", which is no CA/],
    ["a CA that has expired", await two({ validity: validity(-30, -1) }), /"CN=sub", which has expired/],
    ["a CA of tomorrow", await two({ validity: validity(1, 30) }), /"CN=sub", which is not valid before/],
    ["a CA of X.509 v1", await two(V1), /"CN=sub", which is X\.509 v1, which does not say that it may sign/],
    [
      "a CA with two words on being one",
      await two({ extensions: [basicConstraints(false), keyUsage(0x06, 1), basicConstraints(true)] }),
      /"CN=sub", a certificate that it sent, is not written as DER demands: extension 2\.5\.29\.19 occurs twice/,
    ],
    ["a leaf that has expired", await two({}, { validity: validity(-30, -1) }), /"CN=scheduler" has expired/],
    [
      "a leaf of tomorrow",
      await two({}, { validity: validity(1, 30) }),
      /"CN=scheduler" is not valid before/,
    ],
    ["a name out of its CA's bounds", await below(narrow, [narrow], foreign), outOfBounds],
    [
      "such a name, and one of no kind",
      await below(narrow, [narrow], {
        extensions: [
          ...leafExtensions(),
          alternativeNames(der(0x89), generalName(0x82, "scheduler.example")),
        ],
      }),
      /extension 2\.5\.29\.17 is not as it should be|has a name that "CN=narrow" above it/,
    ],
    [
      "such a name, below a CA that spells its issuer another way",
      await below(spelled, [spelled, await cross(root, respelled, V1), narrow], foreign),
      /"CN=narrow", which is X\.509 v1|has a name that "CN=narrow" above it/,
    ],
    ["such a name, seven CAs deep", await deep(narrow, 6, foreign, [narrow]), outOfBounds],
    ["a CA of another name", await below(stranger, []), /is signed by "CN=stranger"/],
    [
      "a CA of another name, and an X.509 v1 certificate of it by a CA of ours",
      await below(stranger, [await cross(new OddCa(root.cert, stranger.keys, root.name), stranger, V1)]),
      /"CN=stranger", which is X\.509 v1/,
    ],
    ["another CA of our CA's name", await below(twin, [twin]), /is of another CA with the same name/],
    [
      "two CAs that sign each other",
      await below(a, [await cross(b, a), await cross(a, b)]),
      /does not lead to the CA/,
    ],
  ];
}

/** rustls' own word, and ours for two bytes behind a leaf. */
const OTHERS = [
  /refused: its certificate can't be verified/,
  /not written as DER demands: something stands behind it\./,
];

for (const [what, { chain, keys }, words] of await forbidden()) {
  Deno.test(`nodeTls.dial refuses a chain with this, hidden or not: ${what}`, async () => {
    for (const [how, hide] of Object.entries(HIDINGS)) {
      const said = await refusal(hide(chain), keys) ?? "taken";
      assert(
        [words, ...OTHERS, /does not lead to the CA in "tlsCaFile"/].some((one) => one.test(said)),
        `${how}: ${said}`,
      );
    }
  });
}

Deno.test("nodeTls.dial takes a good chain, whatever harmless is sent along", async () => {
  const narrow = await root.intermediate("narrow", bounded);
  const within = { extensions: [...leafExtensions(), host("a.clients.example")] };
  const good = [
    await two({}),
    await deep(root, 5),
    await below(narrow, [narrow, root], within),
  ];
  for (const { chain, keys } of good) {
    for (const more of [[], [junk], [root.cert], [(await OddCa.make("stranger")).cert], chain]) {
      assertEquals(await refusal([...chain, ...more], keys), undefined);
    }
  }
});

Deno.test("nodeTls.dial refuses a certificate beside a good chain that can't be read, and goes on", async () => {
  const { chain, keys } = await two({});
  const [leaf = NULL] = chain;
  const odd = await root.sign({ serial: der(Tag.octetString) }, root.keys);
  for (
    const [what, one] of Object.entries({
      nonsense: Uint8Array.of(1, 2, 3),
      nothing: NONE,
      half: leaf.subarray(0, 100),
      odd,
    })
  ) {
    for (
      const shown of [[...chain, one], [leaf, one, ...chain.slice(1)], [concat(leaf, NULL), one], [one], [
        one,
        ...chain,
      ]]
    ) {
      for (const key of [keys, undefined]) {
        const said = await refusal(shown, key) ?? "taken";
        assertMatch(said, /can't be read|can't be verified|as DER demands|does not lead to the CA/, what);
      }
    }
  }
});

Deno.test("nodeTls.dial refuses more certificates than a chain has", async () => {
  const { chain, keys } = await two({});
  const strangers = await Promise.all(Array.from({ length: 9 }, (_, at) => OddCa.make(`stranger ${at}`)));
  const others = strangers.map(({ cert }) => cert);
  assertEquals(await refusal([...chain, ...others.slice(1)], keys), undefined);
  assertMatch(
    await refusal([...chain, ...others], keys) ?? "taken",
    /a certificate of its chain can't be read: there are more than 10 certificates$/,
  );
});

Deno.test("nodeTls.dial takes who is in the bundle itself, with the key alone, and nobody below who is no CA", async () => {
  const pinned = await root.issue({ subject: commonName("pinned") });
  const bundle = { ...security, tlsCaFile: certificatePem(root.cert) + certificatePem(pinned.cert) };
  const trusting = await loadTlsContext(bundle, "client");
  for (const { cert, keys } of [root, pinned]) {
    assertEquals(await refusal([cert], keys, trusting), undefined);
    for (const shown of [cert, concat(cert, NULL)]) {
      assertMatch(await refusal([shown], undefined, trusting) ?? "taken", /can't be verified|as DER demands/);
    }
  }
  const leaf = await below(new OddCa(pinned.cert, pinned.keys, commonName("pinned")), []);
  for (const shown of [leaf.chain, [...leaf.chain, pinned.cert]]) {
    for (const hide of Object.values(HIDINGS)) {
      assert(await refusal(hide(shown), leaf.keys, trusting) !== undefined);
    }
  }
});

Deno.test("nodeTls.dial refuses what a CA of the bundle signed that has expired", async () => {
  const old = await OddCa.make("old-ca", { validity: validity(-30, -1) });
  const bundle = { ...security, tlsCaFile: certificatePem(root.cert) + certificatePem(old.cert) };
  const trusting = await loadTlsContext(bundle, "client");
  const { chain, keys } = await below(old, []);
  for (const hide of Object.values(HIDINGS)) {
    const said = await refusal(hide(chain), keys, trusting) ?? "taken";
    assert([/"CN=old-ca" of "tlsCaFile", which has expired/, ...OTHERS].some((one) => one.test(said)), said);
  }
});
