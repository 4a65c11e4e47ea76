import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { systemClock } from "../../internal/clock.ts";
import { CommClosed } from "../../comm/errors.ts";
import { systemPlatform } from "../../comm/platform.ts";
import { listen } from "../../comm/listen.ts";
import { ConnectionPool } from "../../rpc/pool.ts";
import { linkOptions } from "../../comm/secure.ts";
import { orAborted } from "../../internal/deadline.ts";
import type { Address, Key } from "../../messages/common.ts";
import { serializeValue } from "../../protocol/values.ts";
import { tapLog } from "../../testing/logs.ts";
import { TestCa } from "../../testing/pki/pki.ts";
import { type Fetched, ResultFetcher, valuesOf } from "./results.ts";
import { whilePresent } from "./presence.ts";
import { Rounds } from "./rounds.ts";
import { KeyRecord } from "../state/key_state.ts";

const WORKER = "tls://127.0.0.1:1" as Address;
const NOWHERE = "tcp://127.0.0.1:1" as Address;

function finished(workers: readonly Address[]): KeyRecord {
  const state = new KeyRecord("x" as Key, 0, undefined);
  state.workers = workers;
  state.status = "finished";
  return state;
}

Deno.test("ResultFetcher asks a busy worker again, and nobody else", async () => {
  const answers = [{ status: "busy" }, { status: "OK", data: { x: serializeValue(7) } }];
  let asked = 0;
  const listener = await listen("tcp://127.0.0.1:0", {
    onComm: async (comm) => {
      while (asked < answers.length) {
        await comm.read();
        await comm.write(answers[asked++]);
      }
      await comm.read().catch(() => {});
      comm.abort();
    },
  });
  const worker = listener.contactAddress;
  await using pool = new ConnectionPool();
  const states = [finished([worker])];
  const fetched: Fetched = new Map();
  assertEquals(await new ResultFetcher(pool, NOWHERE, systemPlatform).fetch(states, fetched, undefined), []);
  assertEquals([valuesOf(states, fetched), asked], [[7], 2]);
  await pool.close();
  await listener.close();
});

Deno.test("ResultFetcher warns once of a worker that refuses this client, or that it refuses", async () => {
  const [ours, other] = [await TestCa.make(), await TestCa.make("other")];
  const worker = await linkOptions(await ours.security(), "worker");
  const [stranger, refused] = [await other.security(), { ...await other.security(), tlsCaFile: ours.pem }];
  await using listener = await listen("tls://127.0.0.1:0", { ...worker, onComm: (comm) => comm.abort() });
  const { contactAddress: address } = listener;
  const lines: string[] = [];
  using _tap = tapLog((line) => lines.push(line));
  for (const security of [stranger, refused]) {
    lines.length = 0;
    await using pool = new ConnectionPool(await linkOptions(security, "client"));
    const gatherer = new ResultFetcher(pool, "inproc://nobody" as Address, systemPlatform);
    for (let i = 0; i < 2; i++) {
      await assertRejects(() => gatherer.fetch([finished([address])], new Map(), undefined), CommClosed);
    }
    const warnings = lines.filter((line) => line.includes("distributed.client - WARNING"));
    assertEquals(warnings.length, 1, lines.join("\n"));
    assert(warnings[0]?.includes(`Cannot fetch from ${address}, asking the scheduler: `), warnings[0]);
    assertMatch(
      warnings[0] ?? "",
      security === stranger ? /: TLS link .* refused: its cert/ : /ended the link .*refuses the certificate/,
    );
  }
});

Deno.test("whilePresent ends a call whose worker is given up, and looks no more once it is over", async () => {
  const clock = { ...systemClock, sleep: () => Promise.resolve() };
  let looks = 0;
  const look = () => Promise.resolve(++looks === 3 ? new CommClosed(WORKER, "it is gone") : undefined);
  const hangs = (signal: AbortSignal) => orAborted(new Promise<never>(() => {}), signal);
  await assertRejects(() => whilePresent(hangs, look, undefined, clock), CommClosed, "it is gone");
  assertEquals(looks, 3);
  assertEquals(await whilePresent(() => Promise.resolve(1), look, undefined, systemClock), 1);
  assertEquals(looks, 3);
});

Deno.test("whilePresent ends a call when nobody can tell of the worker, or the caller gives up", async () => {
  const clock = { ...systemClock, sleep: () => Promise.resolve() };
  const hangs = (signal: AbortSignal) => orAborted(new Promise<never>(() => {}), signal);
  const fails = () => Promise.reject(new CommClosed(WORKER, "no scheduler"));
  await assertRejects(() => whilePresent(hangs, fails, undefined, clock), CommClosed, "no scheduler");
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => whilePresent(hangs, fails, signal, systemClock), Error, "enough");
});

Deno.test("Rounds waits longer each time, and gives up when the holders stay the same", () => {
  const rounds = new Rounds();
  const state = finished([WORKER]);
  const failureOf = () => "Connection refused";
  assertEquals(Array.from({ length: 4 }, () => rounds.failed(state, failureOf)), [0, 100, 200, 400]);
  state.workers = ["tls://127.0.0.1:2" as Address];
  const pauses = Array.from({ length: 9 }, () => rounds.failed(state, failureOf));
  assertEquals([pauses[0], pauses[8]], [0, 2000]);
  const error = assertThrows(() => rounds.failed(state, failureOf), CommClosed, "Connection refused");
  assertEquals(error.address, state.workers[0]);
  state.workers = [];
  assertStrictEquals(rounds.failed(state, failureOf), 0);
});
