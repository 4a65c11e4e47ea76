/**
 * What hostile peers cost honest ones: a scheduler and two workers as processes work through map+gather over TLS,
 * undisturbed and under attack, and the processor time of both sides is shown.
 *
 * `deno task bench:hostile [--seconds N]`
 *
 * @module
 */

import { connect as connectTls } from "node:tls";
import { parseFlags, wholeNumber } from "../cli/flags.ts";
import { Client, Security } from "../mod.ts";
import { startRole } from "../testing/processes.ts";

const TASKS = 1000;

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

/** Attackers that run until they are stopped; each returns what it did. */
type Attack = (hostname: string, port: number, signal: AbortSignal) => Promise<number>;

/** Opens links and never says anything. */
async function halfOpen(hostname: string, port: number, signal: AbortSignal): Promise<number> {
  const links = await Promise.all(
    Array.from({ length: 1000 }, () => Deno.connect({ hostname, port }).catch(() => undefined)),
  );
  const open = links.filter((link) => link !== undefined);
  await ended(signal);
  for (const link of open) link.close();
  return open.length;
}

/** Shows no certificate, a hundred times a second. */
async function refusedHandshakes(hostname: string, port: number, signal: AbortSignal): Promise<number> {
  let count = 0;
  while (!signal.aborted) {
    const socket = connectTls({ host: hostname, port, rejectUnauthorized: false });
    socket.on("error", () => {});
    count++;
    await pause(10);
    socket.destroy();
  }
  return count;
}

/** Sends a handshake byte by byte. */
async function slowLoris(hostname: string, port: number, signal: AbortSignal): Promise<number> {
  const links = await Promise.all(
    Array.from({ length: 200 }, () => Deno.connect({ hostname, port }).catch(() => undefined)),
  );
  let sent = 0;
  for (let i = 0; !signal.aborted; i++) {
    for (const link of links) {
      if (link !== undefined) {
        sent += await link.write(Uint8Array.of([22, 3, 1, 2, 0][i % 5] ?? 0)).catch(() => 0);
      }
    }
    await pause(500);
  }
  for (const link of links) {
    try {
      link?.close();
    } catch {
      // The scheduler was faster.
    }
  }
  return sent;
}

const ATTACKS: Readonly<Record<string, Attack>> = {
  "nobody": (_hostname, _port, signal) => ended(signal).then(() => 0),
  "1,000 half-open links": halfOpen,
  "100 refused handshakes per second": refusedHandshakes,
  "slow-loris on 200 links": slowLoris,
};

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function ended(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) {
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  }
}

/** Tasks per second of an honest client for `seconds`. */
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

/** Attackers run in a process of their own, so that their work is told from the victims'. */
async function attackProcess(): Promise<void> {
  const [, name = "", hostname = "", port = "", seconds = "1"] = Deno.args;
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), Number(seconds) * 1000);
  const count = await ATTACKS[name]?.(hostname, Number(port), controller.signal);
  clearTimeout(timer);
  const { user, system } = (await import("node:process")).cpuUsage();
  print(JSON.stringify({ count, cpu: (user + system) / 1e6 }));
}

async function main(): Promise<void> {
  const { text } = parseFlags(Deno.args, {
    seconds: { type: "string", value: "N", help: "Seconds per attack [8]" },
  });
  const seconds = wholeNumber("seconds", text["seconds"] ?? "8", 1, 3600);
  const security = await Security.temporary();
  const folder = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const flags = async (role: string, cert: string | undefined, key: string | undefined) => {
    await Deno.writeTextFile(`${folder}/ca.pem`, security.tlsCaFile ?? "");
    await Deno.writeTextFile(`${folder}/${role}.pem`, `${cert ?? ""}${key ?? ""}`);
    return ["--tls-ca-file", `${folder}/ca.pem`, "--tls-cert", `${folder}/${role}.pem`];
  };
  const schedulerFlags = await flags("scheduler", security.tlsSchedulerCert, security.tlsSchedulerKey);
  const workerFlags = await flags("worker", security.tlsWorkerCert, security.tlsWorkerKey);
  const scheduler = stack.use(
    startRole("scheduler.ts", ["--host", "127.0.0.1", "--port", "0", ...schedulerFlags]),
  );
  const [, address = ""] = await scheduler.line(/Scheduler at:\s+(tls:\S+)/);
  for (let i = 0; i < 2; i++) {
    const worker = stack.use(startRole("worker.ts", [address, "--nthreads", "1", ...workerFlags]));
    await worker.line(/Registered to/);
  }
  const client = stack.use(await Client.connect(address, { security }));
  await client.waitForWorkers(2);
  await honestWork(client, 8); // until the compiler has settled
  const { hostname, port } = new URL(address.replace("tls:", "https:"));
  let undisturbed = 0;
  for (const name of Object.keys(ATTACKS)) {
    const attacker = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", import.meta.url, "attack", name, hostname, port, String(seconds)],
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const rate = await honestWork(client, seconds);
    const { stdout } = await attacker.output();
    const { count, cpu } = JSON.parse(new TextDecoder().decode(stdout)) as { count: number; cpu: number };
    if (name === "nobody") undisturbed = rate;
    print(
      `${name.padEnd(36)} ${rate.toFixed(0).padStart(7)} tasks/s, ${
        (100 * rate / undisturbed).toFixed(0).padStart(3)
      } %` +
        `   attackers: ${count} actions, ${(cpu / seconds).toFixed(2)} cores`,
    );
  }
}

if (Deno.args[0] === "attack") await attackProcess();
else await main();
