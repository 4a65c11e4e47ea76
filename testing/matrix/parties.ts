/**
 * The parties of the matrix, each of them able to listen and to dial with given credentials.
 *
 * @module
 */

import { Agent, type Told } from "./agents.ts";
import { type Dialled, type EndOptions, type Listening, PATIENCE, type Seen } from "./ends.ts";
import type { Party } from "./kind.ts";
import { opensslDials, opensslListens } from "./openssl_peer.ts";
import { Programs } from "./programs.ts";
import { requestOf } from "./speech.ts";

const SILENT: Seen = { how: "silent", text: "" };
/** Processes for our diallers, and for our listeners: what is slow in one does not hold up the others. */
const AGENTS = 3;

/** The processes behind the parties; disposing of it ends them. */
export class Parties implements AsyncDisposable {
  readonly #diallers: readonly Agent[];
  readonly #listeners: readonly Agent[];
  readonly #independent: Agent;
  readonly #python: Agent | undefined;
  readonly #programs = new Programs();

  /** Starts them. `python`: an interpreter with `distributed`. */
  constructor(python: string | undefined) {
    this.#diallers = Array.from({ length: AGENTS }, () => deno("agent.ts"));
    this.#listeners = Array.from({ length: AGENTS }, () => deno("agent.ts"));
    this.#independent = deno("independent.ts");
    this.#python = python === undefined ? undefined : new Agent([python, path("peer.py")]);
  }

  /** Listens as `party`. */
  async listen(party: Party, end: EndOptions): Promise<Listening> {
    if (party === "openssl") return await opensslListens(end);
    if (party === "program") return await this.#programs.listen(end);
    const { id } = end;
    const agent = party === "ours" ? ofCase(this.#listeners, id) : this.#pythonAgent();
    await agent.order({ ...order(party, end), action: "listen" });
    const first = await agent.wait(
      id,
      (told) => told.listening !== undefined || told.start !== undefined,
      PATIENCE,
    );
    return {
      ...first?.listening !== undefined && { port: first.listening },
      seen: async (dialler, words) => {
        if (first?.start !== undefined) return seen(first);
        if (dialler.how !== "linked") {
          // A dialler that is in a hurry gives a try up, and the listener tells of that as well.
          const verdict = ({ refused }: Told): boolean => refused !== undefined && words.test(refused);
          return seen(await agent.wait(id, verdict, PATIENCE) ?? await agent.wait(id, isOutcome, 0));
        }
        // Who dialled has an answer from this end: the link is there, whatever became of earlier tries.
        await agent.order({ id, action: "look" });
        const found = await agent.wait(id, (told) => told.found !== undefined, PATIENCE);
        return found?.found === undefined ? SILENT : { how: "linked", text: found.found };
      },
      close: () => finish(agent, id),
    };
  }

  /** Dials as `party`. */
  async dial(party: Party, end: EndOptions, port: number): Promise<Dialled> {
    if (party === "openssl") return await opensslDials(end, port);
    if (party === "program") return await this.#programs.dial(end, port);
    const { id } = end;
    const agent = party === "ours"
      ? ofCase(this.#diallers, id)
      : party === "deno"
      ? this.#independent
      : this.#pythonAgent();
    await agent.order({ ...order(party, end), action: "dial", port });
    return { seen: seen(await agent.wait(id, isOutcome, PATIENCE)), close: () => finish(agent, id) };
  }

  #pythonAgent(): Agent {
    if (this.#python === undefined) throw new Error("there is no Python");
    return this.#python;
  }

  /** Ends all. */
  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#diallers, ...this.#listeners, this.#independent, this.#python];
    await Promise.all(all.map((agent) => agent?.[Symbol.asyncDispose]()));
  }
}

function ofCase(agents: readonly Agent[], id: number): Agent {
  const agent = agents[id % agents.length];
  if (agent === undefined) throw new RangeError("there are no agents");
  return agent;
}

function path(file: string): string {
  return new URL(file, import.meta.url).pathname;
}

function deno(module: string): Agent {
  return new Agent([Deno.execPath(), "run", "--no-prompt", "--allow-net", "--allow-read", path(module)]);
}

async function finish(agent: Agent, id: number): Promise<void> {
  await agent.order({ id, action: "close" });
  agent.forget(id);
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
  const { id, role, whom, ca, cert, key, crl, revoked, version, inMemory, value } = end;
  if (party === "deno") {
    const { bytes, heard } = requestOf(role, whom, value);
    return { ...end, say: bytes.toBase64(), hear: heard.source };
  }
  if (party !== "ours") return { ...end };
  const content = (path: string | undefined): string | undefined =>
    inMemory && path !== undefined ? Deno.readTextFileSync(path) : path;
  const name = role === "client" ? "Client" : role === "worker" ? "Worker" : "Scheduler";
  const security = {
    tlsCaFile: content(ca),
    [`tls${name}Cert`]: content(cert),
    [`tls${name}Key`]: content(key),
    ...crl !== undefined && { tlsCrlFile: content(crl) },
    ...revoked !== undefined && { tlsRevoked: [Deno.readTextFileSync(revoked).trim()] },
    tlsMinVersion: version,
    tlsMaxVersion: version,
  };
  return { id, role, whom, security, key: value };
}
