/**
 * Whole programs at the ends of a link, started with flags as a user does: a scheduler that listens, and a
 * worker or `client.ts status` that dials it. What is seen of them is what they print, and how they end.
 *
 * @module
 */

import { rolePermissions, TestProcess } from "../processes.ts";
import { type Dialled, type EndOptions, type Listening, PATIENCE, type Seen } from "./ends.ts";
import type { Role } from "./roles.ts";

/** Programs that are a case's at once: each is a start of Deno's. */
const AT_ONCE = 3;

/** Runs the programs of cases, of some at once. */
export class Programs {
  readonly #queue: (() => void)[] = [];
  #free = AT_ONCE;

  /** Starts a scheduler. */
  async listen(end: EndOptions): Promise<Listening> {
    const turn = await this.#turn();
    const process = start(end, ["--host", "127.0.0.1", "--port", "0"]);
    const close = async (): Promise<void> => {
      await process[Symbol.asyncDispose]();
      turn[Symbol.dispose]();
    };
    const at = await process.line(/ Scheduler at: +tls:\/\/127\.0\.0\.1:(\d+)$|^scheduler: /m, {
      deadline: PATIENCE,
    });
    if (at[1] === undefined) {
      const seen = await verdict(process, "scheduler");
      return { seen: () => Promise.resolve(seen), close };
    }
    return {
      port: Number(at[1]),
      seen: (dialler, words) => schedulerSeen(process, end.whom, dialler, words),
      close,
    };
  }

  /** Starts a worker, or asks for the cluster's status. */
  async dial(end: EndOptions, port: number): Promise<Dialled> {
    // The listener's turn is the case's; without one nothing is dialled, and it is over soon.
    const process = start(end, [`tls://127.0.0.1:${port}`]);
    return { seen: await diallerSeen(process, end.role), close: () => process[Symbol.asyncDispose]() };
  }

  async #turn(): Promise<Disposable> {
    if (this.#free > 0) this.#free--;
    else {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#queue.push(resolve);
      await promise;
    }
    return {
      [Symbol.dispose]: () => {
        const next = this.#queue.shift();
        if (next === undefined) this.#free++;
        else next();
      },
    };
  }
}

function start(end: EndOptions, more: readonly string[]): TestProcess {
  const { role, ca, cert, key, crl, revoked, version, denied } = end;
  const flag = (name: string, value: string | undefined): string[] =>
    value === undefined ? [] : [`--${name}`, value];
  return new TestProcess({
    name: role,
    command: [
      Deno.execPath(),
      "run",
      ...rolePermissions,
      ...denied === undefined ? [] : [`--deny-read=${denied}`],
      new URL(`../../${role}.ts`, import.meta.url).pathname,
      ...role === "client" ? ["status"] : [],
      ...flag("tls-ca-file", ca),
      ...flag("tls-cert", cert),
      ...flag("tls-key", key),
      ...flag("tls-crl-file", crl),
      ...flag("config", revoked === undefined ? undefined : `${revoked}.yaml`),
      ...flag("tls-min-version", version),
      ...flag("tls-max-version", version),
      ...more,
    ],
  });
}

/** How a program that ended says why. */
async function verdict(process: TestProcess, role: Role): Promise<Seen> {
  const { code } = await process.ended;
  const [, text = ""] = process.stderr.match(new RegExp(`^${role}: (.*)$`, "m")) ?? [];
  const isUsage = process.stderr.endsWith("\nTry --help\n");
  if (code !== (isUsage ? 2 : 1)) return { how: "silent", text: `ended with ${code}: ${process.stderr}` };
  return { how: /^Cannot connect to /.test(text) ? "refused" : "start", text };
}

async function schedulerSeen(process: TestProcess, whom: Role, dialler: Seen, words: RegExp): Promise<Seen> {
  if (dialler.how === "linked" && whom === "client") {
    // `status` prints the links that the scheduler says it has.
    const [, version] = dialler.text.match(/^from +tls:\/\/127\.0\.0\.1:\d+ +(TLSv[\d.]+) /m) ?? [];
    return version === undefined ? { how: "silent", text: dialler.text } : { how: "linked", text: version };
  }
  const { how, line, fits } = dialler.how === "linked"
    ? { how: "linked", line: / (Register worker addr: tls:.*)$/gm, fits: /^/ } as const
    : { how: "refused", line: / Refused a connection from \S+ on \S+: (.*)$/gm, fits: words } as const;
  const lines = (text: string): string[] => Array.from(text.matchAll(line), ([, said = ""]) => said);
  try {
    const look = (text: string): string | undefined => lines(text).find((said) => fits.test(said));
    return { how, text: await process.find(look, String(line), { deadline: PATIENCE }) };
  } catch {
    const [first] = lines(process.stderr);
    return first === undefined ? { how: "silent", text: process.stderr } : { how, text: first };
  }
}

async function diallerSeen(process: TestProcess, role: Role): Promise<Seen> {
  if (role === "client") {
    const { code } = await process.ended;
    return code === 0 ? { how: "linked", text: process.stdout } : await verdict(process, role);
  }
  const [line, address] = await process.line(/ Registered to: +(tls:\S+)$|^worker: /m, {
    deadline: PATIENCE,
  });
  return address === undefined ? await verdict(process, role) : { how: "linked", text: line.trim() };
}
