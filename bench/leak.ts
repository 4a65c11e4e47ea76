/**
 * Looks for leaks after a million tasks were submitted, finished and released: heaps of scheduler, worker and
 * client after a garbage collection, and live objects of the classes for tasks, functions and results. The
 * roles run as users start them, with V8's inspector.
 *
 * `deno task bench:leak [--tasks N] [--protocol tls|tcp]`; ends with 1 if it finds a leak.
 *
 * @module
 */

import { parseFlags } from "../cli/flags.ts";
import { TestProcess } from "../testing/processes.ts";
import { say } from "../tools/run.ts";
import { makeCertificates, startCluster } from "./clusters.ts";
import { Inspector } from "./inspector.ts";

/** Maximum growth of a heap, in bytes. */
const GROWTH_MAX = 20e6;
/** Number of tasks per turn of the event loop. */
const BATCH = 10_000;
/** Number of tasks that are held before the run. */
const HELD = 100;
/** Maximum seconds until the last releases; function bodies are released with heartbeats. */
const SETTLE_SECONDS = 30;

/** A process, and the classes without live objects at the end. */
interface Subject {
  readonly name: string;
  readonly inspector: Inspector;
  readonly classes: readonly (readonly [module: string, className: string])[];
  readonly before: number;
}

async function subject(
  name: string,
  inspector: Inspector,
  classes: readonly (readonly [module: string, className: string])[],
): Promise<Subject> {
  return { name, inspector, classes, before: await inspector.heapBytes() };
}

/** Live objects by class. */
async function leftovers({ inspector, classes }: Subject): Promise<[className: string, count: number][]> {
  const counts: [string, number][] = [];
  for (const [module, className] of classes) {
    counts.push([className, await inspector.countOf(new URL(`../${module}`, import.meta.url), className)]);
  }
  return counts;
}

async function settled(subjects: readonly Subject[]): Promise<void> {
  const deadline = performance.now() + SETTLE_SECONDS * 1000;
  while (performance.now() < deadline) {
    const counts = await Promise.all(subjects.map(leftovers));
    if (counts.flat().every(([, count]) => count === 0)) return;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** Checks that leaks would be found: held tasks are found. */
async function checkThatHeldTasksAreSeen(subjects: readonly Subject[], inClient: Inspector): Promise<void> {
  await inClient.evaluate(`bench.hold(${HELD})`);
  const seen = new Map<string, number>();
  for (const one of subjects) {
    for (const [className, count] of await leftovers(one)) {
      const kind = `${one.name.split(" ")[0]} ${className}`;
      seen.set(kind, (seen.get(kind) ?? 0) + count);
    }
  }
  await inClient.evaluate("bench.drop()");
  const unseen = [
    "scheduler TaskState",
    "worker TaskState",
    "worker Serialized",
    "client Future",
    "client KeyState",
  ]
    .filter((kind) => (seen.get(kind) ?? 0) < HELD);
  if (!seen.get("scheduler TaskGroup")) unseen.push("scheduler TaskGroup");
  if (unseen.length > 0) {
    throw new Error(`Of ${HELD} tasks that are held, too few are seen as ${unseen.join(", ")}`);
  }
  say(`${HELD} held tasks are seen in every process`);
}

/** Prints what is left in a process. Returns whether that is no leak. */
async function report(one: Subject): Promise<boolean> {
  const growth = await one.inspector.heapBytes() - one.before;
  const counts = await leftovers(one);
  const mb = (bytes: number) => (bytes / 1e6).toFixed(1);
  say(
    `${one.name.padEnd(10)} ${mb(one.before)} MB before, ${mb(growth)} MB more now; ` +
      counts.map(([className, count]) => `${count} ${className}`).join(", "),
  );
  return growth <= GROWTH_MAX && counts.every(([, count]) => count === 0);
}

const { text } = parseFlags(Deno.args, {
  tasks: { type: "string", value: "N", help: "Tasks [1000000]" },
  protocol: { type: "string", value: "tls|tcp", help: "Scheme of all links [tls]" },
});
const tasks = Number(text["tasks"] ?? "1000000");
const protocol = text["protocol"] === "tcp" ? "tcp" : "tls";

await using stack = new AsyncDisposableStack();
const certificates = stack.use(await makeCertificates());
const cluster = stack.use(await startCluster({ kind: "deno", protocol, certificates, inspect: true }));
const client = stack.use(
  new TestProcess({ command: cluster.clientCommand("inspected_client.ts"), name: "client" }),
);
await client.line(/Ready/, { stream: "stdout" });
const inspect = async (process: TestProcess) => stack.use(await Inspector.attach(process));
const inClient = await inspect(client);
const subjects = [
  await subject("scheduler", await inspect(cluster.scheduler), [
    ["scheduler/state/task_state.ts", "TaskState"],
    ["scheduler/state/task_group.ts", "TaskGroup"],
    ["protocol/serialized.ts", "Serialized"],
  ]),
  ...await Promise.all(
    cluster.workers.map(async (worker, i) =>
      await subject(`worker ${i}`, await inspect(worker), [
        ["worker/state/task_state.ts", "TaskState"],
        ["protocol/serialized.ts", "Serialized"],
      ])
    ),
  ),
  await subject("client", inClient, [
    ["client/futures/future.ts", "Future"],
    ["client/state/key_state.ts", "KeyRecord"],
    ["protocol/serialized.ts", "Serialized"],
  ]),
];
await checkThatHeldTasksAreSeen(subjects, inClient);
const start = performance.now();
for (let done = 0; done < tasks; done += BATCH) {
  await inClient.evaluate(`bench.mixed(${BATCH})`);
  if ((done / BATCH) % 10 === 9) say(`${done + BATCH} tasks`);
}
const seconds = (performance.now() - start) / 1000;
say(`${tasks} tasks over ${protocol}, one of ${BATCH} failing, in ${seconds.toFixed(0)} s`);
await settled(subjects);
let isClean = true;
for (const one of subjects) isClean = await report(one) && isClean;
say(isClean ? "nothing is left" : `too much is left (at most ${GROWTH_MAX / 1e6} MB, and no object)`);
await stack.disposeAsync();
Deno.exit(isClean ? 0 : 1);
