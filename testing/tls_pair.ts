/**
 * Both ends of real TLS links, for tests.
 *
 * @module
 */

import type { ByteStream } from "../transport/byte_stream.ts";
import { loadTlsContext } from "../security/live/context.ts";
import { TlsRefusedError } from "../security/verdict.ts";
import { nodeTls } from "../transport/tls/node_tls.ts";
import type { Security } from "../security/security.ts";
import type { TlsListener } from "../transport/tls/tls_transport.ts";

/** A refusal that a listener told. */
export interface Refusal {
  /** Why. */
  readonly reason: TlsRefusedError;
  /** Who. */
  readonly peer: string;
}

/** Values that come one by one, and are waited for. */
export class Arrivals<T> {
  readonly #values: T[] = [];
  readonly #waiting: ((value: T) => void)[] = [];

  /** Another one. */
  add(value: T): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#values.push(value);
    else waiting(value);
  }

  /** The next one. */
  next(): Promise<T> {
    const value = this.#values.shift();
    if (value !== undefined) return Promise.resolve(value);
    const { promise, resolve } = Promise.withResolvers<T>();
    this.#waiting.push(resolve);
    return promise;
  }

  /** What nobody has asked for yet. */
  get left(): readonly T[] {
    return this.#values;
  }
}

/** A listener on a free port of loopback that keeps who came. */
export class TestListener implements AsyncDisposable {
  /** Streams that passed the policy. */
  readonly streams: Arrivals<ByteStream> = new Arrivals<ByteStream>();
  /** Peers that did not. */
  readonly refusals: Arrivals<Refusal> = new Arrivals<Refusal>();
  #listener: TlsListener | undefined;

  /** Listens as the scheduler of `security`. */
  static async start(security: Security, handshakeTimeoutMs?: number): Promise<TestListener> {
    const started = new TestListener();
    started.#listener = await nodeTls.listen({
      hostname: "127.0.0.1",
      port: 0,
      context: await loadTlsContext(security, "scheduler"),
      handshakeTimeoutMs,
      onConnection: (stream) => started.streams.add(stream),
      onRefused: (reason, peer) => {
        if (!(reason instanceof TlsRefusedError)) throw reason;
        started.refusals.add({ reason, peer });
      },
    });
    return started;
  }

  /** Its port. */
  get port(): number {
    return this.#listener?.addr.port ?? 0;
  }

  /** Dials it as the client of `security`. */
  async dial(security: Security, signal?: AbortSignal): Promise<ByteStream> {
    return await dialAs(security, this.port, signal);
  }

  /** Stops listening. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener?.close();
  }
}

/** Dials a port of loopback as the client of `security`. */
export async function dialAs(security: Security, port: number, signal?: AbortSignal): Promise<ByteStream> {
  return await nodeTls.dial({
    hostname: "127.0.0.1",
    port,
    context: await loadTlsContext(security, "client"),
    signal,
  });
}

/** Two ends of one link. `await using` drops both. */
export class StreamPair implements AsyncDisposable {
  /** Who dialled. */
  readonly dialled: ByteStream;
  /** Who was dialled. */
  readonly accepted: ByteStream;

  private constructor(dialled: ByteStream, accepted: ByteStream) {
    this.dialled = dialled;
    this.accepted = accepted;
  }

  /** Links two ends. */
  static async make(security: Security): Promise<StreamPair> {
    await using listener = await TestListener.start(security);
    const dialled = await listener.dial(security);
    return new StreamPair(dialled, await listener.streams.next());
  }

  /** Drops both ends, and waits until their sockets are gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.dialled.abort();
    this.accepted.abort();
    await Promise.all([this.dialled.close(), this.accepted.close()]);
  }
}

/** Everything that a stream still sends. */
export async function readAll(stream: ByteStream): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (;;) {
    const chunk = await stream.read();
    if (chunk === null) break;
    chunks.push(chunk.slice());
  }
  const whole = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
