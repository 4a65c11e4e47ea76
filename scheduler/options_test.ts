import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { Config } from "../config/config.ts";
import { ConfigError } from "../config/errors.ts";
import { schedulerSettings } from "./options.ts";

Deno.test("schedulerSettings: options count more than configuration, and that more than what is built in", () => {
  const built = schedulerSettings({}, new Config());
  assertEquals([built.protocol, built.isProtocolAssumed, built.state.idleTimeout, built.state.workerTtl], [
    "tcp",
    true,
    Infinity,
    300,
  ]);
  assertEquals(built.state, {
    validate: false,
    allowedFailures: 3,
    workerSaturation: 1.1,
    bandwidth: 100_000_000,
    defaultTaskDurations: {
      "rechunk-split": 1e-6,
      "split-shuffle": 1e-6,
      "split-taskshuffle": 1e-6,
      "split-stage": 1e-6,
    },
    workerTtl: 300,
    idleTimeout: Infinity,
  });
  const config = new Config().with({
    "distributed.scheduler.allowed-failures": 5,
    "distributed.scheduler.validate": true,
    "distributed.scheduler.worker-saturation": "inf",
    "distributed.scheduler.bandwidth": "1 GB",
    "distributed.scheduler.worker-ttl": null,
    "distributed.scheduler.idle-timeout": "1h",
    "distributed.scheduler.default-task-durations": { my_task: "1h" },
  });
  const configured = schedulerSettings({}, config);
  assertEquals([configured.state.idleTimeout, configured.state.workerTtl], [3600, Infinity]);
  const { state } = configured;
  assertEquals([state.allowedFailures, state.validate, state.workerSaturation, state.bandwidth], [
    5,
    true,
    Infinity,
    1e9,
  ]);
  assertEquals(state.defaultTaskDurations?.["my_task"], 3600);
  assertEquals(state.defaultTaskDurations?.["split-stage"], 1e-6);
  const options = {
    allowedFailures: 0,
    validate: false,
    idleTimeout: 5,
    workerTtl: 6,
    protocol: "tcp",
  } as const;
  const given = schedulerSettings(options, config);
  assertEquals([
    given.state.allowedFailures,
    given.state.validate,
    given.state.idleTimeout,
    given.state.workerTtl,
  ], [
    0,
    false,
    0.005,
    0.006,
  ]);
  assertEquals([given.protocol, given.isProtocolAssumed], ["tcp", false]);
});

Deno.test("schedulerSettings: certificates choose tls, wherever they come from", () => {
  const config = new Config().with({ "distributed.comm.tls.ca-file": "ca.pem" });
  assertEquals(schedulerSettings({}, config).protocol, "tls");
  assertEquals(schedulerSettings({ security: { tlsCaFile: "ca.pem" } }, new Config()).protocol, "tls");
});

for (
  const [key, value] of [["worker-saturation", 0], ["default-task-durations.x", "soon"], [
    "allowed-failures",
    -1,
  ]]
) {
  Deno.test(`schedulerSettings refuses ${key}: ${value}, naming the setting`, () => {
    const config = new Config().with({ [`distributed.scheduler.${key}`]: value });
    const error = assertThrows(() => schedulerSettings({}, config), ConfigError);
    assertMatch(error.message, new RegExp(`^"distributed\\.scheduler\\.${key}".*\\(the program\\)$`));
  });
}
