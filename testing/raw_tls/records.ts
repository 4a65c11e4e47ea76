/**
 * Bytes, records and hashes of TLS (RFC 8446, RFC 5246), for peers that do what no library lets them do: show
 * any certificate, and sign with any key. One suite, AES-128-GCM with SHA-256; nothing that the other end
 * says is checked.
 *
 * @module
 */

/** Types of records. */
export const Content = { changeCipherSpec: 20, alert: 21, handshake: 22, data: 23 } as const;

/** Types of handshake messages. */
export const Message = {
  clientHello: 1,
  serverHello: 2,
  encryptedExtensions: 8,
  certificate: 11,
  serverKeyExchange: 12,
  certificateRequest: 13,
  serverHelloDone: 14,
  certificateVerify: 15,
  clientKeyExchange: 16,
  finished: 20,
} as const;

/** The group of all key exchanges here. */
export const X25519 = 29;
/** Extensions. */
export const KEY_SHARE = 51;
/** `ecdsa_secp256r1_sha256`, `rsa_pss_rsae_sha256`, `ed25519`, each with its two bytes. */
export const SCHEMES = Uint8Array.of(0x04, 0x03, 0x08, 0x04, 0x08, 0x07);

/** What a record takes at most, with some room. */
const MOST_BYTES = 16_000;
const HEAD_BYTES = 5;
const TAG_BYTES = 16;

/** Bytes behind each other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A number in so many bytes, the highest first. */
export function number(value: number, size: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: size }, (_, at) => Math.floor(value / 256 ** (size - 1 - at)) % 256);
}

/** Bytes with their length, in `size` bytes, in front. */
export function vector(size: number, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const content = concat(...parts);
  return concat(number(content.length, size), content);
}

/** A handshake message. */
export function message(type: number, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return concat(Uint8Array.of(type), vector(3, ...parts));
}

/** An extension. */
export function extension(type: number, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return concat(number(type, 2), vector(2, ...parts));
}

/** Takes a message apart. */
export class Cursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  /** Over all of `bytes`. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Whether nothing is left. */
  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** The next bytes. */
  take(count: number): Uint8Array<ArrayBuffer> {
    this.#at += count;
    if (this.#at > this.#bytes.length) throw new RangeError("TLS: a message is cut off");
    return this.#bytes.slice(this.#at - count, this.#at);
  }

  /** A number of so many bytes. */
  number(size: number): number {
    return this.take(size).reduce((value, byte) => value * 256 + byte, 0);
  }

  /** Bytes with their length in front. */
  vector(size: number): Uint8Array<ArrayBuffer> {
    return this.take(this.number(size));
  }

  /** Extensions by type; none at the end of a message. */
  extensions(): Map<number, Uint8Array> {
    const found = new Map<number, Uint8Array>();
    if (this.done) return found;
    const all = new Cursor(this.vector(2));
    while (!all.done) found.set(all.number(2), all.vector(2));
    return found;
  }
}

/** SHA-256. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** HMAC with SHA-256. */
export async function hmac(
  key: Uint8Array<ArrayBuffer>,
  data: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, [
    "sign",
  ]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, data));
}

/** One half of a key exchange. */
export async function exchangeKeys(): Promise<
  { readonly share: Uint8Array; shared(other: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> }
> {
  const pair = await crypto.subtle.generateKey("X25519", true, ["deriveBits"]) as CryptoKeyPair;
  return {
    share: new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)),
    shared: async (other) => {
      const key = await crypto.subtle.importKey("raw", other, "X25519", true, []);
      const bits = await crypto.subtle.deriveBits({ name: "X25519", public: key }, pair.privateKey, 256);
      return new Uint8Array(bits);
    },
  };
}

/** What protects records of one direction. */
export interface Protection {
  /** Which bytes of the nonce are the direction's own; the rest counts. */
  readonly iv: Uint8Array<ArrayBuffer>;
  /** AES key. */
  readonly key: Uint8Array<ArrayBuffer>;
  /** Of 1.2 and 1.3 all but the cipher differs: nonce, additional data, where the type stands. */
  readonly version: "1.2" | "1.3";
}

class Sealer {
  readonly #protection: Protection;
  readonly #key: Promise<CryptoKey>;
  #count = 0;

  constructor(protection: Protection) {
    this.#protection = protection;
    this.#key = crypto.subtle.importKey("raw", protection.key, "AES-GCM", false, ["encrypt", "decrypt"]);
  }

