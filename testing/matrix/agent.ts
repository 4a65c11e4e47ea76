/**
 * Our ends of the matrix's links, in a process of its own: takes orders as lines of JSON, and tells what
 * happens as lines of JSON.
 *
 * @module
 */

import type { Security } from "../../security/security.ts";
import {
  dialAs,
  type DiallingRole,
  listenAs,
  type ListeningRole,
  type Role,
  told,
  watchLog,
} from "./roles.ts";

/** An order. */
export interface Order {
  /** Comes back with everything that happens. */
  readonly id: number;
  /** What to do; `look` asks a listener for its link. */
  readonly action: "listen" | "dial" | "look" | "close";
  /** As whom. */
  readonly role?: Role;
  /** Who is at the other end. */
  readonly whom?: Role;
  /** What is shown and trusted. */
  readonly security?: Security;
  /** Where to dial. */
  readonly port?: number;
  /** Of a value that workers give. */
  readonly key?: string;
}

/** What happened. */
export interface Happening {
  /** Of the order. */
  readonly id: number;
  /** The role did not start. */
  readonly start?: string;
  /** The port that is listened on. */
  readonly listening?: number;
  /** There is a link: TLS version. */
  readonly linked?: string;
  /** Answer to `look`: TLS version of the link that is there. */
  readonly found?: string;
  /** There is no link. */
  readonly refused?: string;
}

const encoder = new TextEncoder();
const roles = new Map<number, AsyncDisposable>();
const listeners = new Map<number, ListeningRole>();

function tell(happening: Happening): void {
  Deno.stdout.writeSync(encoder.encode(`${JSON.stringify(happening)}\n`));
}

async function obey(
  { id, action, role = "client", whom = "client", security = {}, port = 0, key = "" }: Order,
) {
  if (action === "look") {
    return tell({ id, found: listeners.get(id)?.version() ?? "none" });
  }
  if (action === "close") {
    await roles.get(id)?.[Symbol.asyncDispose]();
    roles.delete(id);
    listeners.delete(id);
    return;
  }
  try {
    if (action === "listen") {
      const listener = await listenAs(role, security, key, (reason) => tell({ id, refused: reason }));
      listeners.set(id, listener);
      roles.set(id, listener);
      return tell({ id, listening: listener.port });
    }
    const dialler = await dialPatiently(() => dialAs(role, whom, security, port, key));
    roles.set(id, dialler);
    tell({ id, linked: dialler.version });
  } catch (error) {
    tell({ id, ...told(error) });
  }
}

/** A client gives a worker two seconds, which are soon over on a busy machine: that is no refusal. */
async function dialPatiently(dial: () => Promise<DiallingRole>): Promise<DiallingRole> {
  for (let tries = 1;; tries++) {
    try {
      return await dial();
    } catch (error) {
      if (tries === 5 || !/no answer within/.test(String(error))) throw error;
    }
  }
}

using _log = watchLog();
let rest = "";
for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) void obey(JSON.parse(line) as Order);
}
Deno.exit(); // nobody is left to give orders, whatever roles still run
