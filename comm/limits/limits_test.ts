import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { Config } from "../../config/config.ts";
import { DEFAULTS } from "../../config/defaults.ts";
import { ConfigError } from "../../config/errors.ts";
import { defaultLimits } from "../../protocol/frames.ts";
import { DEFAULT_LINK_LIMITS, type LinkLimits, linkLimits, settingOf } from "./limits.ts";

const NAMES = Object.keys(DEFAULT_LINK_LIMITS) as (keyof LinkLimits)[];

Deno.test("linkLimits: every limit is a setting, every setting is a limit", () => {
  const { limits } = (DEFAULTS["distributed"] as { comm: { limits: Record<string, unknown> } }).comm;
  const settings = Object.keys(limits).map((name) => `distributed.comm.limits.${name}`);
  assertEquals(NAMES.map(settingOf).sort(), settings.sort());
});

Deno.test("linkLimits: the program counts more than configuration, and that more than what is built in", () => {
  const config = new Config().with({
    "distributed.comm.limits": {
      handshakes_per_host: 7,
      "queued-bytes": "1 MiB",
      "handshake-timeout": "700ms",
    },
  });
  assertEquals(linkLimits(config, { queuedBytes: 99_999, stallTimeout: 1.5 }), {
    ...DEFAULT_LINK_LIMITS,
    handshakesPerHost: 7,
    handshakeTimeout: 700,
    queuedBytes: 99_999,
    stallTimeout: 1.5,
  });
  const none = new Config().with({ "distributed.comm.limits": { links: null } });
  assertEquals(linkLimits(none).links, 8192);
});

Deno.test("linkLimits without anything said are those that frames are read with", () => {
  const { messageBytes, messageFrames } = DEFAULT_LINK_LIMITS;
  assertEquals(defaultLimits, { maxMessageBytes: messageBytes, maxFrames: messageFrames });
});

const REFUSED: readonly [setting: string, value: unknown, message: RegExp][] = [
  ["handshake-timeout", 0, /must be a duration of at least 1 ms and at most 2147483647 ms, not 0 s/],
  ["stall-timeout", "40 days", /at most 2147483647 ms, not 3456000 s/],
  ["handshake-timeout", "soon", /"soon"/],
  ["links", 0, /must be a whole number of at least 1, not 0/],
  ["links", 1.5, /must be a whole number/],
  ["accepts-per-second", "many", /must be a whole number/],
  ["message-bytes", "1 KiB", /must be a number of bytes of at least 65536, not 1024/],
  ["message-values", 99_999, /must be a whole number of at least 100000, not 99999/],
  ["message-depth", 512, /must be a whole number of at least 16 and at most 511, not 512/],
];

for (const [setting, value, message] of REFUSED) {
  Deno.test(`linkLimits refuses ${setting}: ${value}, naming setting and source`, () => {
    const config = new Config().with({ [`distributed.comm.limits.${setting}`]: value }, "a.yaml");
    const error = assertThrows(() => linkLimits(config), ConfigError);
    assertMatch(error.message, message);
    assertMatch(error.message, new RegExp(`^"distributed\\.comm\\.limits\\.${setting}".*\\(a\\.yaml\\)$`));
  });
}

Deno.test("linkLimits refuses what a program can't mean, naming the limit", () => {
  const built = new Config();
  const of = (given: Record<string, unknown>) => () => linkLimits(built, given as LinkLimits);
  assertThrows(
    of({ linksPerhost: 1 }),
    TypeError,
    'limits has no option "linksPerhost"; did you mean "linksPerHost"?',
  );
  assertThrows(of({ links: -1 }), RangeError, "limits.links must be a whole number of at least 1, not -1");
  assertThrows(of({ links: NaN }), RangeError, "limits.links");
  assertThrows(of({ links: "5" }), RangeError, "limits.links");
  assertThrows(of({ messageDepth: 600 }), RangeError, "at most 511, not 600");
});
