import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { uselessSettings } from "./check.ts";
import { Config, type ConfigLayer } from "./config.ts";
import { DEFAULTS, UNUSED } from "./defaults.ts";
import { ConfigError } from "./errors.ts";
import { loadConfig } from "./load.ts";
import { leaves } from "./tree.ts";

/** A folder of files, gone at the end. */
class Files implements Disposable {
  readonly root = Deno.makeTempDirSync({ prefix: "dask-config-" });

  constructor(files: Readonly<Record<string, string>>) {
    for (const [name, text] of Object.entries(files)) {
      const path = this.path(name);
      Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      Deno.writeTextFileSync(path, text);
    }
  }

  path(name: string): string {
    return `${this.root}/${name}`;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.root, { recursive: true });
  }
}

const HOME = Deno.build.os === "windows" ? "USERPROFILE" : "HOME";
const KEY = "distributed.scheduler.allowed-failures";
const yaml = (value: number) => `distributed: {scheduler: {allowed-failures: ${value}}}\n`;

Deno.test("loadConfig: each source counts more than the one before", () => {
  using files = new Files({
    "etc/a.yaml": yaml(10),
    "venv/etc/dask/a.yaml": yaml(11),
    "home/.config/dask/a.yaml": yaml(12),
    "named/a.yaml": yaml(13),
    "flag.yaml": yaml(14),
  });
  const sources: readonly [name: string, value: string, result: number, origin: string][] = [
    ["DASK_ROOT_CONFIG", files.path("etc"), 10, files.path("etc/a.yaml")],
    ["VIRTUAL_ENV", files.path("venv"), 11, files.path("venv/etc/dask/a.yaml")],
    [HOME, files.path("home"), 12, files.path("home/.config/dask/a.yaml")],
    ["DASK_CONFIG", files.path("named"), 13, files.path("named/a.yaml")],
    ["--config", files.path("flag.yaml"), 14, files.path("flag.yaml")],
    ["DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "15", 15, "environment variable"],
  ];
  const env: Record<string, string> = { DASK_ROOT_CONFIG: files.path("nowhere") };
  assertEquals(loadConfig({ env }).wholeNumber(KEY), 3);
  let path: string | undefined;
  for (const [name, value, result, origin] of sources) {
    if (name === "--config") path = value;
    else env[name] = value;
    const config = loadConfig({ env, path });
    assertEquals(config.wholeNumber(KEY), result, name);
    assertMatch(config.origin(KEY), new RegExp(`^${RegExp.escape(origin)}`), name);
  }
});

Deno.test("loadConfig merges all files of a folder, sorted, and leaves others alone", () => {
  using files = new Files({
    "a.yaml": "distributed: {comm: {compression: lz4, default-scheme: tls}}",
    "b.YML": "distributed: {comm: {compression: auto}}",
    "c.json": '{"distributed": {"client": {"heartbeat": "7s"}}}',
    "d.yaml": "",
    "e.yaml": "# nothing\n",
    "x.txt": "[",
  });
  const config = loadConfig({ env: {}, path: files.root });
  assertEquals(config.get("distributed.comm.compression"), "auto");
  assertEquals(config.text("distributed.comm.default-scheme"), "tls");
  assertEquals(config.seconds("distributed.client.heartbeat"), 7);
  assertEquals(config.wholeNumber(KEY), 3);
});

Deno.test("loadConfig reads variables by Dask's rule", () => {
  const config = loadConfig({
    env: {
      DASK_DISTRIBUTED__COMM__TLS__CA_FILE: "ca.pem",
      DASK_DISTRIBUTED__COMM__TLS__MIN_VERSION: "1.3",
      DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION: "true",
      DASK_DISTRIBUTED__SCHEDULER__BLOCKED_HANDLERS: "['terminate']",
      OTHER: "1",
    },
  });
  assertEquals(config.text("distributed.comm.tls.ca-file"), "ca.pem");
  assertEquals(config.text("distributed.comm.tls.ca_file"), "ca.pem");
  assertEquals(config.number("distributed.comm.tls.min-version"), 1.3);
  assertEquals(config.boolean("distributed.comm.require_encryption"), true);
  assertEquals(config.get("distributed.scheduler.blocked-handlers"), ["terminate"]);
  assertEquals(config.get("other"), undefined);
});

Deno.test("loadConfig takes what a parent hands down, and variables over it", () => {
  const inherited = btoa(JSON.stringify({ distributed: { scheduler: { "allowed-failures": 7 } } }));
  const env = { DASK_INTERNAL_INHERIT_CONFIG: inherited };
  assertEquals(loadConfig({ env }).wholeNumber(KEY), 7);
  const over = { ...env, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES: "8" };
  assertEquals(loadConfig({ env: over }).wholeNumber(KEY), 8);
  assertThrows(() => loadConfig({ env: { DASK_INTERNAL_INHERIT_CONFIG: "?" } }), ConfigError, "base64");
});

const BAD_FILES: readonly [what: string, text: string, message: RegExp][] = [
  ["unfinished YAML", "a:\n  b: [1\n c: 2\n", /bad\.yaml" is malformed: .* at line 3, column 2/],
  ["a list", "- 1\n", /bad\.yaml" is malformed: .* not a list/],
  ["a text", "distributed\n", /bad\.yaml" is malformed: .* not a string/],
];

for (const [what, text, message] of BAD_FILES) {
  Deno.test(`loadConfig refuses ${what}, naming file and reason`, () => {
    using files = new Files({ "bad.yaml": text });
    const error = assertThrows(() => loadConfig({ env: { DASK_CONFIG: files.root } }), ConfigError);
    assertMatch(error.message, message);
  });
}

Deno.test("loadConfig wants the file that is named on the command line", () => {
  assertThrows(() => loadConfig({ env: {}, path: "/nowhere/x.yaml" }), ConfigError, '"/nowhere/x.yaml"');
  assertEquals(loadConfig({ env: { DASK_CONFIG: "/nowhere" } }).wholeNumber(KEY), 3);
});

const TLS_SLIPS: readonly [name: string, guess: string][] = [
  ["ca-fle", "ca-file"],
  ["scheduler.crt", "scheduler.cert"],
  ["Worker.keys", "worker.key"],
  ["min_versions", "min-version"],
  ["revokes", "revoked"],
  ["verify", ""],
];

for (const [name, guess] of TLS_SLIPS) {
  Deno.test(`loadConfig refuses distributed.comm.tls.${name}, naming the source`, () => {
    const variable = `DASK_DISTRIBUTED__COMM__TLS__${
      name.replaceAll(".", "__").replaceAll("-", "_").toUpperCase()
    }`;
    const error = assertThrows(() => loadConfig({ env: { [variable]: "x" } }), ConfigError);
    assertMatch(error.message, new RegExp(`in environment variable ${variable}: `));
    assertMatch(
      error.message,
      guess === "" ? /known are/ : new RegExp(`did you mean "distributed.comm.tls.${guess}"`),
    );
  });
}

Deno.test("loadConfig refuses what asks for TLS in the wrong place, which would mean plain text", () => {
  const ca = { "ca-file": "ca.pem" };
  for (
    const [settings, wanted] of [
      [{ distributed: { comm: { tsl: ca } } }, "distributed.comm.tls"],
      [{ distributed: { com: { tls: ca } } }, "distributed.comm.tls"],
      [{ distributed: { tls: ca } }, "distributed.comm.tls"],
      [{ comm: { tls: ca } }, "distributed.comm.tls"],
      [{ tls: ca }, "distributed.comm.tls"],
      [{ comm: { "require-encryption": true } }, "distributed.comm.require-encryption"],
    ] as const
  ) {
    const env = { DASK_INTERNAL_INHERIT_CONFIG: btoa(JSON.stringify(settings)) };
    assertThrows(() => loadConfig({ env }), ConfigError, `TLS is set below "${wanted}"`);
  }
  // Other packages have their own sections.
  const env = { DASK_INTERNAL_INHERIT_CONFIG: btoa(JSON.stringify({ gateway: { tls: ca } })) };
  loadConfig({ env });
});

Deno.test("loadConfig refuses an unknown limit, naming the source and the nearest one", () => {
  const of = (name: string) => () =>
    loadConfig({ env: { [`DASK_DISTRIBUTED__COMM__LIMITS__${name}`]: "1" } });
  const error = assertThrows(of("LINK"), ConfigError, 'did you mean "distributed.comm.limits.links"');
  assertMatch(error.message, /"distributed\.comm\.limits\.link" in environment variable DASK_/);
  assertThrows(of("MAX_OPEN_FILES"), ConfigError, "known are distributed.comm.limits.handshake-timeout, ");
  assertEquals(
    loadConfig({ env: { DASK_DISTRIBUTED__COMM__LIMITS: "None" } }).get("distributed.x"),
    undefined,
  );
  using files = new Files({ "dotted.yaml": "distributed:\n  comm:\n    limits.links: 5\n" });
  assertThrows(() => loadConfig({ env: {}, path: files.root }), ConfigError, "is written with dots");
});

Deno.test("loadConfig refuses an unknown TLS setting in a file, naming file and path", () => {
  using files = new Files({ "tls.yaml": "distributed:\n  comm:\n    tls:\n      ca_fle: x\n" });
  const error = assertThrows(() => loadConfig({ env: {}, path: files.root }), ConfigError);
  assertMatch(error.message, /"distributed\.comm\.tls\.ca_fle" in .*tls\.yaml/);
});

Deno.test("loadConfig takes headlines with nothing below", () => {
  using files = new Files({ "a.yaml": "distributed:\n  comm:\n    tls:\n      scheduler:\n  worker:\n" });
  const config = loadConfig({ env: {}, path: files.root });
  assertEquals(config.text("distributed.comm.tls.scheduler.cert"), undefined);
  assertEquals(config.wholeNumber("distributed.worker.connections.incoming"), 10);
  assertEquals(uselessSettings(config.layers), undefined);
});

function layer(settings: ConfigLayer["settings"]): ConfigLayer {
  return { source: "test.yaml", settings };
}

Deno.test("Config: - and _ are alike, whichever was there first", () => {
  const first = layer({ distributed: { scheduler: { "worker_ttl": "1s", "my_key": 1 } } });
  const second = layer({ distributed: { scheduler: { "worker-ttl": "2s", "my-key": 2 } } });
  const config = new Config([first, second]);
  assertEquals(config.seconds("distributed.scheduler.worker_ttl"), 2);
  assertEquals(config.seconds("distributed.scheduler.worker-ttl"), 2);
  assertEquals(config.get("distributed.scheduler.my-key"), 2);
  assertEquals(Object.keys(config.section("distributed.scheduler")).filter((key) => /my.key/.test(key)), [
    "my_key",
  ]);
});

Deno.test("Config: null unsets a setting, and leaves a section alone", () => {
  const config = new Config([layer({ distributed: { scheduler: { "worker-ttl": null }, worker: null } })]);
  assertEquals(config.seconds("distributed.scheduler.worker-ttl"), undefined);
  assertEquals(config.isGiven("distributed.scheduler.worker-ttl"), true);
  assertEquals(config.bytes("distributed.worker.transfer.message-bytes-limit"), 50e6);
});

const READS: readonly [read: (config: Config, key: string) => unknown, value: unknown, result: unknown][] = [
  [(config, key) => config.seconds(key), "5 minutes", 300],
  [(config, key) => config.seconds(key), 2.5, 2.5],
  [(config, key) => config.milliseconds(key), "1s", 1000],
  [(config, key) => config.bytes(key), "64MiB", 2 ** 26],
  [(config, key) => config.bytes(key), 5, 5],
  [(config, key) => config.number(key), "inf", Infinity],
  [(config, key) => config.wholeNumber(key), 0, 0],
  [(config, key) => config.boolean(key), false, false],
  [(config, key) => config.text(key), "x", "x"],
  [(config, key) => config.oneOf(key, ["tcp", "tls"]), "tls", "tls"],
  [(config, key) => config.text(key), null, undefined],
  [(config, key) => config.seconds(key), null, undefined],
];

for (const [read, value, result] of READS) {
  Deno.test(`Config reads ${JSON.stringify(value)} as ${String(result)} with ${read}`, () => {
    assertEquals(read(new Config().with({ "distributed.x": value }), "distributed.x"), result);
  });
}

const REFUSED: readonly [read: (config: Config, key: string) => unknown, value: unknown, message: RegExp][] =
  [
    [(config, key) => config.seconds(key), "5 parsecs", /unknown unit "parsecs"/],
    [(config, key) => config.seconds(key), true, /must be a duration .* not true/],
    [(config, key) => config.seconds(key), -1, /must be a duration/],
    [(config, key) => config.bytes(key), "many", /unknown unit/],
    [(config, key) => config.bytes(key), [1], /not a list/],
    [(config, key) => config.number(key), "1", /must be a number, not "1"/],
    [(config, key) => config.number(key, 1), 0, /of at least 1, not 0/],
    [(config, key) => config.wholeNumber(key), 1.5, /must be a whole number/],
    [(config, key) => config.boolean(key), "yes", /must be true or false, not "yes"/],
    [(config, key) => config.text(key), 5, /must be text/],
    [(config, key) => config.text(key), "", /that is not empty/],
    [(config, key) => config.text(key), { a: 1 }, /not a section/],
    [(config, key) => config.oneOf(key, ["tcp", "tls"]), "udp", /must be one of tcp, tls/],
    [(config, key) => config.section(key), 1, /must be a section/],
  ];

for (const [read, value, message] of REFUSED) {
  Deno.test(`Config refuses ${String(value)} with ${read}, naming setting and source`, () => {
    const config = new Config([{ source: "a.yaml", settings: { distributed: { x: value as string } } }]);
    const error = assertThrows(() => read(config, "distributed.x"), ConfigError);
    assertMatch(error.message, message);
    assertMatch(error.message, /^"distributed\.x".*\(a\.yaml\)$/);
  });
}

Deno.test("Config shows no long value, which may be a key by mistake", () => {
  const pem = "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n";
  const config = new Config().with({ "distributed.x": pem });
  const error = assertThrows(() => config.boolean("distributed.x"), ConfigError);
  assertEquals(error.message.includes("MIGH"), false);
});

Deno.test("Config.without leaves the built-in settings below a section", () => {
  const config = new Config([
    layer({ distributed: { comm: { tls: { ca_file: "x" }, compression: "lz4" } } }),
  ]);
  const plain = config.without("distributed.comm.tls");
  assertEquals(plain.get("distributed.comm.tls.ca-file"), null);
  assertEquals(plain.get("distributed.comm.compression"), "lz4");
  assertEquals(config.get("distributed.comm.tls.ca-file"), "x");
});

Deno.test("Config takes __proto__ for a name like others", () => {
  const settings = JSON.parse(
    '{"__proto__": {"polluted": 1}, "distributed": {"__proto__": {"polluted": 1}}}',
  );
  const config = new Config([layer(settings)]);
  assertEquals(config.get("polluted"), undefined);
  assertEquals(({} as Record<string, unknown>)["polluted"], undefined);
  assertEquals(config.get("distributed.__proto__.polluted"), 1);
});

Deno.test("uselessSettings names what has no effect, what nobody knows, and each source", () => {
  const text = uselessSettings([
    layer({
      distributed: {
        scheduler: {
          "work_stealing": true,
          "worker-tttl": 1,
          "allowed-failures": 1,
          "default-task-durations": { x: 1 },
        },
        nanny: { environ: { A: 1 } },
        comm: { timeouts: { tcp: "1s", connect: "2s" } },
        zebra: 1,
      },
      logging: { distributed: "info" },
      array: { "chunk-size": 1 },
      distributd: { x: 1 },
    }),
  ]) ?? "";
  assertEquals(text.split(". ").map((sentence) => sentence.split(": ")[0]), [
    "Settings of Dask that have no effect here",
    "Unknown settings",
  ]);
  for (
    const part of [
      "distributed.scheduler.work_stealing (test.yaml)",
      "distributed.nanny.environ.A (test.yaml)",
      "distributed.comm.timeouts.tcp (test.yaml)",
      "distributed.scheduler.worker-tttl (test.yaml; did you mean distributed.scheduler.worker-ttl?)",
      "distributed.zebra (test.yaml",
    ]
  ) assertEquals(text.includes(part), true, `${part} in ${text}`);
  for (const part of ["allowed-failures", "connect", "array", "logging", "default-task-durations"]) {
    assertEquals(text.includes(part), false, `${part} in ${text}`);
  }
});

Deno.test("uselessSettings is silent about the built-in settings, and complains of none twice", () => {
  assertEquals(uselessSettings([layer(DEFAULTS)]), undefined);
  const known = leaves(DEFAULTS).map(([path]) => path);
  assertEquals(known.filter((path) => UNUSED.some((unused) => `${path}.`.startsWith(`${unused}.`))), []);
});
