/**
 * What TLS costs: clusters of this package over `tls` and `tcp` stand side by side, and do the same map+gather in turn,
 * so that what else the machine does meets both. Prints a table, and puts it into `docs/performance.md`.
 *
 * `deno task bench:tls [--clusters N] [--rounds N] [--tasks N] [--no-write]`
 *
 * @module
 */

import { parseFlags, wholeNumber } from "../cli/flags.ts";
import { say } from "../tools/run.ts";
import { type Certificates, makeCertificates, type Protocol, startCluster } from "./clusters.ts";
import { machine, quantile, replaceSection, today } from "./report.ts";

/** Rounds of a new cluster that don't count: until the compiler has settled. */
const WARM_UP = 3;

/** A cluster and its client, which does a round when it is told to. */
class Bench implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<string>;

  private constructor(stack: AsyncDisposableStack, client: Deno.ChildProcess) {
    this.#stack = stack;
    this.#input = client.stdin.getWriter();
    this.#output = client.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  static async start(protocol: Protocol, certificates: Certificates, tasks: number): Promise<Bench> {
    await using cleanup = new AsyncDisposableStack();
    const cluster = cleanup.use(await startCluster({ kind: "deno", protocol, certificates }));
    const [program, ...args] = cluster.clientCommand("rounds_client.ts");
    const options = { stdin: "piped", stdout: "piped", stderr: "null" } as const;
    const client = new Deno.Command(program, { args: [...args, String(tasks)], ...options }).spawn();
    return new Bench(cleanup.move(), client);
  }

  /** Seconds of one map+gather. */
  async round(): Promise<number> {
    await this.#input.write(new TextEncoder().encode("go\n"));
    const { value } = await this.#output.read();
    const seconds = Number(value);
    if (!(seconds > 0)) throw new Error("The client ended");
    return seconds;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    await this.#output.read(); // it ends
    await this.#stack.disposeAsync();
  }
}

const { text, on } = parseFlags(Deno.args, {
  clusters: { type: "string", value: "N", help: "Pairs of clusters [3]" },
  rounds: { type: "string", value: "N", help: "Rounds of each pair [20]" },
  tasks: { type: "string", value: "N", help: "Tasks of a round [10000]" },
  write: { type: "boolean", help: "Put the table into docs/performance.md [on]" },
});
const clusters = wholeNumber("clusters", text["clusters"] ?? "3", 1, 100);
const rounds = wholeNumber("rounds", text["rounds"] ?? "20", 1, 1000);
const tasks = wholeNumber("tasks", text["tasks"] ?? "10000", 1, 1_000_000);

await using certificates = await makeCertificates();
const seconds = { tls: [] as number[], tcp: [] as number[] };
const [loadBefore = 0] = Deno.loadavg();
for (let pair = 1; pair <= clusters; pair++) {
  await using tls = await Bench.start("tls", certificates, tasks);
  await using tcp = await Bench.start("tcp", certificates, tasks);
  for (let round = 0; round < WARM_UP; round++) await Promise.all([tls.round(), tcp.round()]);
  for (let round = 0; round < rounds; round++) {
    // Who goes first changes, so that neither always follows the other.
    for (const first of round % 2 === 0 ? ["tls", "tcp"] as const : ["tcp", "tls"] as const) {
      seconds[first].push(await (first === "tls" ? tls : tcp).round());
    }
  }
  say(`pair ${pair} of ${clusters}`);
}
const rate = (values: readonly number[], at: number) =>
  Math.round(tasks / quantile(values, 1 - at)).toLocaleString("en");
const ratios = seconds.tls.map((value, i) => value / (seconds.tcp[i] ?? NaN) - 1);
const cost = (at: number) => `${(100 * quantile(ratios, at)).toFixed(1)} %`;
const rows = [
  `| map + gather of ${tasks.toLocaleString("en")} tasks | lower quartile | median | upper quartile |`,
  "|---|---:|---:|---:|",
  ...(["tls", "tcp"] as const).map((protocol) =>
    `| ${protocol}, tasks/s | ${[0.25, 0.5, 0.75].map((at) => rate(seconds[protocol], at)).join(" | ")} |`
  ),
  `| TLS costs, round by round | ${[0.25, 0.5, 0.75].map(cost).join(" | ")} |`,
];
const facts =
  `${await machine()}; ${today()}. ${clusters} pairs of clusters, ${rounds} rounds in turn; load before: ` +
  `${loadBefore.toFixed(2)}.`;
const result = `${facts}\n\n${rows.join("\n")}`;
say(`\n${result}`);
if (on["write"] !== false) {
  await replaceSection(new URL("../docs/performance.md", import.meta.url), "tls", result);
  say("\nwritten to docs/performance.md");
}
