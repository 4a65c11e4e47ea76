import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { setLogLevel } from "../config/logging.ts";
import { captureLog } from "../testing/logs.ts";
import { dumpMachine } from "../testing/machine_dump.ts";
import { runToEnd } from "../testing/processes.ts";
import { Random } from "../testing/random.ts";
import { SchedulerDriver } from "../testing/scheduler_driver.ts";
import { A } from "../testing/scheduler_fixture.ts";
import { Parts } from "../testing/simulation/setting.ts";
import { runSimulation } from "../testing/simulation/simulation.ts";
import { type GraphRowSpec, SimulatedCluster, updateGraph } from "../testing/scheduler_simulation.ts";
import { Client, Scheduler, Worker } from "../mod.ts";
import type { Key } from "../messages/common.ts";
import type { WorkerMetrics } from "../messages/facts.ts";
import { EnumMember, Float, Pickled, Serialized } from "../protocol/serialized.ts";
import { DIGEST_EVERY, JournalFile, Recorder } from "./recorder.ts";
import { FunctionBodies } from "./extensions/functions/function_bodies.ts";
import { replay, ReplayError } from "./replay.ts";
import type { Effects } from "./state/effects.ts";
import type { Extension } from "./state/extension.ts";
import { decodeEntry, encodeEntry } from "./state/journal.ts";
import type { SchedulerStateOptions } from "./state/machine.ts";
import { machineOf, SchedulerState } from "./state/scheduler_state.ts";
import type { SchedulerStimulus } from "./state/stimulus.ts";

/** What goes through the door of a machine, and dumps of the machine after every hundredth stimulus. */
class Recording {
  readonly lines: string[] = [];
  readonly dumps: string[] = [];
  readonly encodeError: SchedulerStateOptions["encodeError"];

  constructor(state: SchedulerState, options: SchedulerStateOptions = {}) {
    const { encodeError, ...recorded } = options;
    this.encodeError = encodeError;
    const recorder = new Recorder(recorded, (line) => this.lines.push(line));
    const handle = state.handle.bind(state);
    let count = 0;
    state.handle = (stimuli, now) => {
      recorder.record(stimuli, now, state);
      const effects = handle(stimuli, now);
      const before = count;
      count += stimuli.length;
      if (Math.floor(before / DIGEST_EVERY) < Math.floor(count / DIGEST_EVERY)) {
        this.dumps.push(`${dumpMachine(machineOf(state))}\n${dumpMachine({ story: state.story() })}`);
      }
      return effects;
    };
  }
}

/** Records the scheduler of a simulation. */
class RecordingParts extends Parts {
  recording: Recording | undefined;

  override makeScheduler(options: SchedulerStateOptions, extensions: readonly Extension[]): SchedulerState {
    const state = super.makeScheduler(options, extensions);
    this.recording = new Recording(state, options);
    return state;
  }
}

/** A cluster to which a good deal happens, from a seed. */
function recordedRun(seed: number): Recording {
  const random = new Random(seed);
  const driver = new SchedulerDriver({ validate: true });
  const recording = new Recording(driver, { validate: true });
  const cluster = new SimulatedCluster(driver);
  cluster.addWorker(2);
  const client = cluster.addClient("client");
  let keys: string[] = [];
  for (let step = 0; step < 1000; step++) {
    const dice = random.next();
    if (dice < 0.15) {
      const specs = Array.from({ length: 1 + random.below(5) }, (_, i): GraphRowSpec => {
        return [`t-${step}-${i}`, keys.length > 0 && random.chance(0.5) ? [random.pick(keys)] : []];
      });
      for (const [key] of specs) client.keys.set(key as Key, "pending");
      keys = [...keys, ...specs.map(([key]) => key)].slice(-20);
      client.sent.push(updateGraph(specs));
    } else if (dice < 0.18 && cluster.workers.size < 4) cluster.addWorker(1 + random.below(3));
    else if (dice < 0.2 && cluster.workers.size > 1) {
      cluster.removeWorker(random.pick([...cluster.workers.values()]), random.chance(0.5));
    } else if (dice < 0.25) {
      driver.retire({ n: 1 }, cluster.now);
    } else if (dice < 0.3) {
      cluster.retry(keys as Key[]);
    } else if (dice < 0.6) {
      const worker = random.pick([...cluster.workers.values()]);
      worker.run(random.below(10), random.chance(0.1) ? "error" : "ok", random.below(100));
    } else {
      for (let i = 0; i < 8; i++) cluster.deliver(random.below(20));
    }
  }
  cluster.settle();
  return recording;
}

Deno.test("replay of recorded runs makes the same state at every hundredth stimulus", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const run = recordedRun(seed);
    const { stimuli, digests, transitions } = await replay(run.lines);
    assert(stimuli > 300 && transitions > 1000, `${stimuli} stimuli, ${transitions} transitions`);
    assertEquals(digests, Math.ceil(stimuli / 100) - 1);
    assertEquals(await compareDumps(run), Math.floor(stimuli / 100));
  }
});

