/**
 * Damaged input against live roles: hostile peers in a process of their own, and an honest client that works
 * all the time.
 *
 * @module
 */

import { rolePermissions, runToEnd } from "../processes.ts";
import type { Attack, AttackReport } from "./attacker.ts";
import { FuzzFinding } from "./fuzz.ts";
import { type Memory, type VictimOptions, Victims } from "./victims.ts";
import type { VictimRole } from "./ways.ts";

/** How a live run goes. */
export interface LiveOptions extends VictimOptions {
  /** Inputs for each of the two roles. */
  readonly inputs: number;
  /** Which inputs. */
  readonly seed: number;
}

/** What came of an attack on one role. */
export interface LiveReport extends AttackReport {
  /** Kind of links. */
  readonly scheme: "tcp" | "tls";
  /** The role. */
  readonly role: VictimRole;
  /** Inputs in all. */
  readonly inputs: number;
  /** Tasks of the honest client meanwhile. */
  readonly tasks: number;
  /** Memory after a fifth of the inputs, and at the end. */
  readonly memory: readonly [before: Memory, after: Memory];
}

/** Tasks of the honest client at a time. */
const TASKS = 20;
/** Milliseconds in which they must come back; with less the role hangs. */
const HANG_MS = 30_000;
/**
 * Bytes by which memory may grow: compiled code, and what the allocator keeps. What leaks would leak per
 * input.
 */
const HEAP_GROWTH_MAX = 12 * 2 ** 20;
const RSS_GROWTH_MAX = 64 * 2 ** 20;

/** Attacks a scheduler, then a worker. Throws {@linkcode FuzzFinding} if one does what it should not. */
export async function fuzzLive(options: LiveOptions): Promise<LiveReport[]> {
  await using victims = await Victims.start(options);
  const run = new LiveRun(victims, options);
  const reports = [await run.attack("scheduler"), await run.attack("worker")];
  if (!await victims.end()) {
    throw new FuzzFinding(`A role did not end well, or failed before${victims.lastWords}`);
  }
  return reports;
}

class LiveRun {
  readonly #victims: Victims;
  readonly #options: LiveOptions;
  #sessions = 0;
  #tasks = 0;

  constructor(victims: Victims, options: LiveOptions) {
    this.#victims = victims;
    this.#options = options;
  }

  /** Memory is looked at when a fifth is over: until then everything happens for the first time. */
  async attack(role: VictimRole): Promise<LiveReport> {
    const { scheme, inputs } = this.#options;
    this.#tasks = 0;
    const first = Math.ceil(inputs / 5);
    const a = await this.#attack(role, first);
    const before = await this.#victims[role].memory();
    const b = await this.#attack(role, inputs - first);
    const after = await this.#victims[role].memory();
    const sent: Record<string, number> = {};
    for (const way of Object.keys(a.sent)) sent[way] = (a.sent[way] ?? 0) + (b.sent[way] ?? 0);
    const hasGrown = after.heap - before.heap > HEAP_GROWTH_MAX ||
      (after.rss ?? 0) - (before.rss ?? 0) > RSS_GROWTH_MAX;
    if (hasGrown) {
      throw new FuzzFinding(`Memory of the ${role} over ${scheme} grew: ${growth([before, after])}`);
    }
    return {
      scheme,
      role,
      inputs: Object.values(sent).reduce((sum, count) => sum + count, 0),
      sent,
      framed: a.framed + b.framed,
      sessions: a.sessions + b.sessions,
      tasks: this.#tasks,
      memory: [before, after],
    };
  }

  async #attack(role: VictimRole, inputs: number): Promise<AttackReport> {
    const attack: Attack = {
      role,
      address: this.#victims[role].address,
      certificates: this.#victims.certificates,
      seed: this.#options.seed,
      inputs,
      firstSession: this.#sessions,
    };
    const program = new URL("attacker.ts", import.meta.url).href;
    const attacker = runToEnd({
      name: "attacker",
      command: [Deno.execPath(), "run", ...rolePermissions, program, JSON.stringify(attack)],
    });
    let isOver = false;
    attacker.then(() => isOver = true, () => isOver = true);
    do await this.#work(role); while (!isOver);
    const { code, stdout, stderr } = await attacker;
    if (code !== 0) throw new Error(`The attacker ended with ${code}: ${stderr}`);
    const report = JSON.parse(stdout) as AttackReport;
    this.#sessions += report.sessions;
    return report;
  }

  /** Fails if the honest client's tasks don't come back as they should. */
  async #work(attacked: VictimRole): Promise<void> {
    const { client } = this.#victims;
    const inputs = Array.from({ length: TASKS }, (_, i) => this.#tasks + i);
    this.#tasks += TASKS;
    const futures = client.with({ workers: ["honest"], pure: false }).map((x: number) => x + 1, inputs);
    const results = await client.gather(futures, { timeout: HANG_MS }).catch((cause) => {
      const what =
        `The honest client was harmed while the ${attacked} was attacked${this.#victims.lastWords}`;
      throw new FuzzFinding(what, { cause });
    });
    for (const future of futures) future.release();
    if (results.every((result, i) => result === (inputs[i] ?? NaN) + 1)) return;
    throw new FuzzFinding(`The honest client got wrong results while the ${attacked} was attacked`);
  }
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

/** What a role took, and takes. */
function growth([before, after]: LiveReport["memory"]): string {
  const rss = before.rss === undefined || after.rss === undefined
    ? ""
    : `${mib(before.rss)} → ${mib(after.rss)} MiB resident, `;
  return `${rss}heap ${mib(before.heap)} → ${mib(after.heap)} MiB`;
}

/** One line per attack. */
export function describeLive(reports: readonly LiveReport[]): string {
  return reports.map(({ scheme, role, inputs, sent, framed, sessions, tasks, memory }) => {
    const ways = Object.entries(sent).map(([way, count]) => `${count} ${way}`).join(", ");
    return `${scheme} ${role.padEnd(9)} ${inputs} inputs on ${sessions} links (${ways}), ` +
      `${(100 * framed / inputs).toFixed(0)} % past framing; ${
        growth(memory)
      }; ${tasks} honest tasks meanwhile`;
  }).join("\n");
}
