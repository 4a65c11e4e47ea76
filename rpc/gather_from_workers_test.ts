import { assertEquals, assertRejects } from "@std/assert";
import { systemClock } from "../internal/clock.ts";
import { orAborted } from "../internal/deadline.ts";
import { systemIds } from "../internal/ids.ts";
import type { Address, Key } from "../messages/common.ts";
import { serializeValue } from "../protocol/values.ts";
import { gatherFromWorkers, type GatherSource, type Results, untilFree } from "./gather_from_workers.ts";

const [A, B] = ["tcp://10.0.0.1:1", "tcp://10.0.0.2:1"] as Address[] as [Address, Address];
const [X, Y] = ["x", "y"] as Key[] as [Key, Key];
const VALUE = serializeValue(1);

/** Holders as said, and workers that answer as said, one answer after the other. */
function source(
  holders: Readonly<Record<Key, readonly Address[]>>,
  answers: Readonly<Record<Address, (Results | undefined)[]>>,
) {
  const asked: [Address, readonly Key[]][] = [];
  const lacking: [Address, readonly Key[]][] = [];
  const made: GatherSource = {
    holders: (keys) => new Map(keys.map((key) => [key, holders[key] ?? []])),
    ask: (worker, keys) => {
      asked.push([worker, keys]);
      return Promise.resolve(answers[worker]?.shift());
    },
    onLacking: (worker, keys) => void lacking.push([worker, keys]),
  };
  return { source: made, asked, lacking };
}

Deno.test("gatherFromWorkers asks each worker once for all of its keys", async () => {
  const { source: given, asked } = source({ [X]: [A, B], [Y]: [A] }, { [A]: [{ [X]: VALUE, [Y]: VALUE }] });
  const { data, missing } = await gatherFromWorkers([X, Y], given, undefined);
  assertEquals([...data], [[X, VALUE], [Y, VALUE]]);
  assertEquals([asked, missing], [[[A, [X, Y]]], []]);
});

Deno.test("gatherFromWorkers asks the next holder for what a worker lacks, and tells of it", async () => {
  const { source: given, asked, lacking } = source({ [X]: [A, B] }, { [A]: [{}], [B]: [{ [X]: VALUE }] });
  const { data, missing } = await gatherFromWorkers([X], given, undefined);
  assertEquals([data.get(X), missing], [VALUE, []]);
  assertEquals([asked, lacking], [[[A, [X]], [B, [X]]], [[A, [X]]]]);
});

Deno.test("gatherFromWorkers takes nothing for lacking that a worker out of reach may have", async () => {
  const { source: given, lacking } = source({ [X]: [A] }, { [A]: [undefined] });
  const { data, missing } = await gatherFromWorkers([X, Y], given, undefined);
  assertEquals([data.size, missing, lacking], [0, [Y, X], []]);
});

Deno.test("gatherFromWorkers takes what is no serialized value for lacking", async () => {
  const { source: given, lacking } = source({ [X]: [A] }, { [A]: [{ [X]: 7 }] });
  const { missing } = await gatherFromWorkers([X], given, undefined);
  assertEquals([missing, lacking], [[X], [[A, [X]]]]);
});

Deno.test("gatherFromWorkers gives the other requests up when one throws, and waits for their ends", async () => {
  let ended = false;
  const given: GatherSource = {
    holders: () => new Map([[X, [A]], [Y, [B]]]),
    ask: async (worker, _keys, signal) => {
      if (worker === A) throw new TypeError("broken");
      try {
        return await orAborted(new Promise<never>(() => {}), signal);
      } finally {
        ended = true;
      }
    },
  };
  await assertRejects(() => gatherFromWorkers([X, Y], given, undefined), TypeError, "broken");
  assertEquals(ended, true);
});

Deno.test("untilFree asks a busy worker again, later each time, and by chance not at the same moment as others", async () => {
  const slept: number[] = [];
  const clock = {
    ...systemClock,
    sleep: (milliseconds: number) => {
      slept.push(milliseconds);
      return Promise.resolve();
    },
  };
  let left = 6;
  const ask = () =>
    Promise.resolve(
      left-- === 0 ? { status: "OK", data: { [X]: VALUE } } as const : { status: "busy" } as const,
    );
  const { signal } = new AbortController();
  const ids = { ...systemIds, random: () => 0.5 };
  assertEquals(await untilFree(ask, { clock, ids }, signal), { [X]: VALUE });
  assertEquals(slept, [150, 300, 600, 1200, 2000, 2000]);
  left = 1;
  await untilFree(ask, { clock, ids: { ...systemIds, random: () => 0 } }, signal);
  assertEquals(slept.at(-1), 112.5);
});

Deno.test("untilFree gives up when its signal is aborted", async () => {
  const signal = AbortSignal.abort(new TypeError("the end"));
  const busy = () => Promise.resolve({ status: "busy" } as const);
  await assertRejects(
    () => untilFree(busy, { clock: systemClock, ids: systemIds }, signal),
    TypeError,
    "the end",
  );
});
