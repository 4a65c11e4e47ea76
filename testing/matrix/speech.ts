/**
 * What peers that know nothing of Dask are told to say over TLS, so that our roles at the other end do what
 * they do with peers of their own: bytes to send, and what to see in what comes.
 *
 * @module
 */

import { PICKLE_PROTOCOL } from "../../comm/handshake.ts";
import { encodeFrames } from "../../protocol/frames.ts";
import { encodeMessage } from "../../protocol/message.ts";
import { serializeValue } from "../../protocol/values.ts";
import type { Role } from "./roles.ts";

/** Characters of the value that workers give each other and clients. */
export const VALUE_LENGTH = 2000;

/** One side of a talk. */
export interface Speech {
  /** Handshake and message. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The other end's message, as it looks between the bytes of it. */
  readonly heard: RegExp;
}

const HANDSHAKE = {
  padding: "-".repeat(100), // so that its length, which comes first, is no letter
  compression: null,
  python: [0, 0, 0],
  "pickle-protocol": PICKLE_PROTOCOL,
  javascript: { protocol: 1 },
};

function speech(message: unknown, heard: RegExp): Speech {
  const parts = [HANDSHAKE, message].flatMap((one) => encodeFrames(encodeMessage(one)));
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  // A letter in the beginning is a command to `openssl`, as if a person typed it.
  if (/[A-Za-z]/.test(String.fromCharCode(bytes[0] ?? 0))) throw new Error("openssl would obey this");
  return { bytes, heard };
}

/** What is said first on a link, by one who dials `whom` as `role`. */
export function requestOf(role: Role, whom: Role, key: string): Speech {
  if (whom === "worker") return speech({ op: "get_data", keys: [key], who: null, reply: true }, /v{100}/);
  return role === "client"
    ? speech({ op: "register-client", client: `Client-${key}`, versions: {}, reply: false }, /stream-start/)
    : speech(registration(key, "tls://127.0.0.1:9"), /heartbeat-interval/);
}

/** What a worker at `address` says first to a scheduler. */
export function registration(name: string, address: string): Readonly<Record<string, unknown>> {
  return {
    op: "register-worker",
    reply: false,
    address,
    status: "running",
    nthreads: 1,
    name,
    now: 0,
    resources: {},
    memory_limit: null,
    local_directory: "",
    services: {},
    nanny: null,
    pid: 0,
    versions: {},
    metrics: { bandwidth: { total: 0, workers: {}, types: {} } },
    extra: {},
    stimulus_id: "matrix",
    server_id: "matrix",
  };
}

/** What the end that `role` dialled as `whom` answers. */
export function answerOf(role: Role, whom: Role, key: string): Speech {
  if (whom === "worker") {
    const data = { [key]: serializeValue("v".repeat(VALUE_LENGTH)) };
    return speech({ status: "OK", data }, /get_data/);
  }
  return role === "client"
    ? speech([{ op: "stream-start" }], /register-client/)
    : speech({ status: "OK", time: 0, "heartbeat-interval": 60, "worker-plugins": {} }, /register-worker/);
}
