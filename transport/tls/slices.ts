/**
 * Large writes cut into slices, so that this side encrypts one while the peer decrypts another.
 *
 * @module
 */

/**
 * Bytes of a slice. One write of 64 MiB would be encrypted whole before the peer gets anything, into memory
 * that is touched for the first time.
 */
export const SLICE_BYTES: number = 256 * 1024;

/** What is called when a write was sent, or failed. */
export type Done = (error?: Error | null) => void;

interface Write {
  readonly chunks: readonly Uint8Array[];
  readonly done: Done;
  index: number;
  at: number;
}

/** Writes that wait, in order. */
export class Slices {
  #writes: Write[] = [];

  /** Whether everything was taken. */
  get isEmpty(): boolean {
    return this.#writes.length === 0;
  }

  /** Adds a write of at least one byte. */
  push(chunks: readonly Uint8Array[], done: Done): void {
    this.#writes.push({ chunks: chunks.filter((chunk) => chunk.length > 0), done, index: 0, at: 0 });
  }

  /** Takes the next slice, and with the last one of a write what is to be called after it. */
  next(): readonly [bytes: Uint8Array, done: Done | undefined] | undefined {
    const write = this.#writes[0];
    const chunk = write?.chunks[write.index];
    if (write === undefined || chunk === undefined) return undefined;
    const bytes = chunk.subarray(write.at, write.at + SLICE_BYTES);
    write.at += bytes.length;
    if (write.at < chunk.length) return [bytes, undefined];
    write.at = 0;
    write.index++;
    if (write.index < write.chunks.length) return [bytes, undefined];
    this.#writes.shift();
    return [bytes, write.done];
  }

  /** Drops what waits: the link is broken. */
  clear(): void {
    this.#writes = [];
  }
}
