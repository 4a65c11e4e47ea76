import { assertEquals } from "@std/assert";
import { Backlogs } from "./backlog.ts";

const KIB = 1024;
const limits = { queuedBytes: 1000 * KIB, queuedBytesPerHost: 3000 * KIB };

/** A stream that notes why it was dropped. */
class Stream {
  readonly reasons: string[] = [];
  readonly #backlogs: Backlogs;
  readonly #host: string;

  constructor(backlogs: Backlogs, host: string) {
    this.#backlogs = backlogs;
    this.#host = host;
  }

  holds(bytes: number, behind = 0): void {
    this.#backlogs.update(this.#host, this, bytes, behind);
  }

  drop(reason: string): void {
    this.reasons.push(reason);
    this.holds(0);
  }
}

Deno.test("Backlogs drops a stream when too much waits behind the batch that is being sent", () => {
  const stream = new Stream(new Backlogs(limits), "a");
  stream.holds(2000 * KIB, 0); // one large batch, which it may be reading
  stream.holds(2000 * KIB, 1000 * KIB);
  assertEquals(stream.reasons, []);
  stream.holds(2001 * KIB, 1001 * KIB);
  assertEquals(stream.reasons, [`the peer does not read, and ${1001 * KIB} bytes wait`]);
});

Deno.test("Backlogs drops the streams of a host for which most waits when too much waits for the host", () => {
  const backlogs = new Backlogs(limits);
  const streams = Array.from({ length: 40 }, () => new Stream(backlogs, "a"));
  const elsewhere = new Stream(backlogs, "b");
  elsewhere.holds(2900 * KIB);
  for (const stream of streams.slice(1)) stream.holds(70 * KIB); // 2730 KiB
  streams[0]?.holds(270 * KIB); // 3000 KiB
  assertEquals(streams.map(({ reasons }) => reasons.length).filter((count) => count > 0), []);
  streams[7]?.holds(80 * KIB);
  assertEquals([streams[0]?.reasons.length, streams[7]?.reasons.length], [1, 0]);
  assertEquals(streams[0]?.reasons[0], `peers on a do not read, and ${3010 * KIB} bytes wait for them`);
  for (const stream of streams) stream.holds(0);
  streams[1]?.holds(3000 * KIB); // what is gone does not count
  assertEquals([streams[1]?.reasons, elsewhere.reasons], [[], []]);
});

Deno.test("Backlogs drops the stream that it is told of if most waits for that one", () => {
  const stream = new Stream(new Backlogs(limits), "a");
  stream.holds(3001 * KIB);
  assertEquals(stream.reasons, [`peers on a do not read, and ${3001 * KIB} bytes wait for them`]);
});
