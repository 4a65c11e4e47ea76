/**
 * Handshakes of TLS 1.3 and 1.2 that show any certificates and sign as they like. See `raw_tls.ts`.
 *
 * @module
 */

import {
  concat,
  Content,
  Cursor,
  exchangeKeys,
  extension,
  hmac,
  KEY_SHARE,
  Message,
  message,
  number,
  type Protection,
  SCHEMES,
  sha256,
  vector,
  type Wire,
  X25519,
} from "./records.ts";

/** Whom a peer claims to be. */
export interface Claim {
  /** Certificates, or what is shown in their place; its own first. */
  readonly chain: readonly Uint8Array[];
  /** Signs for the first of them (ECDSA with SHA-256, DER). Absent: the signature is made up. */
  readonly sign?: ((content: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>) | undefined;
}

/** A well-formed signature, of nothing. */
const MADE_UP = Uint8Array.of(0x30, 6, 2, 1, 1, 2, 1, 1);
const ECDSA_P256_SHA256 = number(0x0403, 2);
const ZEROS: Uint8Array<ArrayBuffer> = new Uint8Array(32);
const NONE: Uint8Array<ArrayBuffer> = new Uint8Array();
const encoder = new TextEncoder();

/** The other end went away, or said that it will not go on. */
export class HandshakeEnded extends Error {
  override readonly name = "HandshakeEnded";
  /** The alert that it sent. */
  readonly alert: number | undefined;

