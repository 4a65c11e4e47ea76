import { assertEquals } from "@std/assert";
import { PeerLog } from "./peer_log.ts";

/** A log whose time is given, and its lines. */
function logOf(): { log: PeerLog; lines: string[]; time: { now: number } } {
  const lines: string[] = [];
  const time = { now: 0 };
  return { log: new PeerLog((text) => lines.push(text), { now: () => time.now }), lines, time };
}

Deno.test("PeerLog writes two hundred lines about a host at once, ten a second after that, and says so", () => {
  const { log, lines, time } = logOf();
  for (let i = 0; i < 1000; i++) log.write("10.0.0.1", `line ${i}`);
  assertEquals([lines.length, lines[0], lines[199]], [201, "line 0", "line 199"]);
  assertEquals(lines[200], "Further lines about 10.0.0.1 are left out: there are too many");
  time.now = 100;
  for (let i = 0; i < 10; i++) log.write("10.0.0.1", `later ${i}`);
  assertEquals(lines.slice(201), ["later 0 (800 lines about peers were left out before)"]);
  time.now = 100_000;
  log.write("10.0.0.1", "last");
  assertEquals(lines.slice(202), ["last (9 lines about peers were left out before)"]);
  for (let i = 0; i < 1000; i++) log.write("10.0.0.1", "x");
  assertEquals([lines.length, lines.at(-1)], [
    203 + 200,
    "Further lines about 10.0.0.1 are left out: there are too many",
  ]);
});

Deno.test("PeerLog: one host does not take the lines of another", () => {
  const { log, lines } = logOf();
  for (let i = 0; i < 1000; i++) log.write("10.0.0.1", "x");
  log.write("10.0.0.2", "honest");
  assertEquals(lines.at(-1), "honest");
});

Deno.test("PeerLog bounds the lines about all hosts together, and what it remembers", () => {
  const { log, lines, time } = logOf();
  for (let i = 0; i < 100_000; i++) log.write(`host-${i}`, "x");
  assertEquals([lines.length, lines.at(-1)], [
    1001,
    "Further lines about peers are left out: there are too many",
  ]);
  time.now = 1000;
  log.write("another", "y");
  assertEquals(lines.slice(1001), ["y (99000 lines about peers were left out before)"]);
});
