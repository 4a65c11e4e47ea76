import { assertEquals, assertRejects } from "@std/assert";
import { type Clock, systemClock } from "../internal/clock.ts";
import { systemIds } from "../internal/ids.ts";
import { CommClosed } from "../comm/errors.ts";
import type { Address, Key } from "../messages/common.ts";
import type { Serialized } from "../protocol/serialized.ts";
import { serializeValue } from "../protocol/values.ts";
import { Gatherer, type GatherHost } from "./gather.ts";

const A = "tcp://10.0.0.1:1" as Address;
const B = "tcp://10.0.0.2:1" as Address;
const X = "x" as Key;

type Answer = "busy" | "gone" | Readonly<Record<string, Serialized>>;

/** Workers that answer as said, one answer after the other. */
function make(script: Readonly<Record<string, Answer[]>>, holders: readonly Address[]) {
  const lacking: [Address, readonly Key[]][] = [];
  const asked: string[] = [];
  const slept: number[] = [];
  const pool = {
    call(address: Address): Promise<unknown> {
      asked.push(address);
      const answer = script[address]?.shift();
      if (answer === undefined || answer === "gone") {
        return Promise.reject(new CommClosed(address, "gone"));
      }
      return Promise.resolve(answer === "busy" ? { status: "busy" } : { status: "OK", data: answer });
    },
  } as GatherHost["pool"];
  const clock: Clock = {
    ...systemClock,
    now: () => 0,
    sleep: (milliseconds, signal) => {
      slept.push(milliseconds);
      return signal?.aborted === true ? Promise.reject(signal.reason) : Promise.resolve();
    },
    timer: () => () => {},
  };
  const gatherer = new Gatherer({
    pool,
    holders: (keys) => new Map(keys.map((key) => [key, holders])),
    onLacking: (worker, keys) => void lacking.push([worker, keys]),
  }, { clock, ids: { ...systemIds, random: () => 0.5 } });
  return { gatherer, lacking, asked, slept };
}

const { signal } = new AbortController();

Deno.test("Gatherer asks a busy worker again, later and later", async () => {
  const value = serializeValue(1);
  const { gatherer, asked, slept, lacking } = make({ [A]: ["busy", "busy", "busy", { [X]: value }] }, [A]);
  assertEquals(await gatherer.gather([X], signal), { status: "OK", data: { [X]: value } });
  assertEquals([asked.length, slept], [4, [150, 300, 600]]);
  assertEquals(lacking, []);
});

Deno.test("Gatherer gives up on busy workers when its signal is aborted", async () => {
  const controller = new AbortController();
  const { gatherer } = make({ [A]: Array<Answer>(10).fill("busy") }, [A]);
  controller.abort(new TypeError("the end"));
  await assertRejects(() => gatherer.gather([X], controller.signal), TypeError, "the end");
});

Deno.test("Gatherer tells who lacks a key that it should have, and asks the next holder", async () => {
  const value = serializeValue(1);
  const { gatherer, lacking } = make({ [A]: [{}], [B]: [{ [X]: value }] }, [A, B]);
  assertEquals(await gatherer.gather([X], signal), { status: "OK", data: { [X]: value } });
  assertEquals(lacking, [[A, [X]]]);
});

Deno.test("Gatherer keeps the claims of a worker that it can't reach", async () => {
  const { gatherer, lacking, asked } = make({ [A]: ["gone"] }, [A]);
  assertEquals(await gatherer.gather([X], signal), { status: "error", keys: [X] });
  assertEquals([asked, lacking], [[A], []]);
});
