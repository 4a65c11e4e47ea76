import { assertEquals, assertThrows } from "@std/assert";
import {
  alternativeNames,
  basicConstraints,
  CLIENT_AUTH,
  extendedKeyUsage,
  generalName,
  keyUsage,
  nameConstraints,
  SERVER_AUTH,
} from "../../testing/pki/odd_certificates.ts";
import { der, derBitString, derOid, DerReader, Tag } from "./der.ts";
import { extensionList, type Extensions, readExtensions } from "./extensions.ts";
import { derExtension } from "./issue.ts";

/** What extensions behind a public key say. */
function read(...extensions: readonly Uint8Array[]): Extensions {
  return readExtensions(new DerReader(der(Tag.context | 3, der(Tag.sequence, ...extensions))));
}

const NOTHING: Extensions = {
  uris: [],
  dnsNames: [],
  names: [],
  isCa: false,
  pathLength: undefined,
  usages: undefined,
  signsHandshakes: true,
  signsCertificates: true,
  signsCrls: true,
  nameConstraints: undefined,
  unknownCritical: [],
};

Deno.test("readExtensions takes no extensions for no restriction", () => {
  assertEquals(read(), NOTHING);
  assertEquals(readExtensions(new DerReader(new Uint8Array())), NOTHING);
});

Deno.test("readExtensions looks for extensions behind unique identifiers", () => {
  const identifiers = [der(0x81, Uint8Array.of(0, 1)), der(0x82, Uint8Array.of(0, 2))];
  const extensions = der(Tag.context | 3, der(Tag.sequence, basicConstraints(true)));
  const rest = der(Tag.sequence, ...identifiers, extensions);
  assertEquals(readExtensions(new DerReader(rest).enter(Tag.sequence)), { ...NOTHING, isCa: true });
  const none = der(Tag.sequence, ...identifiers);
  assertEquals(readExtensions(new DerReader(none).enter(Tag.sequence)), NOTHING);
});

Deno.test("readExtensions tells alternative names by kind, and keeps all", () => {
  const { uris, dnsNames, names } = read(alternativeNames(
    generalName(0x82, "a.example"),
    generalName(0x86, "spiffe://a/b"),
    generalName(0x82, "\ufeffb.example"),
    generalName(0x87, Uint8Array.of(127, 0, 0, 1)),
  ));
  assertEquals([uris, dnsNames], [["spiffe://a/b"], ["a.example", "\ufeffb.example"]]);
  assertEquals(names.map(({ tag }) => tag), [0x82, 0x86, 0x82, 0x87]);
});

Deno.test("readExtensions reads basic constraints", () => {
  const of = (...parts: readonly Uint8Array[]): unknown[] => {
    const { isCa, pathLength } = read(derExtension("2.5.29.19", true, der(Tag.sequence, ...parts)));
    return [isCa, pathLength];
  };
  const boolean = (byte: number) => der(Tag.boolean, Uint8Array.of(byte));
  const integer = (...content: readonly number[]) => der(Tag.integer, Uint8Array.from(content));
  assertEquals(of(), [false, undefined]);
  assertEquals(of(boolean(0)), [false, undefined]);
  assertEquals(of(boolean(0xff)), [true, undefined]);
  assertEquals(of(boolean(1)), [true, undefined]);
  assertEquals(of(boolean(0xff), integer(0)), [true, 0]);
  assertEquals(of(boolean(0xff), integer(1, 2)), [true, 258]);
  assertEquals(of(integer(3)), [false, 3]);
});

Deno.test("readExtensions reads what a key may be used for", () => {
  const of = (bits: number): boolean[] => {
    const { signsHandshakes, signsCertificates, signsCrls } = read(keyUsage(bits, 0));
    return [signsHandshakes, signsCertificates, signsCrls];
  };
  assertEquals(of(0x80), [true, false, false]);
  assertEquals(of(0x04), [false, true, false]);
  assertEquals(of(0x02), [false, false, true]);
  assertEquals(of(0x79), [false, false, false]);
  assertEquals(of(0x86), [true, true, true]);
  const none = read(derExtension("2.5.29.15", true, derBitString(0, new Uint8Array())));
  assertEquals([none.signsHandshakes, none.signsCertificates, none.signsCrls], [false, false, false]);
  assertEquals(read(extendedKeyUsage(SERVER_AUTH, CLIENT_AUTH)).usages, [SERVER_AUTH, CLIENT_AUTH]);
  assertEquals(read(extendedKeyUsage()).usages, []);
});

Deno.test("readExtensions names what is critical and not known, and nothing else", () => {
  const nothing = new Uint8Array();
  const all = read(
    derExtension("1.2.3", true, nothing),
    derExtension("1.2.4", false, nothing),
    derExtension("2.5.29.31", true, nothing), // rustls knows these
    derExtension("2.5.29.32", true, nothing),
    keyUsage(0x80, 7),
    basicConstraints(false),
    nameConstraints([generalName(0x82, "a.example")]),
  );
  assertEquals(all.unknownCritical, ["1.2.3", "2.5.29.32"]);
  assertEquals(all.nameConstraints?.permitted.length, 1);
});

Deno.test("extensionList reads whether each is critical", () => {
  const value = Uint8Array.of(1);
  const inFull = der(
    Tag.sequence,
    ...[derExtension("1.2.3", true, value), derExtension("1.2.3", false, value)],
    der(Tag.sequence, derOid("1.2.3"), der(Tag.boolean, Uint8Array.of(0)), der(Tag.octetString, value)),
  );
  const critical = extensionList(new DerReader(inFull).enter(Tag.sequence));
  assertEquals(critical, [true, false, false].map((critical) => ({ oid: "1.2.3", critical, value })));
  const noValue = der(Tag.sequence, der(Tag.sequence, derOid("1.2.3")));
  assertThrows(() => extensionList(new DerReader(noValue).enter(Tag.sequence)), SyntaxError);
});
