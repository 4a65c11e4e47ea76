import { assert, assertEquals, assertInstanceOf, assertMatch, assertThrows } from "@std/assert";
import { CLIENT_REPORTS, CLIENT_STREAM } from "../../messages/client_scheduler.ts";
import { isRecord } from "../../messages/common.ts";
import { isLacking, type OperationTable, type StreamTable } from "../../messages/operations.ts";
import { SCHEDULER_OPERATIONS } from "../../messages/scheduler_operations.ts";
import { WORKER_OPERATIONS } from "../../messages/worker_operations.ts";
import { WORKER_COMMANDS, WORKER_STREAM } from "../../messages/worker_scheduler.ts";
import { encodeFrames } from "../../protocol/frames.ts";
import { encodeMessage } from "../../protocol/message.ts";
import { corpus, flat } from "../../testing/fuzz/corpus.ts";
import { describeCoverage, parseLcov } from "../../testing/fuzz/coverage.ts";
import { describeReport, fuzz, FuzzFinding, inputOf, pastFraming } from "../../testing/fuzz/fuzz.ts";
import { STAGES, Targets } from "../../testing/fuzz/targets.ts";

const SEEDS = corpus();

Deno.test("Damaged input meets an error that is meant for it, and state machines stay valid", () => {
  const report = fuzz(SEEDS, 2, 10_000);
  Deno.stdout.writeSync(new TextEncoder().encode(`${describeReport(report)}\n`));
  assert(pastFraming(report) >= 0.3, "too much is refused by framing to test what is behind it");
  for (const [i, stage] of STAGES.entries()) assert((report.reached[i] ?? 0) > 0, `nothing was ${stage}`);
});

Deno.test("The fuzzer tells of what is no error for damaged input, and how to see it again", () => {
  let fed = 0;
  const targets = {
    feed: () => {
      if (++fed === 5) throw new TypeError("Cannot read properties of undefined");
      return 3;
    },
  };
  const error = assertThrows(() => fuzz(SEEDS, 7, 10, targets), FuzzFinding);
  assertMatch(error.message, /^Input 4 of seed 7 met a bug; again with: .* --seed 7 --inputs 5/);
  assertInstanceOf(error.cause, TypeError);
});

Deno.test("parseLcov and describeCoverage give lines and branches by part", () => {
  const text = "SF:/r/protocol/a.ts\nBRF:4\nBRH:1\nLF:10\nLH:5\nend_of_record\n" +
    "SF:/r/protocol/b.ts\nBRF:0\nBRH:0\nLF:10\nLH:10\nend_of_record\nSF:/r/cli/x.ts\nLF:9\nLH:0\nend_of_record\n";
  const files = parseLcov(text, new URL("file:///r/"));
  assertEquals(files.map(({ path }) => path), ["protocol/a.ts", "protocol/b.ts", "cli/x.ts"]);
  const table = describeCoverage(files);
  assertMatch(
    table,
    /^protocol +15 of 20, 75 % +1 of 4, 25 % +2 files; least: protocol\/a\.ts 50 %, protocol\/b\.ts 100 %$/m,
  );
  assertEquals(table.includes("cli/"), false);
});

Deno.test("The fuzzer's inputs are the same each time", () => {
  for (let i = 0; i < 50; i++) assertEquals(inputOf(SEEDS, 7, i), inputOf(SEEDS, 7, i));
});

Deno.test("The corpus has a message for each row of the tables that is not lacking", () => {
  const messages = SEEDS.own.flatMap(({ message }) =>
    Array.isArray(message) ? message as unknown[] : [message]
  );
  const ops = new Set(messages.map((message) => isRecord(message) ? message["op"] : undefined));
  const tables: readonly (OperationTable | StreamTable)[] = [
    SCHEDULER_OPERATIONS,
    WORKER_OPERATIONS,
    CLIENT_STREAM,
    CLIENT_REPORTS,
    WORKER_STREAM,
    WORKER_COMMANDS,
  ];
  const rows = tables.flatMap((table) => Object.values<OperationTable[string] | StreamTable[string]>(table));
  assertEquals(rows.filter((row) => !isLacking(row) && !ops.has(row.op)).map(({ op }) => op), []);
});

Deno.test("The corpus is handled when it is not damaged", () => {
  const targets = new Targets();
  const wire = flat(encodeFrames(encodeMessage([{ op: "heartbeat-client" }])));
  assertEquals(STAGES[targets.feed(wire)], "handled");
  assert(SEEDS.captured.length > 300 && SEEDS.own.length > 20);
});
