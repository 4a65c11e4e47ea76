import { assert, assertEquals, assertThrows } from "@std/assert";
import { encodeFrames } from "../protocol/frames.ts";
import { encodeMessage } from "../protocol/message.ts";
import { Serialized } from "../protocol/serialized.ts";
import { LinkPair } from "../testing/links.ts";
import type { HandshakeInfo } from "./comm.ts";
import { HandshakeError, handshakeInfo, negotiate, parseHandshake } from "./handshake.ts";

interface Vector {
  readonly id: string;
  readonly kind: "info" | "negotiate";
  readonly message?: { readonly compression: string | null };
  readonly wire?: string;
  readonly local: string & HandshakeInfo;
  readonly peer: string;
  readonly remote: unknown;
  readonly config_compression: string | false | null;
  readonly ok?: { readonly "pickle-protocol": number; readonly compression: string | null };
  readonly error?: string;
}

const { vectors }: { readonly vectors: readonly Vector[] } = JSON.parse(
  await Deno.readTextFile(new URL("../tests/vectors/handshake.json", import.meta.url)),
);

/** `"auto"` means lz4 here as there. */
function setting(compression: string | false | null): string | null {
  return compression === "auto" ? "lz4" : compression === false ? null : compression;
}

Deno.test("handshakeInfo offers compression as Dask does: never on one host", () => {
  const infos = vectors.filter(({ kind }) => kind === "info");
  assert(infos.length >= 5);
  for (const { id, local, peer, config_compression, message } of infos) {
    const info = handshakeInfo(local, peer, setting(config_compression));
    assertEquals(info.compression, message?.compression ?? null, id);
    assertEquals(info["pickle-protocol"], 5, id);
    assertEquals(info.javascript, { protocol: 1 }, id);
  }
});

Deno.test("a Python peer's handshake is written with these very bytes", () => {
  for (const { id, kind, message, wire } of vectors) {
    if (kind !== "info" || wire === undefined || message === undefined) continue;
    const python = { compression: message.compression, python: [3, 11, 2], "pickle-protocol": 5 };
    const [bytes] = encodeFrames(encodeMessage(python));
    assertEquals(btoa(String.fromCharCode(...bytes ?? [])), wire, id);
  }
});

Deno.test("negotiate takes the lower pickle protocol and compression only if equal, as Dask does", () => {
  const cases = vectors.filter(({ kind }) => kind === "negotiate");
  assert(cases.length >= 8);
  for (const { id, local, remote, ok } of cases) {
    if (ok === undefined) {
      assertThrows(() => parseHandshake(remote), HandshakeError, undefined, id);
      continue;
    }
    const agreed = negotiate(local, parseHandshake(remote));
    assertEquals(
      { "pickle-protocol": agreed.pickleProtocol, compression: agreed.compression },
      ok,
      id,
    );
  }
});

Deno.test("parseHandshake knows peers of this package, and leaves out what it does not know", () => {
  const message = { compression: null, python: [0, 0, 0], "pickle-protocol": 5 };
  assertEquals(parseHandshake({ ...message, extra: 1 }), message);
  assertEquals(parseHandshake({ ...message, javascript: { protocol: 1, more: 2 } }).javascript, {
    protocol: 1,
  });
  assertEquals(parseHandshake({ ...message, javascript: { protocol: 2 } }).javascript, undefined);
  assertEquals(parseHandshake({ ...message, javascript: true }).javascript, undefined);
  assertEquals(parseHandshake({ ...message, python: "3.11" }).python, []);
});

Deno.test("parseHandshake says what is wrong", () => {
  const cases: [unknown, string][] = [
    ["hello", "not a handshake but a string"],
    [null, "not a handshake but nil"],
    [[1], "not a handshake but an array"],
    [{ compression: null }, `"pickle-protocol" of the handshake is missing`],
    [{ compression: null, "pickle-protocol": 4.5 }, "not an integer"],
    [{ "pickle-protocol": 5 }, `"compression" of the handshake is missing`],
    [{ compression: { lz4: 1 }, "pickle-protocol": 5 }, "is a map, not a name"],
  ];
  for (const [message, text] of cases) assertThrows(() => parseHandshake(message), HandshakeError, text);
});

Deno.test("compression that both sides ask for is used, also against the same-host rule", async () => {
  // Both ends are on this host, so the offer is forced; what matters is that it is honoured.
  const pair = await LinkPair.make("tcp", { handshake: { compression: "lz4" } });
  const payload = new Serialized({ serializer: "x" }, [new Uint8Array(200_000)]);
  await pair.client.write({ payload });
  const received = (await pair.server.read() as { payload: Serialized }).payload;
  assertEquals(received.header["compression"], ["lz4"]);
  assert(received.nbytes < 2000, `${received.nbytes} bytes came`);
  assertEquals([pair.client.peerInfo.compression, pair.server.peerInfo.compression], ["lz4", "lz4"]);
  await pair[Symbol.asyncDispose]();
});