Deno.test("replay names the stimulus after which the state is another than it was", async () => {
  const { lines } = recordedRun(1);
  const lost = lines.findIndex((line) => line.includes("update-graph"));
  const error = await assertRejects(() => replay(lines.toSpliced(lost, 1)), ReplayError);
  assertEquals(error.message.includes("The state is not what it was here"), true, error.message);
  assertEquals(error.stimulus % 100, 99, "one is missing before the first digest that differs");
});

Deno.test("replay names the stimulus that broke an invariant", async () => {
  /** Forgets that a client wants something, at the 321st stimulus. */
  class BrokenState extends SchedulerState {
    #count = 0;

    override handle(stimuli: readonly SchedulerStimulus[], now: number): Effects {
      const effects = super.handle(stimuli, now);
      this.#count += stimuli.length;
      if (this.#count !== 321) return effects;
      for (const cs of machineOf(this).clients.values()) cs.wantsWhat.clear();
      return effects;
    }
  }
  const error = await assertRejects(
    () => replay(recordedRun(2).lines, (options) => new BrokenState(options, [new FunctionBodies()])),
    ReplayError,
  );
  assertEquals(error.stimulus, 321, error.message);
});

Deno.test("replay names the stimulus that broke what no transition checks", async () => {
  const { lines } = recordedRun(3);
  for (const wrong of [1, 99, 100, 157, 200, 299]) {
    /** Miscounts threads. */
    class MiscountingState extends SchedulerState {
      #count = 0;

      override handle(stimuli: readonly SchedulerStimulus[], now: number): Effects {
        const effects = super.handle(stimuli, now);
        this.#count += stimuli.length;
        for (const pool of machineOf(this).pools) if (this.#count === wrong) pool.nthreads++;
        return effects;
      }
    }
    const error = await assertRejects(
      () => replay(lines, (options) => new MiscountingState(options, [new FunctionBodies()])),
      ReplayError,
    );
    assertEquals(error.stimulus, wrong, error.message);
  }
});

/** Replays a run, and compares everything in the machine at every hundredth stimulus. Returns how often. */
async function compareDumps({ lines, dumps, encodeError }: Recording): Promise<number> {
  const replayed: Recording[] = [];
  await replay(lines, (recorded) => {
    const options = { ...recorded, ...encodeError !== undefined && { encodeError } };
    const state = new SchedulerState(options, [new FunctionBodies()]);
    replayed.push(new Recording(state, options));
    return state;
  });
  assertEquals(replayed.map((one) => one.dumps.length), [dumps.length]);
  for (const [i, dump] of replayed[0]?.dumps.entries() ?? []) {
    if (dump === dumps[i]) continue;
    const expected = dumps[i]?.split("\n") ?? []; // by lines: a dump may be of a million characters
    for (const [n, line] of dump.split("\n").entries()) {
      assertEquals(line, expected[n], `Dump ${i}, line ${n}`);
    }
  }
  return dumps.length;
}

Deno.test("replay makes everything in the machine of simulated clusters again", async () => {
  let compared = 0;
  for (let seed = 1; seed <= 4; seed++) {
    const parts = new RecordingParts();
    await runSimulation({ seed, steps: 200, parts });
    assert(parts.recording !== undefined);
    compared += await compareDumps(parts.recording);
  }
  assert(compared >= 16, `Only ${compared} dumps were compared`);
});

Deno.test("JournalFile ends the recording, not the scheduler, if it can't write", async () => {
  const folder = await Deno.makeTempDir({ prefix: "dask-record-" });
  try {
    const path = `${folder}/run.jsonl`;
    using journal = await JournalFile.open(path);
    journal.write("first");
    const { writeSync } = Deno.FsFile.prototype;
    Deno.FsFile.prototype.writeSync = () => {
      throw new Error("No space left on device");
    };
    let lines: string[];
    try {
      setLogLevel("distributed.scheduler", "info"); // simulations of this file are quiet
      lines = captureLog(() => journal.write("second"));
    } finally {
      Deno.FsFile.prototype.writeSync = writeSync;
    }
    assertEquals(lines.length, 1);
    assert(lines[0]?.includes(`Cannot record to "${path}" any longer: No space`), lines[0]);
    assertEquals(captureLog(() => journal.write("third")), []);
    assertEquals(await Deno.readTextFile(path), "first\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("Recorder ends the recording, not the scheduler, at what can't be written down", () => {
  const lines: string[] = [];
  const recorder = new Recorder({}, (line) => lines.push(line));
  const state = new SchedulerDriver();
  const endless: { self?: unknown } = {};
  endless.self = endless;
  setLogLevel("distributed.scheduler", "info"); // simulations of this file are quiet
  const log = captureLog(() => {
    recorder.record([endless as unknown as SchedulerStimulus], 1, state);
    recorder.record([{ op: "tick" }], 2, state);
  });
  assertEquals([lines.length, log.length], [1, 1]);
  assert(log[0]?.includes("Cannot record any longer"), log[0]);
});

Deno.test("Recorder and replay take integers of workers that no number holds", async () => {
  const lines: string[] = [];
  const recorder = new Recorder({}, (line) => lines.push(line));
  const state = new SchedulerDriver();
  const metrics = { memory: 2n ** 60n } as unknown as WorkerMetrics;
  const worker = {
    address: A,
    status: "running",
    nthreads: 1,
    name: "a",
    memory_limit: null,
    metrics,
  } as const;
  const stimuli: SchedulerStimulus[] = [{ op: "add-worker", ask: 0, worker }];
  while (stimuli.length <= DIGEST_EVERY) stimuli.push({ op: "tick" });
  for (const stimulus of stimuli) {
    recorder.record([stimulus], 1, state);
    state.handle([stimulus], 1);
  }
  assertEquals((await replay(lines)).digests, 1);
});

Deno.test("replay refuses what is no journal, with the line", async () => {
  const [first = ""] = recordedRun(1).lines;
  for (
    const [lines, expected] of [
      [[], /empty/],
      [["{}"], /Stimulus 0 \(line 1\).*no entry/],
      [[first, "nonsense"], /line 2.*SyntaxError/],
      [[first.replace(`"journal":1`, `"journal":9`)], /version 9, and this reads 1/],
      [[`{"now":1,"stimuli":[]}`], /first line of a journal is missing/],
    ] as const
  ) {
    const error = await assertRejects(() => replay(lines), ReplayError);
    assert(expected.test(error.message), error.message);
  }
});

Deno.test("a journal holds every value of a message exactly", () => {
  const bytes = fc.uint8Array({ maxLength: 8 });
  const header = fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), bytes));
  const special = fc.oneof(
    bytes,
    fc.double(),
    fc.bigInt(),
    fc.tuple(header, fc.array(bytes)).map(([head, frames]) => new Serialized(head, frames)),
    fc.tuple(header, fc.array(bytes)).map(([head, frames]) => new Pickled(head, frames)),
    fc.double().map((value) => new Float(value)),
    fc.constant(new EnumMember("module", "Class", "member")),
  );
  const name = fc.oneof(fc.string(), fc.constantFrom("$bytes", "$", "__proto__", "$number"));
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 3 },
      fc.string(),
      fc.boolean(),
      fc.constant(null),
      special,
      tie("list"),
      tie("map"),
    ),
    list: fc.array(tie("any"), { maxLength: 4 }),
    map: fc.dictionary(name, tie("any"), { maxKeys: 4, noNullPrototype: false }),
  })).any;
  fc.assert(
    fc.property(value, (one) => {
      const line = encodeEntry({ now: 1, stimuli: [one] as unknown as SchedulerStimulus[] });
      assert(!line.includes("\n"));
      const entry = decodeEntry(line);
      assert("stimuli" in entry);
      const again = encodeEntry(entry);
      assertEquals(again, line);
      assertEquals(shape(entry.stimuli[0]), shape(one));
    }),
    { seed: 20260801, numRuns: 500 },
  );
  assertThrows(() => decodeEntry(`{"now":1,"stimuli":[{"$what":1}]}`), SyntaxError, `no "$what"`);
});

