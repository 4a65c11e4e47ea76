/**
 * Measures how much hostile peers slow down honest ones. A scheduler and two workers, as processes, run
 * map+gather over TLS: undisturbed, under each attack, and beside a control process that uses the same amount
 * of processor time without an attack. Attacks and controls take turns in each round; numbers are medians.
 *
 * `deno task bench:hostile [--seconds N] [--rounds N] [--write]`
 *
 * @module
 */

import { parseFlags, wholeNumber } from "../cli/flags.ts";
import { setLogLevel } from "../config/logging.ts";
import type { Client } from "../mod.ts";
import { TestCa } from "../testing/pki/pki.ts";
import { ProcessCluster } from "../testing/clusters/process_cluster.ts";
import { runToEnd } from "../testing/processes.ts";
import type { Attacked } from "./attackers.ts";
import { machine, quantile, replaceSection, today } from "./report.ts";

const TASKS = 1000;
/** Seconds of warm-up, until the code is compiled. */
const WARM_UP = 8;

/** Attacks, with their names in `attackers.ts`. */
const ATTACKS: readonly (readonly [name: string, title: string])[] = [
  ["half-open", "1,000 half-open links"],
  ["slow-loris", "slow-loris on 1,000 links"],
  ["refused", "refused handshakes"],
  ["flood", "as many handshakes as go"],
];

/** Measurements during some seconds of honest work. */
interface Seen {
  /** Tasks per second. */
  readonly rate: number;
  /** Number of cores that the scheduler used. */
  readonly scheduler: number;
  /** Number of cores that the attackers, or the control process, used. */
  readonly others: number;
  /** Links per second that were opened, refused in TLS, and kept out. The scheduler reports the last two. */
  readonly attempts: number;
  readonly refused: number;
  readonly keptOut: number;
  /** Average number of links that attackers held open. */
  readonly open: number;
}

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

/** Runs tasks of an honest client for `seconds`. Returns their number. */
async function honestWork(client: Client, seconds: number): Promise<number> {
  const start = performance.now();
  let done = 0;
  while (performance.now() - start < seconds * 1000) {
    const futures = client.map((x: number) => x + 1, Array.from({ length: TASKS }, (_, i) => done + i));
    await client.gather(futures);
    for (const future of futures) future.release();
    done += TASKS;
  }
  return done / ((performance.now() - start) / 1000);
}

/** Returns the seconds of processor time that a process has used; NaN except on Linux. */
function cpuOf(pid: number): number {
  if (Deno.build.os !== "linux") return NaN;
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

class Bench {
  readonly #cluster: ProcessCluster;
  readonly #seconds: number;

  constructor(cluster: ProcessCluster, seconds: number) {
    this.#cluster = cluster;
    this.#seconds = seconds;
  }

  /** Measures honest work during the attack `name` of `attackers.ts`; undefined: undisturbed. */
  async during(name: string | undefined, rest = ""): Promise<Seen> {
    const { client, address, scheduler } = this.#cluster;
    const { hostname, port } = new URL(address.replace("tls:", "https:"));
    const seconds = this.#seconds;
    const before = await this.#told();
    const cpu = cpuOf(scheduler.pid);
    const started = performance.now();
    const program = new URL("attackers.ts", import.meta.url).href;
    const attackers = name === undefined ? undefined : runToEnd({
      command: [
        Deno.execPath(),
        ...["run", "-A", program, name, hostname, port, String(seconds), rest],
      ],
    });
    const rate = await honestWork(client, seconds);
    const elapsed = (performance.now() - started) / 1000;
    const used = (cpuOf(scheduler.pid) - cpu) / elapsed;
    const after = await this.#told();
    const { code = 0, stdout = "", stderr = "" } = await attackers ?? {};
    if (code !== 0) throw new Error(`The attackers ended with ${code}: ${stderr}`);
    const { attempts = 0, open = 0, cpu: others = 0 } = stdout === "" ? {} : JSON.parse(stdout) as Attacked;
    return {
      rate,
      scheduler: used,
      others: others / seconds,
      attempts: attempts / seconds,
      refused: (after.refused - before.refused) / elapsed,
      keptOut: (after.keptOut - before.keptOut) / elapsed,
      open,
    };
  }

  async #told(): Promise<{ refused: number; keptOut: number }> {
    const { security } = await this.#cluster.client.schedulerInfo();
    return { refused: security?.refused.handshake ?? 0, keptOut: security?.refused.kept_out ?? 0 };
  }
}

