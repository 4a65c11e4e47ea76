import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import type { Address } from "../messages/common.ts";
import { TlsRefusedError } from "../security/verdict.ts";
import type { Clock } from "../internal/clock.ts";
import { CommAuthError, CommClosed, CommTimeoutError } from "./errors.ts";
import { ClosedBeforeHandshake, HandshakeError, SpeaksTlsError } from "./handshake.ts";
import { withRetries } from "./retry.ts";

const address = "tls://10.0.0.7:8786" as Address;
const refused = () => Object.assign(new Error("connection refused"), { code: "ECONNREFUSED" });

/** A clock that jumps: sleeping takes no time, and timers fire when told to. */
class JumpingClock implements Clock {
  readonly sleeps: number[] = [];
  readonly timers: { readonly milliseconds: number; fire(): void; cancelled: boolean }[] = [];
  #now = 1000;

  now(): number {
    return this.#now;
  }

  time(): number {
    return this.#now / 1000;
  }

  every(): () => void {
    throw new TypeError("Nothing repeats here");
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    this.sleeps.push(milliseconds);
    this.#now += milliseconds;
    return signal?.aborted === true ? Promise.reject(signal.reason) : Promise.resolve();
  }

  timer(milliseconds: number, callback: () => void): () => void {
    const timer = { milliseconds, cancelled: false, fire: () => callback() };
    this.timers.push(timer);
    return () => timer.cancelled = true;
  }
}

function attempts(clock: JumpingClock, cost: number, outcomes: readonly (() => unknown)[]) {
  let made = 0;
  return {
    get made(): number {
      return made;
    },
    attempt: (): Promise<string> => {
      clock.advance(cost);
      const outcome = outcomes[Math.min(made++, outcomes.length - 1)] as () => unknown;
      const result = outcome();
      return result instanceof Error ? Promise.reject(result) : Promise.resolve(String(result));
    },
  };
}

Deno.test("withRetries doubles the longest pause with each refused connection", async () => {
  const clock = new JumpingClock();
  const tries = attempts(clock, 0, [refused, refused, refused, refused, () => "link"]);
  const random = () => 0.5;
  assertEquals(await withRetries(address, tries.attempt, { timeoutMs: 30_000, clock, random }), "link");
  assertEquals(clock.sleeps, [5, 10, 20, 40]);
});

Deno.test("withRetries draws each pause between nothing and the longest", async () => {
  const clock = new JumpingClock();
  const tries = attempts(clock, 0, [refused, refused, refused, () => "link"]);
  const draws = [0, 0.25, 0.999];
  await withRetries(address, tries.attempt, { timeoutMs: 30_000, clock, random: () => draws.shift() ?? 0 });
  assertEquals(clock.sleeps, [0, 5, 39.96]);
});

Deno.test("withRetries gives the first try a fifth of the budget and later ones what is left", async () => {
  const clock = new JumpingClock();
  const tries = attempts(clock, 1000, [refused, refused, () => "link"]);
  await withRetries(address, tries.attempt, { timeoutMs: 30_000, clock, random: () => 0 });
  assertEquals(clock.timers.map((timer) => timer.milliseconds), [6000, 29_000, 28_000]);
  assert(clock.timers.every((timer) => timer.cancelled));
});

Deno.test("withRetries tries no more often than told, and a single try has the whole budget", async () => {
  for (const most of [1, 3]) {
    const clock = new JumpingClock();
    const tries = attempts(clock, 0, [refused]);
    const error = await assertRejects(
      () => withRetries(address, tries.attempt, { timeoutMs: 1000, tries: most, clock }),
      CommTimeoutError,
    );
    assertEquals([tries.made, clock.sleeps.length], [most, most - 1]);
    assertEquals(error.message, 'Cannot connect to "tls://10.0.0.7:8786": connection refused');
    assertEquals(clock.timers[0]?.milliseconds, most === 1 ? 1000 : 200);
  }
});

Deno.test("withRetries gives up when the budget is spent and tells the last reason", async () => {
  const clock = new JumpingClock();
  const tries = attempts(clock, 400, [refused]);
  const error = await assertRejects(
    () => withRetries(address, tries.attempt, { timeoutMs: 2000, clock, random: () => 0 }),
    CommTimeoutError,
    `Timed out trying to connect to "tls://10.0.0.7:8786" after 2 s: connection refused`,
  );
  assertEquals(tries.made, 5);
  assertEquals(error.address, address);
  assertEquals((error.cause as Error).message, "connection refused");
});

