import { assertEquals } from "@std/assert";
import { Admission } from "./admission.ts";

Deno.test("Admission bounds the handshakes that are under way, over all hosts and from one", () => {
  const admission = new Admission({ handshakes: 3, handshakesPerHost: 2 });
  assertEquals([admission.admit("a", 0), admission.admit("a", 0), admission.admit("a", 0)], [
    true,
    true,
    false,
  ]);
  assertEquals([admission.admit("b", 0), admission.admit("b", 0)], [true, false]);
  admission.settled("a");
  assertEquals([admission.admit("b", 0), admission.admit("a", 0)], [true, false]);
  admission.settled("nobody");
  assertEquals(admission.admit("a", 0), false);
});

Deno.test("Admission lets a host open so many links per second, and four seconds' worth at once", () => {
  const admission = new Admission({ acceptsPerSecond: 10 });
  const admitted = (now: number) => {
    let count = 0;
    for (; admission.admit("a", now); admission.settled("a")) count++;
    return count;
  };
  assertEquals(admitted(0), 40);
  assertEquals(admitted(500), 5);
  assertEquals(admitted(60_000), 40);
  assertEquals(admission.admit("b", 500), true);
});

Deno.test("Admission slows down a host whose handshakes are refused, and no other", () => {
  const admission = new Admission({ acceptsPerSecond: 100 });
  for (let i = 0; i < 20; i++) admission.refused("a", 0);
  assertEquals(admission.admit("a", 0), false);
  assertEquals(admission.admit("b", 0), true);
  assertEquals(admission.admit("a", 1000), true);
  for (let i = 0; i < 1000; i++) admission.refused("a", 1000);
  // What a host can owe is bounded: it is let in again some seconds later.
  assertEquals(admission.admit("a", 6000), true);
});

Deno.test("Admission tells once that a host is kept out, and again after it was let in", () => {
  const admission = new Admission({ acceptsPerSecond: 1 });
  while (admission.admit("a", 0)) admission.settled("a");
  assertEquals([admission.isNews("a", 0), admission.isNews("a", 0)], [true, false]);
  assertEquals(admission.admit("a", 5000), true);
  assertEquals(admission.isNews("a", 5000), true);
});

Deno.test("Admission forgets hosts rather than growing for ever", () => {
  const admission = new Admission({ acceptsPerSecond: 1 });
  while (admission.admit("first", 0)) admission.settled("first");
  for (let i = 0; i < 30_000; i++) admission.refused(`host-${i}`, 0);
  assertEquals(admission.admit("first", 0), true);
});
