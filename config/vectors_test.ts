import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { portRange } from "../cli/worker.ts";
import { UsageError } from "../cli/flags.ts";
import { heartbeatInterval } from "../scheduler/state/membership.ts";
import { loadVectors, type Vector } from "../testing/vectors.ts";
import { Config } from "./config.ts";
import { ConfigError } from "./errors.ts";

/** Functions of Dask's that have no counterpart. */
const PYTHON_ONLY: Readonly<Record<string, string>> = {
  format_bytes: "texts for people, made in Python's way",
  format_time: "texts for people, made in Python's way",
  parse_memory_limit: "there are no limits on memory",
};

/** Values that Python reads and we refuse: they hide slips. */
const STRICTER: readonly string[] = ["parse_bytes(true)", 'parse_bytes("")', "parse_bytes(-5kB)"];

function check(vector: Vector): void {
  const [value, unit] = vector["args"] as readonly (string | number | boolean | null)[];
  const isRefused = vector["error"] !== undefined;
  const config = new Config().with({ "distributed.x": value });
  switch (vector["fn"]) {
    case "parse_bytes":
      if (isRefused) return void assertThrows(() => config.bytes("distributed.x"), ConfigError);
      return assertEquals(config.bytes("distributed.x"), vector["ok"]);
    case "parse_timedelta": {
      if (isRefused) return void assertThrows(() => config.seconds("distributed.x"), ConfigError);
      if (vector["ok"] === null) return assertEquals(config.seconds("distributed.x"), undefined);
      const seconds = config.seconds("distributed.x") ?? NaN;
      const factor = unit === "ms" ? 1e-3 : 1; // settings are in seconds; units_test.ts sees to others
      return assertAlmostEquals(seconds * factor, Number(vector["ok"]), 1e-12);
    }
    case "parse_ports": {
      if (isRefused) return void assertThrows(() => portRange(String(value)), UsageError);
      const ports = vector["ok"] as readonly number[];
      return assertEquals(portRange(String(value)), [ports[0] ?? NaN, ports.at(-1) ?? NaN]);
    }
    case "heartbeat_interval": {
      const { ok } = vector;
      const seconds = typeof ok === "number" ? ok : Number((ok as { readonly $float: string }).$float);
      return assertEquals(heartbeatInterval(Number(value)), seconds);
    }
  }
  throw new Error(`No check for ${String(vector["fn"])}`);
}

Deno.test("Config reads what Dask reads, and refuses what it refuses", () => {
  const skipped = new Map<string, number>();
  let checked = 0;
  for (const vector of loadVectors("config")) {
    const name = String(vector["fn"]);
    const args = vector["args"] as readonly unknown[];
    const id = `${name}(${args[0] === "" ? '""' : String(args[0])})`;
    const isOptional = name === "parse_ports" && args[0] === null; // an absent flag
    const reason = PYTHON_ONLY[name] ??
      (STRICTER.includes(id) || isOptional ? "refused or absent here" : undefined);
    if (reason !== undefined) {
      skipped.set(`${name}: ${reason}`, (skipped.get(`${name}: ${reason}`) ?? 0) + 1);
      continue;
    }
    try {
      check(vector);
    } catch (error) {
      throw new Error(`${id}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
    checked++;
  }
  assert(checked >= 65, `only ${checked}`);
  // deno-lint-ignore no-console
  for (const [reason, count] of skipped) console.info(`config.json: ${count} skipped, ${reason}`);
});