  /** A record's content, and its type as it stands outside. */
  async seal(type: number, data: Uint8Array): Promise<readonly [number, Uint8Array]> {
    const count = number(this.#count++, 8);
    if (this.#protection.version === "1.3") {
      const inner = concat(data, Uint8Array.of(type));
      const head = recordHead(Content.data, inner.length + TAG_BYTES);
      return [Content.data, await this.#encrypt(this.#masked(count), head, inner)];
    }
    const head = concat(count, recordHead(type, data.length));
    const sealed = await this.#encrypt(concat(this.#protection.iv, count), head, concat(data));
    return [type, concat(count, sealed)];
  }

  async open(type: number, body: Uint8Array): Promise<Incoming> {
    const count = number(this.#count++, 8);
    if (this.#protection.version === "1.3") {
      const plain = await this.#decrypt(
        this.#masked(count),
        recordHead(type, body.length),
        concat(body),
      );
      const end = plain.findLastIndex((byte) => byte !== 0);
      return { type: plain[end] ?? 0, data: plain.subarray(0, end) };
    }
    const head = concat(count, recordHead(type, body.length - 8 - TAG_BYTES));
    const nonce = concat(this.#protection.iv, body.subarray(0, 8));
    return { type, data: await this.#decrypt(nonce, head, concat(body.subarray(8))) };
  }

  #masked(count: Uint8Array): Uint8Array<ArrayBuffer> {
    return this.#protection.iv.map((byte, at) => byte ^ (count[at - 4] ?? 0));
  }

  async #encrypt(
    iv: Uint8Array<ArrayBuffer>,
    additionalData: Uint8Array<ArrayBuffer>,
    data: Uint8Array<ArrayBuffer>,
  ): Promise<Uint8Array> {
    return new Uint8Array(
      await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData }, await this.#key, data),
    );
  }

  async #decrypt(
    iv: Uint8Array<ArrayBuffer>,
    additionalData: Uint8Array<ArrayBuffer>,
    data: Uint8Array<ArrayBuffer>,
  ): Promise<Uint8Array> {
    return new Uint8Array(
      await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData }, await this.#key, data),
    );
  }
}

function recordHead(type: number, length: number): Uint8Array<ArrayBuffer> {
  return concat(Uint8Array.of(type, 3, 3), number(length, 2));
}

/** What came: a record, or a whole handshake message with its head. */
export interface Incoming {
  /** Type of the record. */
  readonly type: number;
  /** Its content. */
  readonly data: Uint8Array;
}

/** Records over a TCP connection. */
export class Wire {
  /** All handshake messages so far, of both ends. */
  transcript: Uint8Array<ArrayBuffer> = new Uint8Array();
  readonly #conn: Deno.TcpConn;
  #received: Uint8Array<ArrayBuffer> = new Uint8Array();
  #messages: Uint8Array<ArrayBuffer> = new Uint8Array();
  #reading: Sealer | undefined;
  #readingNext: Sealer | undefined;
  #writing: Sealer | undefined;

  /** Over `conn`. */
  constructor(conn: Deno.TcpConn) {
    conn.setNoDelay(); // each message is a write
    this.#conn = conn;
  }

  /** What comes from now on is protected so; with 1.2, what comes behind the word that ciphers change. */
  readWith(protection: Protection): void {
    if (protection.version === "1.3") this.#reading = new Sealer(protection);
    else this.#readingNext = new Sealer(protection);
  }

  /** What goes out from now on is protected so. */
  writeWith(protection: Protection): void {
    this.#writing = new Sealer(protection);
  }

  /** The next record, or handshake message, which is added to the transcript; nothing at the end. */
  async next(): Promise<Incoming | undefined> {
    for (;;) {
      const whole = this.#messages.length < 4
        ? Infinity
        : 4 + new Cursor(this.#messages.subarray(1)).number(3);
      if (this.#messages.length >= whole) {
        const data = this.#messages.slice(0, whole);
        this.#messages = this.#messages.slice(whole);
        this.transcript = concat(this.transcript, data);
        return { type: Content.handshake, data };
      }
      const record = await this.#record();
      if (record === undefined) return undefined;
      if (record.type !== Content.handshake) return record;
      this.#messages = concat(this.#messages, record.data);
    }
  }

  async #record(): Promise<Incoming | undefined> {
    for (;;) {
      const length = this.#received.length < HEAD_BYTES
        ? Infinity
        : HEAD_BYTES + new Cursor(this.#received.subarray(3)).number(2);
      if (this.#received.length >= length) {
        const [type = 0] = this.#received;
        const data = this.#received.slice(HEAD_BYTES, length);
        this.#received = this.#received.slice(length);
        if (type === Content.changeCipherSpec) this.#reading = this.#readingNext ?? this.#reading;
        else return this.#reading === undefined ? { type, data } : await this.#reading.open(type, data);
        continue;
      }
      const chunk = new Uint8Array(2 * MOST_BYTES);
      const count = await this.#conn.read(chunk).catch(() => null); // a reset is an end
      if (count === null) return undefined;
      this.#received = concat(this.#received, chunk.subarray(0, count));
    }
  }

  /** Sends content in as many records as it takes. */
  async send(type: number, content: Uint8Array): Promise<void> {
    for (let at = 0; at < content.length; at += MOST_BYTES) {
      const part = content.subarray(at, at + MOST_BYTES);
      const [outer, body] = this.#writing === undefined ? [type, part] : await this.#writing.seal(type, part);
      let record = concat(recordHead(outer, body.length), body);
      while (record.length > 0) record = record.subarray(await this.#conn.write(record));
    }
  }

  /** Sends handshake messages, and adds them to the transcript. */
  async say(...messages: readonly Uint8Array[]): Promise<void> {
    for (const one of messages) {
      this.transcript = concat(this.transcript, one);
      await this.send(Content.handshake, one);
    }
  }
}
