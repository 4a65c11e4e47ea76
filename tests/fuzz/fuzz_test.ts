import { assert, assertEquals } from "@std/assert";
import { encodeFrames } from "../../protocol/frames.ts";
import { encodeMessage } from "../../protocol/message.ts";
import { corpus, flat } from "./corpus.ts";
import { describeReport, fuzz, inputOf, pastFraming } from "./fuzz.ts";
import { STAGES, Targets } from "./targets.ts";

const SEEDS = corpus();

Deno.test("Damaged input meets an error that is meant for it, and state machines stay valid", () => {
  for (const seed of [1, 2]) {
    const report = fuzz(SEEDS, seed, 15_000);
    Deno.stdout.writeSync(new TextEncoder().encode(`seed ${seed}\n${describeReport(report)}\n`));
    assert(pastFraming(report) >= 0.3, "too much is refused by framing to test what is behind it");
    for (const [i, stage] of STAGES.entries()) assert((report.reached[i] ?? 0) > 0, `nothing was ${stage}`);
  }
});

Deno.test("The fuzzer's inputs are the same each time", () => {
  for (let i = 0; i < 50; i++) assertEquals(inputOf(SEEDS, 7, i), inputOf(SEEDS, 7, i));
});

Deno.test("The corpus is handled when it is not damaged", () => {
  const targets = new Targets();
  const wire = flat(encodeFrames(encodeMessage([{ op: "heartbeat-client" }])));
  assertEquals(STAGES[targets.feed(wire)], "handled");
  assert(SEEDS.captured.length > 300 && SEEDS.own.length > 20);
});
