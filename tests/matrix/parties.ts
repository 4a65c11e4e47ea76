/**
 * The parties of the matrix, each of them able to listen and to dial with given credentials.
 *
 * @module
 */

import type { TlsRole } from "../../security/security.ts";
import { Agent, type Told } from "./agents.ts";
import type { Party } from "./expected.ts";

/** One end of a link. */
export interface EndOptions {
  /** Number of the case. */
  readonly id: number;
  /** As whom. */
  readonly role: TlsRole;
  /** Path of what is trusted. */
  readonly ca: string;
  /** Path. */
  readonly cert?: string;
  /** Path. */
  readonly key?: string;
  /** Whether our end gets the texts of the files. */
  readonly inMemory: boolean;
  /** The only TLS version. */
  readonly version: "1.2" | "1.3";
  /** Whether the other end speaks Dask. */
  readonly over: "dask" | "raw";
}

/** What became of one end. */
export interface Seen {
  /** `silent`: nothing was heard of it in time. */
  readonly how: "linked" | "refused" | "start" | "silent" | "idle";
  /** Error, or TLS version. */
  readonly text: string;
}

/** A listening end. */
export interface Listening {
  /** Where; absent if it did not start. */
  readonly port?: number;
  /** What became of its first link. */
  seen(): Promise<Seen>;
  /** Ends it. */
  close(): Promise<void>;
}

/** Seconds after which an end is silent. */
const PATIENCE = 8;
const SILENT: Seen = { how: "silent", text: "" };

/** The processes behind the parties; disposing of it ends them. */
export class Parties implements AsyncDisposable {
  readonly #dialler: Agent;
  readonly #listener: Agent;
  readonly #independent: Agent;
  readonly #python: Agent | undefined;

  /** Starts them. `python`: an interpreter with `distributed`. */
  constructor(python: string | undefined) {
    this.#dialler = deno("agent.ts");
    this.#listener = deno("agent.ts");
    this.#independent = deno("independent.ts");
    this.#python = python === undefined ? undefined : new Agent([python, path("peer.py")]);
  }

  /** Listens as `party`. */
  async listen(party: Party, end: EndOptions): Promise<Listening> {
    if (party === "openssl") return await opensslListens(end);
    const agent = party === "ours" ? this.#listener : this.#pythonAgent();
    const { id } = end;
    await agent.order({ ...order(party, end), action: "listen" });
    const first = await agent.wait(
      id,
      (told) => told.listening !== undefined || told.start !== undefined,
      PATIENCE,
    );
    return {
      ...first?.listening !== undefined && { port: first.listening },
      seen: async () => seen(first?.start === undefined ? await agent.wait(id, isOutcome, PATIENCE) : first),
      close: async () => {
        await agent.order({ id, action: "close" });
        agent.forget(id);
      },
    };
  }

  /** Dials as `party`. */
  async dial(party: Party, end: EndOptions, port: number): Promise<Seen> {
    if (party === "openssl") return await opensslDials(end, port);
    const agent = party === "ours"
      ? this.#dialler
      : party === "deno"
      ? this.#independent
      : this.#pythonAgent();
    await agent.order({ ...order(party, end), action: "dial", port });
    const told = await agent.wait(end.id, isOutcome, PATIENCE);
    agent.forget(end.id);
    return seen(told);
  }

  #pythonAgent(): Agent {
    if (this.#python === undefined) throw new Error("there is no Python");
    return this.#python;
  }

