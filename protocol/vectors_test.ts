import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  framesOf,
  fromBase64,
  fromTagged,
  type Json,
  loadVectors,
  PythonOnly,
  type Vector,
} from "../testing/vectors.ts";
import { compressionSetting, decompress, maybeCompress, negotiateCompression } from "./compression.ts";
import { encodeFrames, FrameReader } from "./frames.ts";
import { decodeMessage, encodeMessage, MsgpackError } from "./message.ts";
import { decodeMsgpack, encodeMsgpack } from "./msgpack.ts";
import { SHARD_BYTES, splitFrame, splitPayload } from "./payload.ts";
import { decodePickle } from "./pickle.ts";
import { plainFromPython } from "./python_values.ts";
import { decodeError } from "./remote_error.ts";
import { Pickled, SerializationError, Serialized } from "./serialized.ts";
import { bytesPayload, deserializeValue } from "./values.ts";

/** Messages of one file, in any of its fields. */
interface MessageVector {
  readonly name: string;
  readonly vector: Vector;
  readonly frames: readonly Uint8Array[];
}

const MESSAGE_FILES = ["encoding", "compression", "errors", "handshake", "transcript-inc", "transcript-more"];

const messages: readonly MessageVector[] = MESSAGE_FILES.flatMap((file) =>
  loadVectors(file).filter((vector) => vector["wire"] !== undefined).map((vector) => ({
    name: `${file}/${vector["id"] ?? vector["n"]}`,
    vector,
    frames: readAll(fromBase64(vector["wire"])),
  }))
);

function readAll(wire: Uint8Array): Uint8Array[] {
  const reader = new FrameReader();
  reader.push(wire);
  const frames = reader.next();
  assert(frames !== undefined);
  assertEquals(reader.next(), undefined);
  assertEquals(reader.isInside, false);
  return frames;
}

function hasWholeFloat(json: Json | undefined): boolean {
  return /"\$float": ?"-?\d/.test(JSON.stringify(json ?? null));
}

Deno.test("FrameReader reads every message that Dask wrote, and encodeFrames writes one that reads the same", () => {
  for (const { name, vector, frames } of messages) {
    if (vector["frames"] !== undefined) assertEquals(frames, framesOf(vector["frames"]), name);
    const wire = concat(encodeFrames(frames));
    assertEquals(readAll(wire), frames, name);
    assertEquals(wire.subarray(8), fromBase64(vector["wire"]).subarray(8), name);
  }
  assert(messages.length > 300, `${messages.length}`);
});

Deno.test("encodeFrames writes the bytes that Dask writes, but for the hint of the first read", () => {
  let exact = 0;
  for (const vector of loadVectors("framing")) {
    if (vector["kind"] !== "message") continue;
    const wire = fromBase64(vector["wire"]);
    const written = concat(encodeFrames(framesOf(vector["frames"])));
    assertEquals(written.subarray(8), wire.subarray(8), String(vector["id"]));
    if (vector["n_frames"] === vector["frames_inside_first_read"]) {
      assertEquals(written, wire, String(vector["id"]));
      exact++;
    }
    const reader = new FrameReader();
    reader.push(wire);
    assertEquals(reader.next(), framesOf(vector["frames"]), String(vector["id"]));
  }
  assert(exact >= 9, `${exact}`);
});

Deno.test("splitFrame cuts as Dask does", () => {
  for (const vector of loadVectors("framing")) {
    if (vector["kind"] !== "frame_split_size") continue;
    const parts = splitFrame(
      fromBase64(vector["frame"]),
      Number(vector["size"]),
      Number(vector["itemsize"] ?? 1),
    );
    assertEquals(parts, framesOf(vector["result"]), String(vector["id"]));
  }
});

Deno.test("encodeMessage writes the very bytes that Dask writes", () => {
  let exact = 0;
  for (const { name, vector, frames } of messages) {
    if (vector["exact"] !== true && !name.startsWith("handshake/")) continue;
    if (name === "encoding/ser-bytearray") continue; // a class that JavaScript does not have
    const options = (vector["options"] ?? {}) as Vector;
    const shardBytes = Number(options["frame_split_size"] ?? SHARD_BYTES);
    const message = fromTagged(vector["message"], {
      floats: true,
      serialize: (value) =>
        splitPayload(payloadOf(value, options["serializers"] !== undefined), null, shardBytes),
    });
    assertEquals(encodeMessage(message).map(hex), frames.map(hex), name);
    exact++;
  }
  assertEquals(exact, 38);
});

/** Payloads that `Serialize` makes of the values in exact vectors. */
function payloadOf(value: unknown, asMsgpack: boolean): Serialized {
  if (Array.isArray(value)) {
    const items = value.map((item) => payloadOf(item, asMsgpack));
    return new Serialized({
      "sub-headers": items.map(({ header }) => header),
      "is-collection": true,
      "frame-lengths": items.map(({ frames }) => frames.length),
      "type-serialized": "list",
    }, items.flatMap(({ frames }) => frames));
  }
  if (asMsgpack) return new Serialized({ serializer: "msgpack" }, [encodeMsgpack(value)]);
  assert(value instanceof Uint8Array);
  const { "num-sub-frames": _, ...header } = bytesPayload(value).header;
  return new Serialized(header, [value]);
}

