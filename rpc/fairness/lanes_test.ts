import { assertEquals } from "@std/assert";
import { Lanes } from "./lanes.ts";

Deno.test("Lanes let so many requests of a peer through at a time, first come first, and others aside", async () => {
  const lanes = new Lanes(2);
  const order: string[] = [];
  const enter = async (peer: string, name: string) => {
    const turn = await lanes.enter(peer);
    order.push(name);
    if (turn === undefined) throw new TypeError("no turn");
    return turn;
  };
  const [a, b] = [await enter("x", "a"), await enter("x", "b")];
  const later = [enter("x", "c"), enter("x", "d")] as const;
  const other = await enter("y", "other");
  assertEquals(order, ["a", "b", "other"]);
  a[Symbol.dispose]();
  const c = await later[0];
  assertEquals(order, ["a", "b", "other", "c"]);
  b[Symbol.dispose]();
  const d = await later[1];
  for (const turn of [c, d, other]) turn[Symbol.dispose]();
  const [again, more] = [await enter("x", "e"), await enter("x", "f")];
  assertEquals(order.slice(4), ["d", "e", "f"]);
  for (const turn of [again, more]) turn[Symbol.dispose]();
});

Deno.test("Lanes give nobody a turn who no longer waits, and none twice", async () => {
  const lanes = new Lanes(1);
  const controller = new AbortController();
  const first = lanes.tryEnter("x");
  const [gone, next] = [lanes.enter("x", controller.signal), lanes.enter("x")];
  controller.abort();
  assertEquals([await gone, lanes.tryEnter("x")], [undefined, undefined]);
  first?.[Symbol.dispose]();
  first?.[Symbol.dispose]();
  const second = await next;
  assertEquals(lanes.tryEnter("x"), undefined);
  second?.[Symbol.dispose]();
  assertEquals(lanes.tryEnter("x") === undefined, false);
  assertEquals(await lanes.enter("x", controller.signal), undefined);
});
