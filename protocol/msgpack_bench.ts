/**
 * Benchmarks of the most frequent messages between a scheduler and a worker, in batches of 100.
 *
 * @module
 */

import { encodeFrames, FrameReader } from "./frames.ts";
import { decodeMessage, encodeMessage } from "./message.ts";
import { decodeMsgpack, encodeMsgpack } from "./msgpack.ts";

const taskFinished = Array.from({ length: 100 }, (_, i) => ({
  op: "task-finished",
  status: "OK",
  key: `inc-3f1c9a07b2d84e5f-${i}`,
  run_id: 100 + i,
  nbytes: 28,
  type: new Uint8Array(31),
  typename: "number",
  metadata: {},
  thread: 1,
  startstops: [{ action: "compute", start: 1795457884.6119835 + i, stop: 1795457884.7119835 + i }],
  stimulus_id: `compute-task-1795457884.${i}`,
}));

const computeTask = Array.from({ length: 100 }, (_, i) => ({
  op: "compute-task",
  key: `inc-3f1c9a07b2d84e5f-${i}`,
  run_id: 100 + i,
  priority: [0, 1, i],
  stimulus_id: `compute-task-1795457884.${i}`,
  who_has: { [`dec-3f1c9a07b2d84e5f-${i}`]: ["tls://10.0.0.7:40112"] },
  nbytes: { [`dec-3f1c9a07b2d84e5f-${i}`]: 28 },
  run_spec: ["5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03", encodeMsgpack([i, null]), [[
    "dec",
    1,
  ]]],
  resource_restrictions: null,
  actor: false,
  annotations: {},
  span_id: null,
}));

for (const [name, batch] of [["task-finished", taskFinished], ["compute-task", computeTask]] as const) {
  const encoded = encodeMsgpack(batch);
  Deno.bench(`encodeMsgpack, 100 ${name}`, () => {
    encodeMsgpack(batch);
  });
  Deno.bench(`decodeMsgpack, 100 ${name}`, () => {
    decodeMsgpack(encoded);
  });
  Deno.bench(`message to bytes and back, 100 ${name}`, () => {
    const reader = new FrameReader();
    for (const chunk of encodeFrames(encodeMessage(batch))) reader.push(chunk);
    decodeMessage(reader.next() ?? []);
  });
}

const one = taskFinished[0];
Deno.bench("message to bytes and back, one task-finished", () => {
  const reader = new FrameReader();
  for (const chunk of encodeFrames(encodeMessage(one))) reader.push(chunk);
  decodeMessage(reader.next() ?? []);
});

for (const length of [8, 20, 40, 60, 80, 120]) {
  const texts = Array.from({ length: 100 }, (_, i) => String(i).padEnd(length, "x"));
  const bytes = encodeMsgpack(texts);
  Deno.bench(`encodeMsgpack, 100 strings of ${length}`, () => {
    encodeMsgpack(texts);
  });
  Deno.bench(`decodeMsgpack, 100 strings of ${length}`, () => {
    decodeMsgpack(bytes);
  });
}