Deno.test("encodeMessage writes what decodeMessage read, byte for byte, payloads of every kind included", () => {
  let skipped = 0;
  for (const { name, vector, frames } of messages) {
    const isLossy = hasWholeFloat(vector["message"]) || hasWholeFloat(vector["sub_headers"]);
    if (isLossy) skipped++;
    const written = encodeMessage(decodeMessage(frames));
    if (!isLossy) assertEquals(written.map(hex), frames.map(hex), name);
    else assertEquals(decodeMessage(written), decodeMessage(frames), name); // 1.0 is written as 1
  }
  assert(skipped < messages.length);
});

Deno.test("decodeMessage gives what Dask's scheduler sees, payloads undecoded", () => {
  let compared = 0;
  for (const { name, vector, frames } of messages) {
    const expected = vector["decoded_pass_through"] ??
      (name.startsWith("handshake/") ? vector["message"] : undefined);
    if (expected === undefined || JSON.stringify(vector["sub_headers"] ?? "").includes("__Pickled__")) {
      continue;
    }
    assertEquals(decodeMessage(frames), fromTagged(expected, { floats: false }), name);
    compared++;
  }
  assert(compared >= 80, `${compared}`);
});

/** Vectors with values that only Python has: decoding fails, and the error names them. */
const PYTHON_ONLY = [
  "encoding/ser-custom",
  "encoding/ser-pickle4",
  "encoding/np-c",
  "encoding/np-f",
  "encoding/np-noncontig",
  "encoding/np-0d",
  "encoding/np-empty",
  "encoding/np-bool",
  "encoding/np-bigendian",
  "encoding/np-datetime",
  "encoding/np-str",
  "encoding/np-struct",
  "encoding/np-broadcast",
  "encoding/np-object",
  "encoding/np-masked",
  "encoding/np-int64-in-msg",
  "encoding/pickle-oob",
  "encoding/fallback-object",
  "encoding/fallback-mixed",
  "compression/msg-zlib",
  "compression/msg-zstd",
  "compression/msg-snappy",
  "compression/msg-topickle-lz4",
];

Deno.test("deserializeValue reads every payload of Dask's that has a counterpart, and refuses the others by name", () => {
  const refused: string[] = [];
  const readAlike: string[] = [];
  let compared = 0;
  for (const { name, vector, frames } of messages) {
    if (vector["decoded"] === undefined || name.startsWith("errors/")) continue;
    let expected: unknown;
    try {
      expected = fromTagged(vector["decoded"], { floats: false });
    } catch (error) {
      assert(error instanceof PythonOnly, name);
      expected = PythonOnly;
    }
    try {
      const value = valuesIn(decodeMessage(frames));
      if (expected === PythonOnly) readAlike.push(name);
      else assertEquals(value, expected, name);
      compared++;
    } catch (error) {
      if (!(error instanceof SerializationError)) throw error;
      assert(/class|compressed|family/.test(error.message), `${name}: ${error.message}`);
      refused.push(name);
    }
  }
  assertEquals(compared, 59);
  // deno-lint-ignore no-console -- the one line that tells what was not compared
  console.log(`Python-only vectors, refused by name: ${refused.length} (${refused.join(", ")})`);
  assertEquals(refused, PYTHON_ONLY);
  assertEquals(readAlike, ["encoding/ser-array"]); // array.array of doubles: a Float64Array
});

/** Decodes all payloads in a message. */
function valuesIn(value: unknown): unknown {
  if (value instanceof Serialized) return deserializeValue(value);
  if (value instanceof Pickled) {
    return plainFromPython(decodePickle(value.header["pickled-obj"] as Uint8Array, value.frames));
  }
  if (Array.isArray(value)) return value.map(valuesIn);
  if (value instanceof Map) return new Map([...value].map(([key, entry]) => [key, valuesIn(entry)]));
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, valuesIn(entry)]));
  }
  return value;
}

Deno.test("decodePickle reads every pickle of the vectors, and plain values come out as they went in", () => {
  let plain = 0;
  for (const vector of loadVectors("pickles")) {
    const name = String(vector["id"]);
    const decoded = decodePickle(fromBase64(vector["pickle"]));
    let expected: unknown;
    try {
      expected = fromTagged(vector["value"], { floats: false });
    } catch {
      continue;
    }
    assertEquals(plainFromPython(decoded), expected, name);
    plain++;
  }
  assert(plain >= 20, `${plain}`);
});

Deno.test("decodeError names class and message of every exception of the vectors", () => {
  const found = new Map<string, string>();
  for (const { name, frames } of messages) {
    if (!name.startsWith("errors/")) continue;
    const reply = decodeMessage(frames) as { readonly exception: unknown };
    const info = decodeError(reply.exception);
    assertEquals(info.python, true, name);
    found.set(name.slice("errors/".length), `${info.name}: ${info.message}`.slice(0, 50));
  }
  assertEquals(Object.fromEntries(found), {
    "zero-division": "ZeroDivisionError: division by zero",
    "uncaught": "ValueError: Foo",
    "keyerror": "KeyError: 'missing'",
    "multi-arg": "FileNotFoundError: [Errno 2] No such file",
    "unicode": "RuntimeError: héllo ☃",
    "long": `ValueError: ('Long error message', '${"x".repeat(14)}`,
  });
});

