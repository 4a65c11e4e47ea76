/**
 * What waits for peers that are slow to read, counted per stream and per host, and bounded: peers that do not
 * read at all can't make a role hold more than that for them, however many streams they have.
 *
 * @module
 */

import type { FullLinkLimits } from "../../comm/limits/limits.ts";

/** Less than that is not counted: it is with every stream for a moment. */
const COUNTED_BYTES = 64 * 1024;

/** A stream that can be dropped. */
export interface BackloggedStream {
  /** Ends it at once because of its peer; tells {@linkcode Backlogs.update} that nothing waits any more. */
  drop(reason: string): unknown;
}

/** Bytes by stream, for the streams of one host. */
interface Host {
  sum: number;
  readonly streams: Map<BackloggedStream, number>;
}

/** What waits for all streams. */
export class Backlogs {
  readonly #limits: Pick<FullLinkLimits, "queuedBytes" | "queuedBytesPerHost">;
  readonly #hosts = new Map<string, Host>();

  /** Nothing waits yet. */
  constructor(limits: Pick<FullLinkLimits, "queuedBytes" | "queuedBytesPerHost">) {
    this.#limits = limits;
  }

  /** Whether so much waits behind the batch that is being sent that what can be left out should be. */
  isMuch(bytes: number): boolean {
    return bytes > this.#limits.queuedBytes / 4;
  }

  /**
   * Notes that `bytes` wait for a stream to `host`, of which `behind` are behind the batch that is being
   * sent. Drops it, or the one of its host for which most waits, if it is too much.
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

  /** The host's entry, if something waits for it. */
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