Deno.test("withRetries never pauses beyond the end of the budget", async () => {
  const clock = new JumpingClock();
  const tries = attempts(clock, 0, [refused]);
  const options = { timeoutMs: 1000, clock, random: () => 1 - Number.EPSILON };
  await assertRejects(() => withRetries(address, tries.attempt, options), CommTimeoutError);
  assert(clock.now() <= 2000.001, `it is ${clock.now()}`);
});

Deno.test("withRetries aborts a try that gets no answer, and tries again", async () => {
  const clock = new JumpingClock();
  let tries = 0;
  const attempt = (signal: AbortSignal): Promise<string> => {
    if (++tries === 2) return Promise.resolve("link");
    const { promise, reject } = Promise.withResolvers<string>();
    signal.addEventListener("abort", () => reject(signal.reason));
    clock.timers.at(-1)?.fire();
    return promise;
  };
  assertEquals(await withRetries(address, attempt, { timeoutMs: 10_000, clock, random: () => 0 }), "link");
});

Deno.test("withRetries stops at once with the reason of the caller's signal", async () => {
  const clock = new JumpingClock();
  const controller = new AbortController();
  const reason = new Error("no longer wanted");
  let tries = 0;
  const attempt = (signal: AbortSignal): Promise<string> => {
    tries++;
    controller.abort(reason);
    assertStrictEquals(signal.reason, reason);
    return Promise.reject(new Error("the socket was dropped"));
  };
  const options = { timeoutMs: 10_000, clock, signal: controller.signal };
  let caught: unknown;
  await withRetries(address, attempt, options).catch((error) => caught = error);
  assertStrictEquals(caught, reason);
  await withRetries(address, attempt, options).catch((error) => caught = error);
  assertStrictEquals(caught, reason);
  assertEquals(tries, 1);
});

Deno.test("withRetries takes a refused certificate as final", async () => {
  const clock = new JumpingClock();
  const verdict = new TlsRefusedError("its CA is not ours", { final: true, side: "here" });
  const tries = attempts(clock, 0, [() => verdict]);
  const error = await assertRejects(
    () => withRetries(address, tries.attempt, { timeoutMs: 10_000, clock }),
    CommAuthError,
    `Cannot connect to "tls://10.0.0.7:8786": its CA is not ours`,
  );
  assertStrictEquals(error.cause, verdict);
  assertEquals([tries.made, clock.sleeps.length], [1, 0]);
});

Deno.test("withRetries tries three times within two seconds if TLS is answered and the link then ends", async () => {
  const early = () => new ClosedBeforeHandshake("the peer closed the connection", true);
  const reset = () => new TlsRefusedError("connection reset", { final: false, side: "peer" });
  for (const random of [0, 0.999]) {
    const clock = new JumpingClock();
    const tries = attempts(clock, 1, [early, reset, early]);
    const error = await assertRejects(
      () => withRetries(address, tries.attempt, { timeoutMs: 30_000, clock, random: () => random }),
      CommAuthError,
      "the peer ended the link 3 times",
    );
    assertEquals(tries.made, 3);
    assert(clock.now() >= 2000 && clock.now() <= 3003, `it took ${clock.now() - 1000} ms`);
    assert(
      error.message.includes(
        "another CA, expired, revoked, not covered by its authorization rules, or X.509 v1",
      ),
      error.message,
    );
  }
});

Deno.test("withRetries takes a peer that restarts for what it is", async () => {
  const clock = new JumpingClock();
  const early = () => new ClosedBeforeHandshake("the peer closed the connection", true);
  const tries = attempts(clock, 0, [early, refused, refused, early, () => "link"]);
  assertEquals(await withRetries(address, tries.attempt, { timeoutMs: 30_000, clock }), "link");
});

Deno.test("withRetries goes on if a plain link ends before the first message", async () => {
  const clock = new JumpingClock();
  const early = () => new ClosedBeforeHandshake("the peer closed the connection", false);
  const tries = attempts(clock, 0, [early, early, early, early, () => "link"]);
  assertEquals(await withRetries(address, tries.attempt, { timeoutMs: 30_000, clock }), "link");
});

Deno.test("withRetries does not try again what can't get better", async () => {
  const cases: [() => Error, typeof CommClosed | typeof CommAuthError | typeof TypeError][] = [
    [() => new HandshakeError("not Dask"), CommClosed],
    [() => new SpeaksTlsError("speaks TLS"), CommAuthError],
    [() => new TypeError("a bug"), TypeError],
  ];
  for (const [make, errorClass] of cases) {
    const clock = new JumpingClock();
    const tries = attempts(clock, 0, [make]);
    await assertRejects(
      () => withRetries(address, tries.attempt, { timeoutMs: 1000, clock }),
      errorClass as typeof Error,
      make().message,
    );
    assertEquals(tries.made, 1);
  }
});