Deno.test("decodeError reads exceptions that are pickled directly", () => {
  const texts = loadVectors("pickles").filter((v) => /^exc-|^reschedule/.test(String(v["id"]))).map(
    (vector) => {
      const { name, message, python } = decodeError(fromBase64(vector["pickle"]));
      return `${name}: ${message} ${python}`;
    },
  );
  assertEquals(texts, ["ValueError: boom true", "KeyError: 'k' true", "Reschedule:  true"]);
});

Deno.test("decompress undoes what Python's lz4 wrote; other compressions are refused by name", () => {
  for (const vector of loadVectors("compression")) {
    if (vector["kind"] !== "raw") continue;
    const [text, count] = vector["plain_repeat"] as readonly [string, number];
    const read = (): Uint8Array => decompress(fromBase64(vector["compressed"]), vector["algorithm"]);
    if (vector["algorithm"] === "lz4") assertEquals(read(), new TextEncoder().encode(text.repeat(count)));
    else assertThrows(read, SerializationError, `"${vector["algorithm"]}"`);
  }
});

Deno.test("maybeCompress has Dask's thresholds", () => {
  for (const vector of loadVectors("compression")) {
    if (vector["kind"] !== "maybe_compress" || vector["algorithm"] !== "lz4") continue;
    const plain = new Uint8Array(Number(vector["nbytes"]));
    let state = 1; // xorshift32
    if (String(vector["id"]).endsWith("noise")) {
      for (let i = 0; i < plain.length; i++) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        plain[i] = state >> 8;
      }
    }
    assertEquals(maybeCompress(plain, "lz4") !== undefined, vector["chosen"] === "lz4", String(vector["id"]));
  }
});

Deno.test("compressionSetting resolves settings as Dask does where there is the compression", () => {
  for (const vector of loadVectors("compression")) {
    if (vector["kind"] !== "setting") continue;
    const ok = vector["ok"] === null || vector["ok"] === "lz4";
    if (ok && vector["error"] === undefined) {
      assertEquals(compressionSetting(vector["setting"]), vector["ok"] as "lz4");
    } else assertThrows(() => compressionSetting(vector["setting"]), TypeError, String(vector["setting"]));
  }
});

Deno.test("negotiateCompression agrees with Dask's handshake: equal or none", () => {
  for (const vector of loadVectors("handshake")) {
    const ok = vector["ok"] as Vector | undefined;
    if (vector["kind"] !== "negotiate" || ok === undefined) continue;
    const local = (vector["local"] as Vector)["compression"] as string | null;
    const remote = (vector["remote"] as Vector)["compression"] as string | null;
    assertEquals(
      negotiateCompression(local, remote),
      ok["compression"] as "lz4" | null,
      String(vector["id"]),
    );
  }
});

Deno.test("decodeMessage refuses what Dask refuses", () => {
  const refused: Readonly<Record<string, () => unknown>> = {
    "overflow-int": () => encodeMessage({ x: 2n ** 64n }),
    "surrogate": () => encodeMessage({ x: "\ud800" }),
    "truncated": () => decodeMessage([Uint8Array.of(0x81)]),
    "missing-subframe": () => decodeMessage([encodeMsgpack({ __Serialized__: 1 })]),
  };
  const ids = loadVectors("encoding-errors").map((vector) => String(vector["id"]));
  for (const [id, run] of Object.entries(refused)) {
    assert(ids.includes(id), id);
    assertThrows(run, MsgpackError, "Cannot", id);
  }
  assertThrows(
    () =>
      deserializeValue(
        new Serialized({ serializer: "error" }, [new TextEncoder().encode("no _Unpicklable")]),
      ),
    SerializationError,
    "no _Unpicklable",
  );
});

Deno.test("decodeMessage and FrameReader read raw messages as Dask's server does", () => {
  let raw = 0;
  for (const vector of loadVectors("rpc-behaviour")) {
    for (const exchange of vector["exchange"] as readonly Vector[]) {
      const bytes = (exchange["sent"] as Vector)["$raw"];
      if (bytes === undefined) continue;
      raw++;
      const id = String(vector["id"]);
      const reader = new FrameReader();
      reader.push(fromBase64(bytes));
      const frames = reader.next();
      if (id === "huge-prefix") assertEquals(frames, undefined);
      else if (id.startsWith("split-inside") || id === "prefix-at-boundary") {
        decodeMessage(frames ?? []); // the hint is ignored
      } else assertThrows(() => decodeMessage(frames ?? []), MsgpackError, "Cannot decode", id);
    }
  }
  assert(raw >= 6, `${raw}`);
});

Deno.test("decodeMsgpack keeps integers that doubles can't hold, as bigint", () => {
  assertEquals(decodeMsgpack(encodeMsgpack(2n ** 63n)), 2n ** 63n);
});

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.byteLength;
  }
  return all;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