/** A value without the prototypes of its plain objects, which are not written down. */
function shape(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(shape);
  const name = Object.getPrototypeOf(value) === null ? "Object" : value.constructor.name;
  return [name, Object.entries(value).map(([field, item]) => [field, shape(item)])];
}

Deno.test("Scheduler.start records a live scheduler, readable by its account alone, and deno task replay takes it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "dask-record-" });
  try {
    const record = `${folder}/run.jsonl`;
    {
      const options = { host: "127.0.0.1", port: 0, protocol: "tcp", record } as const;
      await using scheduler = await Scheduler.start(options);
      await using _first = await Worker.start(scheduler.address, { nthreads: 1, name: "first" });
      await using _second = await Worker.start(scheduler.address, { nthreads: 1, name: "second" });
      await using client = await Client.connect(scheduler.address);
      for (let round = 0; round < 60; round++) {
        const squares = client.map((x: number) => x * x, [round, round + 0.5, new Uint8Array(2000).length]);
        await client.submit((all: number[]) => all.length, squares).result();
      }
      await assertRejects(() => client.submit(() => JSON.parse("{")).result(), SyntaxError);
    }
    const { mode } = await Deno.stat(record);
    if (mode !== null) assertEquals(mode & 0o777, 0o600);
    const report = await replay((await Deno.readTextFile(record)).split("\n"));
    assert(report.digests >= 1 && report.stimuli > 120, JSON.stringify(report));
    const { code, stdout } = await runToEnd({
      command: [Deno.execPath(), "run", "-A", new URL("../tools/replay.ts", import.meta.url).href, record],
    });
    assertEquals([code, /every invariant held/.test(stdout)], [0, true], stdout);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("scheduler --record refuses to record where it may not write, and names the flag", async () => {
  const program = new URL("../scheduler.ts", import.meta.url).href;
  const { code, stderr } = await runToEnd({
    command: [
      Deno.execPath(),
      ...["run", "--no-prompt", "--allow-net", "--allow-read", program],
      ...["--host", "127.0.0.1", "--port", "0", "--protocol", "tcp", "--record", "run.jsonl"],
    ],
  });
  assertEquals(code, 1);
  assert(/Cannot record to "run.jsonl": add --allow-write=run.jsonl/.test(stderr), stderr);
});
