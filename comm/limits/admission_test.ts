import { assertEquals } from "@std/assert";
import { Admission, hostGroup } from "./admission.ts";

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

Deno.test("Admission does not shut out a host that it knows for those that are refused at its address", () => {
  const admission = new Admission({ acceptsPerSecond: 100 });
  admission.admit("a", 0);
  admission.proved("a");
  admission.settled("a");
  for (let i = 0; i < 1000; i++) admission.refused("a", 0);
  assertEquals([admission.admit("a", 0), admission.admit("a", 2100)], [false, true]);
  // And yet who is refused there again and again is so only so often.
  let refusals = 0;
  for (let now = 3000; now < 4000; now++) {
    while (admission.admit("a", now)) {
      admission.settled("a");
      admission.refused("a", now);
      refusals++;
    }
  }
  assertEquals(refusals > 10 && refusals < 40, true, `${refusals} refusals`);
});

Deno.test("Admission tells once that a host is kept out, and again after it was let in", () => {
  const admission = new Admission({ acceptsPerSecond: 1 });
  while (admission.admit("a", 0)) admission.settled("a");
  assertEquals([admission.isNews("a", 0), admission.isNews("a", 0)], [true, false]);
  assertEquals(admission.admit("a", 5000), true);
  assertEquals(admission.isNews("a", 5000), true);
});

Deno.test("Admission keeps strangers out while ever new hosts are refused, and lets those in that it knows", () => {
  const admission = new Admission();
  admission.admit("worker", 0);
  admission.proved("worker");
  admission.settled("worker");
  let refusals = 0;
  const attack = (now: number) => {
    for (let host = `${now}-0`, i = 0; admission.admit(host, now) && i < 10_000; host = `${now}-${++i}`) {
      admission.refused(host, now);
      admission.settled(host);
      refusals++;
    }
  };
  attack(0);
  assertEquals(refusals, 800);
  assertEquals([admission.admit("stranger", 0), admission.admit("worker", 0)], [false, true]);
  attack(1000);
  assertEquals(refusals, 1000);
  assertEquals(admission.admit("stranger", 6000), true);
});

Deno.test("Admission takes the addresses of one IPv6 network for one host, and mapped IPv4 for IPv4", () => {
  const admission = new Admission({ handshakesPerHost: 2 });
  const admitted = (hosts: string[]) => hosts.map((host) => admission.admit(host, 0));
  assertEquals(admitted(["2001:db8:0:1::1", "2001:db8::1:ffff:0:0:7", "2001:db8:0:1::", "2001:db8:0:2::1"]), [
    true,
    true,
    false,
    true,
  ]);
  assertEquals(admitted(["fe80::1%eth0", "fe80::2%eth0", "fe80::3"]), [true, true, false]);
  assertEquals(admitted(["::ffff:10.0.0.1", "10.0.0.1", "::FFFF:10.0.0.1", "::ffff:10.0.0.2"]), [
    true,
    true,
    false,
    true,
  ]);
  admission.settled("2001:db8:0:1:9::");
  assertEquals(admission.admit("2001:db8:0:1::5", 0), true);
});

Deno.test("hostGroup leaves names and IPv4 as they are", () => {
  assertEquals(["10.0.0.1", "worker-1", "", "::1"].map(hostGroup), [
    "10.0.0.1",
    "worker-1",
    "",
    "0:0:0:0::/64",
  ]);
});

Deno.test("Admission forgets hosts rather than growing for ever", () => {
  const admission = new Admission({ acceptsPerSecond: 1 });
  while (admission.admit("first", 0)) admission.settled("first");
  for (let i = 0; i < 30_000; i++) {
    admission.admit(`host-${i}`, 0);
    admission.settled(`host-${i}`);
  }
  assertEquals(admission.admit("first", 0), true);
});
