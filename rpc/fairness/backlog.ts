/**
 * Limits on the bytes that wait for slow peers, per stream and per host. Peers that do not read can't make a
 * role hold more bytes than that, however many streams they have.
 *
 * @module
 */

import type { FullLinkLimits } from "../../comm/limits/limits.ts";

/** Smaller backlogs are not counted: each stream has one for a moment. */
const COUNTED_BYTES = 64 * 1024;

/** A stream that can be dropped. */
export interface BackloggedStream {
  /**
   * Ends the stream at once because its peer does not read, and sets its backlog to 0
   * ({@linkcode Backlogs.update}).
   */
  drop(reason: string): unknown;
}

/** Waiting bytes of one host, by stream. */
interface Host {
  sum: number;
  readonly streams: Map<BackloggedStream, number>;
}

/** The backlogs of all streams. */
export class Backlogs {
  readonly #limits: Pick<FullLinkLimits, "queuedBytes" | "queuedBytesPerHost">;
  readonly #hosts = new Map<string, Host>();

  constructor(limits: Pick<FullLinkLimits, "queuedBytes" | "queuedBytesPerHost">) {
    this.#limits = limits;
  }

  /**
   * Whether a backlog of `bytes` behind the current batch is so large that optional data should be left out.
   */
  isMuch(bytes: number): boolean {
    return bytes > this.#limits.queuedBytes / 4;
  }

  /**
   * Sets the backlog of a stream to `host`: `bytes` in total, `behind` of them behind the current batch. If
   * the stream has too much, it is dropped; if its host has, the stream with the largest backlog is dropped.
   */
  update(host: string, stream: BackloggedStream, bytes: number, behind: number): void {
    const entry = this.#count(host, stream, bytes);
    if (entry === undefined) return;
    const { queuedBytes, queuedBytesPerHost } = this.#limits;
    if (behind > queuedBytes) stream.drop(`the peer does not read, and ${behind} bytes wait`);
    while (entry.sum > queuedBytesPerHost) {
      const { sum } = entry;
      const largest = largestOf(entry.streams);
      this.#count(host, largest, 0);
      largest.drop(`peers on ${host} do not read, and ${sum} bytes wait for them`);
    }
  }

  /** Updates the entry of a host. Returns it if the host has a backlog. */
  #count(host: string, stream: BackloggedStream, bytes: number): Host | undefined {
    const counted = bytes >= COUNTED_BYTES ? bytes : 0;
    let entry = this.#hosts.get(host);
    if (entry === undefined) {
      if (counted === 0) return undefined;
      this.#hosts.set(host, entry = { sum: 0, streams: new Map() });
    }
    entry.sum += counted - (entry.streams.get(stream) ?? 0);
    if (counted > 0) entry.streams.set(stream, counted);
    else entry.streams.delete(stream);
    if (entry.streams.size > 0) return entry;
    this.#hosts.delete(host);
    return undefined;
  }
}

function largestOf(streams: ReadonlyMap<BackloggedStream, number>): BackloggedStream {
  let largest: BackloggedStream | undefined;
  let most = -1;
  for (const [stream, bytes] of streams) {
    if (bytes > most) [largest, most] = [stream, bytes];
  }
  return largest as BackloggedStream;
}