  /** Ends all. */
  async [Symbol.asyncDispose](): Promise<void> {
    const all = [this.#dialler, this.#listener, this.#independent, this.#python];
    await Promise.all(all.map((agent) => agent?.[Symbol.asyncDispose]()));
  }
}

function path(file: string): string {
  return new URL(file, import.meta.url).pathname;
}

function deno(module: string): Agent {
  return new Agent([Deno.execPath(), "run", "--no-prompt", "--allow-net", "--allow-read", path(module)]);
}

function isOutcome(told: Told): boolean {
  return told.linked !== undefined || told.refused !== undefined || told.start !== undefined;
}

function seen(told: Told | undefined): Seen {
  if (told?.start !== undefined) return { how: "start", text: told.start };
  if (told?.linked !== undefined) return { how: "linked", text: told.linked };
  return told?.refused === undefined ? SILENT : { how: "refused", text: told.refused };
}

function order(party: Party, end: EndOptions): { readonly id: number } & Readonly<Record<string, unknown>> {
  if (party !== "ours") return { ...end };
  const { id, role, ca, cert, key, version, over, inMemory } = end;
  const value = (path: string | undefined): string | undefined =>
    inMemory && path !== undefined ? Deno.readTextFileSync(path) : path;
  const name = role === "client" ? "Client" : role === "worker" ? "Worker" : "Scheduler";
  const security = {
    tlsCaFile: value(ca),
    [`tls${name}Cert`]: value(cert),
    [`tls${name}Key`]: value(key),
    tlsMinVersion: version,
    tlsMaxVersion: version,
  };
  return { id, role, security, over };
}

function opensslArgs({ ca, cert, key, version }: EndOptions): readonly string[] {
  return [
    ...["-CAfile", ca, "-verify_return_error", `-tls${version.replace(".", "_")}`],
    ...cert === undefined ? [] : ["-cert_chain", cert, "-cert", cert],
    ...key === undefined ? [] : ["-key", key],
  ];
}

/** `openssl` with an open stdin: it passes on what is said there, and prints what it receives. */
class OpensslProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #ended: Promise<unknown>;
  #text = "";
  #isOver = false;
  readonly #waiting = new Set<() => void>();

  constructor(...args: readonly string[]) {
    this.#child = new Deno.Command("openssl", {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    })
      .spawn();
    this.#input = this.#child.stdin.getWriter();
    const { status, stdout, stderr } = this.#child;
    this.#ended = Promise.all([status, this.#collect(stdout), this.#collect(stderr)]).then(() => {
      this.#isOver = true;
      this.#wake();
    });
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.#text += text;
      this.#wake();
    }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  /** Whether it ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Everything that it printed. */
  get text(): string {
    return this.#text;
  }

  /** Waits for output that matches; nothing if it ends or is silent for too long. */
  async until(pattern: RegExp, seconds = PATIENCE): Promise<RegExpMatchArray | undefined> {
    const end = performance.now() + seconds * 1000;
    for (;;) {
      const found = this.#text.match(pattern);
      const left = end - performance.now();
      if (found !== null) return found;
      if (this.#isOver || left <= 0) return undefined;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      const timer = setTimeout(resolve, left);
      await promise;
      clearTimeout(timer);
      this.#waiting.delete(resolve);
    }
  }

  say(line: string): void {
    // It may have ended.
    this.#input.write(new TextEncoder().encode(`${line}\n`)).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#input.close().catch(() => {});
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It ended by itself.
    }
    await this.#ended;
  }
}

async function opensslListens(end: EndOptions): Promise<Listening> {
  const process = new OpensslProcess(
    "s_server",
    "-accept",
    "127.0.0.1:0",
    "-Verify",
    "9",
    ...opensslArgs(end),
  );
  const close = (): Promise<void> => process[Symbol.asyncDispose]();
  const port = (await process.until(/^ACCEPT .*:(\d+)$/m))?.[1];
  if (port === undefined) {
    return { seen: () => Promise.resolve({ how: "start", text: process.text }), close };
  }
  const seen = async (): Promise<Seen> => {
    const [how] = await process.until(/ping$|:error:|^CONNECTION CLOSED$|^ERROR$/m) ?? [];
    // Writing to a link that is closed ends it.
    if (how === undefined && process.isOver) {
      return { how: "refused", text: `${process.text}\nCONNECTION CLOSED` };
    }
    if (how === undefined) return { how: "silent", text: process.text };
    // The reason comes by another stream; there is none if the link was cut.
    if (how === "ERROR") await process.until(/:error:/, 0.5);
    return how === "ping" ? { how: "linked", text: "openssl" } : { how: "refused", text: process.text };
  };
  void process.until(/ping$/m).then((ping) => ping === undefined ? undefined : process.say("pong"));
  return { port: Number(port), seen, close };
}

async function opensslDials(end: EndOptions, port: number): Promise<Seen> {
  const where = ["-connect", `127.0.0.1:${port}`];
  await using process = new OpensslProcess("s_client", "-verify", "9", ...where, ...opensslArgs(end));
  process.say("ping");
  const echo = await process.until(/ping$/m);
  return echo === undefined ? { how: "refused", text: process.text } : { how: "linked", text: "openssl" };
}