  /** After an alert, or none. */
  constructor(alert?: number) {
    super(`the handshake ended with ${alert === undefined ? "no word" : `alert ${alert}`}`);
    this.alert = alert;
  }
}

/** The next message of the handshake, without its head. */
async function expect(wire: Wire, ...types: readonly number[]): Promise<Cursor> {
  for (;;) {
    const next = await wire.next();
    if (next === undefined) throw new HandshakeEnded();
    if (next.type === Content.alert) throw new HandshakeEnded(next.data[1]);
    if (next.type !== Content.handshake || !types.includes(next.data[0] ?? 0)) continue;
    return new Cursor(next.data.subarray(4));
  }
}

function signed(claim: Claim, content: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return claim.sign === undefined ? Promise.resolve(MADE_UP) : claim.sign(content);
}

// --- TLS 1.3

async function expandLabel(
  secret: Uint8Array<ArrayBuffer>,
  label: string,
  context: Uint8Array,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const info = concat(number(length, 2), vector(1, encoder.encode(`tls13 ${label}`)), vector(1, context));
  return (await hmac(secret, concat(info, Uint8Array.of(1)))).slice(0, length);
}

async function protection13(secret: Uint8Array<ArrayBuffer>): Promise<Protection> {
  const [key, iv] = [await expandLabel(secret, "key", NONE, 16), await expandLabel(secret, "iv", NONE, 12)];
  return { version: "1.3", key, iv };
}

interface Secrets13 {
  readonly client: Uint8Array<ArrayBuffer>;
  readonly server: Uint8Array<ArrayBuffer>;
}

interface Schedule13 {
  readonly handshake: Secrets13;
  /** Once both hellos up to the server's last word are in the transcript. */
  application(transcript: Uint8Array<ArrayBuffer>): Promise<Secrets13>;
}

/** Secrets of a link (RFC 8446, 7.1), with the hellos in the transcript. */
async function schedule(
  shared: Uint8Array<ArrayBuffer>,
  transcript: Uint8Array<ArrayBuffer>,
): Promise<Schedule13> {
  const empty = await sha256(NONE);
  const early = await hmac(ZEROS, ZEROS);
  const handshake = await hmac(await expandLabel(early, "derived", empty, 32), shared);
  const master = await hmac(await expandLabel(handshake, "derived", empty, 32), ZEROS);
  const secrets = async (of: Uint8Array<ArrayBuffer>, kind: string, bytes: Uint8Array<ArrayBuffer>) => {
    const hash = await sha256(bytes);
    return {
      client: await expandLabel(of, `c ${kind} traffic`, hash, 32),
      server: await expandLabel(of, `s ${kind} traffic`, hash, 32),
    };
  };
  return {
    handshake: await secrets(handshake, "hs", transcript),
    application: (whole) => secrets(master, "ap", whole),
  };
}

/** Certificate and CertificateVerify. */
async function sayClaim(
  wire: Wire,
  who: "client" | "server",
  claim: Claim,
  context: Uint8Array,
): Promise<void> {
  const entries = claim.chain.map((one) => concat(vector(3, one), vector(2)));
  await wire.say(message(Message.certificate, vector(1, context), vector(3, ...entries)));
  if (claim.chain.length === 0) return;
  const content = concat(
    new Uint8Array(64).fill(0x20),
    encoder.encode(`TLS 1.3, ${who} CertificateVerify\0`),
    await sha256(wire.transcript),
  );
  await wire.say(
    message(Message.certificateVerify, ECDSA_P256_SHA256, vector(2, await signed(claim, content))),
  );
}

async function sayFinished(wire: Wire, secret: Uint8Array<ArrayBuffer>): Promise<void> {
  const key = await expandLabel(secret, "finished", NONE, 32);
  await wire.say(message(Message.finished, await hmac(key, await sha256(wire.transcript))));
}

/** As a server of TLS 1.3. */
export async function serve13(wire: Wire, claim: Claim): Promise<void> {
  const hello = await expect(wire, Message.clientHello);
  hello.take(2 + 32);
  const session = hello.vector(1);
  hello.vector(2); // suites
  hello.vector(1); // compression
  const shares = new Cursor(new Cursor(hello.extensions().get(KEY_SHARE) ?? vector(2)).vector(2));
  let theirs: Uint8Array<ArrayBuffer> | undefined;
  while (!shares.done) {
    const [group, share] = [shares.number(2), shares.vector(2)];
    if (group === X25519) theirs = share;
  }
  if (theirs === undefined) throw new HandshakeEnded();
  const { share, shared } = await exchangeKeys();
  await wire.say(message(
    Message.serverHello,
    number(0x0303, 2),
    crypto.getRandomValues(new Uint8Array(32)),
    vector(1, session),
    number(0x1301, 2), // TLS_AES_128_GCM_SHA256
    Uint8Array.of(0),
    vector(2, extension(43, number(0x0304, 2)), extension(KEY_SHARE, number(X25519, 2), vector(2, share))),
  ));
  const { handshake, application } = await schedule(await shared(theirs), wire.transcript);
  wire.readWith(await protection13(handshake.client));
  wire.writeWith(await protection13(handshake.server));
  await wire.say(
    message(Message.encryptedExtensions, vector(2)),
    message(Message.certificateRequest, vector(1), vector(2, extension(13, vector(2, SCHEMES)))),
  );
  await sayClaim(wire, "server", claim, NONE);
  await sayFinished(wire, handshake.server);
  const secrets = await application(wire.transcript);
  await expect(wire, Message.finished);
  wire.readWith(await protection13(secrets.client));
  wire.writeWith(await protection13(secrets.server));
}

/** As a client of TLS 1.3, up to its own Finished: a refusal comes behind it. */
export async function dial13(wire: Wire, claim: Claim): Promise<void> {
  const { share, shared } = await exchangeKeys();
  await wire.say(message(
    Message.clientHello,
    number(0x0303, 2),
    crypto.getRandomValues(new Uint8Array(32)),
    vector(1),
    vector(2, number(0x1301, 2)),
    vector(1, Uint8Array.of(0)),
    vector(
      2,
      extension(43, vector(1, number(0x0304, 2))),
      extension(10, vector(2, number(X25519, 2))),
      extension(13, vector(2, SCHEMES)),
      extension(KEY_SHARE, vector(2, number(X25519, 2), vector(2, share))),
    ),
  ));
  const hello = await expect(wire, Message.serverHello);
  hello.take(2 + 32);
  hello.vector(1);
  hello.take(2 + 1);
  const theirs = new Cursor(hello.extensions().get(KEY_SHARE) ?? NONE);
  theirs.take(2);
  const { handshake, application } = await schedule(await shared(theirs.vector(2)), wire.transcript);
  wire.readWith(await protection13(handshake.server));
  const request = await expect(wire, Message.certificateRequest);
  await expect(wire, Message.finished);
  const secrets = await application(wire.transcript);
  wire.readWith(await protection13(secrets.server));
  wire.writeWith(await protection13(handshake.client));
  await sayClaim(wire, "client", claim, request.vector(1));
  await sayFinished(wire, handshake.client);
  wire.writeWith(await protection13(secrets.client));
}

// --- TLS 1.2

async function expand(
  secret: Uint8Array<ArrayBuffer>,
  label: string,
  seed: Uint8Array,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const whole = concat(encoder.encode(label), seed);
  let [at, out] = [whole, NONE];
  while (out.length < length) {
    at = await hmac(secret, at);
    out = concat(out, await hmac(secret, concat(at, whole)));
  }
  return out.slice(0, length);
}

/** As a server of TLS 1.2, with ECDHE-ECDSA-AES128-GCM-SHA256. */
export async function serve12(wire: Wire, claim: Claim): Promise<void> {
  const hello = await expect(wire, Message.clientHello);
  hello.take(2);
  const [clientRandom, serverRandom] = [hello.take(32), crypto.getRandomValues(new Uint8Array(32))];
  const { share, shared } = await exchangeKeys();
  const parameters = concat(Uint8Array.of(3), number(X25519, 2), vector(1, share));
  const signature = await signed(claim, concat(clientRandom, serverRandom, parameters));
  await wire.say(
    message(
      Message.serverHello,
      number(0x0303, 2),
      serverRandom,
      vector(1),
      number(0xc02b, 2),
      Uint8Array.of(0),
    ),
    message(Message.certificate, vector(3, ...claim.chain.map((one) => vector(3, one)))),
    message(Message.serverKeyExchange, parameters, ECDSA_P256_SHA256, vector(2, signature)),
    message(Message.certificateRequest, vector(1, Uint8Array.of(64, 1)), vector(2, SCHEMES), vector(2)),
    message(Message.serverHelloDone),
  );
  const theirs = (await expect(wire, Message.clientKeyExchange)).vector(1);
  const master = await expand(
    await shared(theirs),
    "master secret",
    concat(clientRandom, serverRandom),
    48,
  );
  const keys = new Cursor(await expand(master, "key expansion", concat(serverRandom, clientRandom), 40));
  const [clientKey, serverKey, clientIv, serverIv] = [
    keys.take(16),
    keys.take(16),
    keys.take(4),
    keys.take(4),
  ];
  wire.readWith({ version: "1.2", key: clientKey, iv: clientIv });
  await expect(wire, Message.finished);
  const hash = await sha256(wire.transcript);
  await wire.send(Content.changeCipherSpec, Uint8Array.of(1));
  wire.writeWith({ version: "1.2", key: serverKey, iv: serverIv });
  await wire.say(message(Message.finished, await expand(master, "server finished", hash, 12)));
}