/** The median of each number. */
function median(all: readonly Seen[]): Seen {
  const of = (field: keyof Seen) => quantile(all.map((seen) => seen[field]));
  return {
    rate: of("rate"),
    scheduler: of("scheduler"),
    others: of("others"),
    attempts: of("attempts"),
    refused: of("refused"),
    keptOut: of("keptOut"),
    open: of("open"),
  };
}

function row(title: string, seen: Seen, control: Seen | undefined, undisturbed: number): string {
  const share = (rate: number, of: number) => `${(100 * rate / of).toFixed(0)} %`;
  const number = (value: number) => value < 0.5 ? "" : value.toFixed(0);
  const cells = [
    title,
    seen.rate.toFixed(0),
    share(seen.rate, undisturbed),
    control === undefined ? "" : share(control.rate, undisturbed),
    control === undefined ? "" : share(seen.rate, control.rate),
    seen.others === 0 ? "" : seen.others.toFixed(2),
    seen.scheduler.toFixed(2),
    number(seen.attempts),
    number(seen.refused),
    number(seen.keptOut),
    number(seen.open),
  ];
  return `| ${cells.join(" | ")} |`;
}

async function main(): Promise<void> {
  const { text, on } = parseFlags(Deno.args, {
    seconds: { type: "string", value: "N", help: "Seconds per attack and per control [8]" },
    rounds: { type: "string", value: "N", help: "Rounds, of which the median counts [3]" },
    write: { type: "boolean", help: "Write the table to docs/performance.md" },
  });
  const seconds = wholeNumber("seconds", text["seconds"] ?? "8", 1, 3600);
  const rounds = wholeNumber("rounds", text["rounds"] ?? "3", 1, 1000);
  setLogLevel("distributed", "error");
  await using cluster = await ProcessCluster.start(2);
  const { folder } = cluster.certificates;
  const stranger = await (await TestCa.make("another-ca")).issue("stranger");
  await Deno.writeTextFile(`${folder}/stranger.pem`, stranger.cert);
  await Deno.writeTextFile(`${folder}/stranger.key`, stranger.key);
  const [load = 0] = Deno.loadavg();
  await honestWork(cluster.client, WARM_UP);
  const bench = new Bench(cluster, seconds);
  const undisturbed: Seen[] = [];
  const attacks = new Map<string, Seen[]>(ATTACKS.map(([name]) => [name, []]));
  const controls = new Map<string, Seen[]>(ATTACKS.map(([name]) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    undisturbed.push(await bench.during(undefined));
    for (const [name] of ATTACKS) {
      const seen = await bench.during(name, folder);
      attacks.get(name)?.push(seen);
      const cores = Math.min(seen.others, 1); // attackers are one thread
      controls.get(name)?.push(await bench.during("spin", cores.toFixed(3)));
    }
  }
  const base = median(undisturbed);
  const lines = [
    "| attack | tasks/s | of undisturbed | the same CPU, no attack | attack itself | attackers' cores | " +
    "scheduler's cores | attempts/s | refused in TLS/s | kept out/s | open links |",
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    row("nobody", base, undefined, base.rate),
    ...ATTACKS.map(([name, title]) =>
      row(title, median(attacks.get(name) ?? []), median(controls.get(name) ?? []), base.rate)
    ),
  ];
  const facts = `${await machine()}; ${today()}. Medians of ${rounds} rounds of ${seconds} s; ` +
    `load before: ${load.toFixed(2)}.`;
  const table = `${facts}\n\n${lines.join("\n")}`;
  print(table);
  if (on["write"] === true) {
    await replaceSection(new URL("../docs/performance.md", import.meta.url), "hostile", table);
  }
}

await main();
