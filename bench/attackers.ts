/**
 * Hostile peers of `hostile.ts`, as a process of their own: `attackers.ts NAME HOST PORT SECONDS FOLDER`.
 * Several hosts attack at once (127.0.0.2 and on, of one machine), as the limits of one host are tight. The
 * output is an {@linkcode Attacked} as JSON.
 *
 * @module
 */

import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import process from "node:process";

/** What the attackers did. */
export interface Attacked {
  /** Links that they opened. */
  readonly attempts: number;
  /** Links that were open, on average. */
  readonly open: number;
  /** Seconds of processor time. */
  readonly cpu: number;
}

/** How attackers are told where, and how long. */
interface Target {
  readonly host: string;
  readonly port: number;
  readonly until: number;
  /** Of `stranger.pem` and `stranger.key`, from a CA that the victims don't know. */
  readonly folder: string;
}

const HOSTS = 8;
const LINKS = 1000;
/** Milliseconds between looks at how many links are open. */
const LOOK_MS = 100;

let attempts = 0;
let open = 0;
let looks = 0;
let openSum = 0;

function sourceHost(): string {
  return `127.0.0.${2 + attempts % HOSTS}`;
}

/** A TCP link from one of the hosts; resolves when it is gone. */
function link({ host, port }: Target, onOpen: (socket: Socket) => void): Promise<void> {
  const localAddress = sourceHost();
  attempts++;
  return new Promise((resolve) => {
    const socket = connect({ host, port, localAddress });
    let isOpen = false;
    socket.on("connect", () => {
      isOpen = true;
      open++;
      onOpen(socket);
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      if (isOpen) open--;
      resolve();
    });
    socket.resume();
  });
}

/** Keeps so many links open, each of which does what `onOpen` says; one that is dropped is opened again. */
async function keepOpen(target: Target, onOpen: (socket: Socket) => void): Promise<void> {
  const sockets = new Set<Socket>();
  const timer = setInterval(() => {
    if (performance.now() < target.until) return;
    clearInterval(timer);
    for (const socket of sockets) socket.destroy();
  }, LOOK_MS);
  await Promise.all(Array.from({ length: LINKS }, async (_, i) => {
    await pause(i); // a thousand at once would be kept out
    while (performance.now() < target.until) {
      await link(target, (socket) => {
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket));
        onOpen(socket);
      });
      await pause(50);
    }
  }));
}

/** Says nothing. */
function halfOpen(target: Target): Promise<void> {
  return keepOpen(target, () => {});
}

/** Says a TLS handshake, a byte every half second. */
function slowLoris(target: Target): Promise<void> {
  const bytes = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
  return keepOpen(target, (socket) => {
    let sent = 0;
    const timer = setInterval(() => socket.write(Uint8Array.of(bytes[sent++] ?? 0)), 500);
    socket.on("close", () => clearInterval(timer));
  });
}

/** Handshakes with a certificate of another CA, with none, or up to where the scheduler has answered. */
async function refused(target: Target, perSecond: number): Promise<void> {
  const read = (name: string) => Deno.readTextFileSync(`${target.folder}/${name}`);
  const [cert, key] = [read("stranger.pem"), read("stranger.key")];
  const hello = await clientHello();
  const kinds: (() => Promise<void>)[] = [
    () => tlsLink(target, { cert, key }),
    () => tlsLink(target, {}),
    () =>
      link(target, (socket) => {
        socket.write(hello);
        socket.once("data", () => socket.destroy());
      }),
  ];
  const started = performance.now();
  const all = new Set<Promise<void>>();
  for (let i = 0; performance.now() < target.until; i++) {
    const due = started + 1000 * i / perSecond;
    const wait = due - performance.now();
    if (wait > 0) await pause(wait);
    if (all.size >= 256) await Promise.race(all); // as many as one host is allowed
    const one = kinds[i % kinds.length]?.() ?? Promise.resolve();
    all.add(one);
    one.then(() => all.delete(one));
  }
  await Promise.race([Promise.all(all), pause(1000)]);
}

function tlsLink(target: Target, pair: { readonly cert?: string; readonly key?: string }): Promise<void> {
  const localAddress = sourceHost();
  attempts++;
  return new Promise((resolve) => {
    const { host, port } = target;
    // Deno's types don't have the local address, its code does.
    const options = { host, port, localAddress, ...pair, rejectUnauthorized: false };
    const socket = connectTls(options);
    socket.on("error", () => {});
    socket.on("close", () => resolve());
    socket.resume(); // with TLS 1.3 the refusal comes after the client's handshake
  });
}

/** What a TLS client says first. */
async function clientHello(): Promise<Uint8Array> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const socket = connectTls({ host: "127.0.0.1", port: listener.addr.port });
  socket.on("error", () => {});
  using conn = await listener.accept();
  const buffer = new Uint8Array(4096);
  const count = await conn.read(buffer);
  socket.destroy();
  return buffer.slice(0, count ?? 0);
}

/** No attacker: uses the processor as much as one did, and leaves the victims alone. */
async function spin(cores: number, until: number): Promise<void> {
  const slice = 10;
  while (performance.now() < until) {
    const begun = performance.now();
    while (performance.now() - begun < slice * cores);
    await pause(slice * (1 - cores));
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const ATTACKS: Readonly<Record<string, (target: Target) => Promise<void>>> = {
  "half-open": halfOpen,
  "slow-loris": slowLoris,
  "refused": (target) => refused(target, 150),
  "flood": (target) => refused(target, 5000),
};

async function main(): Promise<void> {
  const [name = "", host = "", port = "", seconds = "", rest = ""] = Deno.args;
  const before = process.cpuUsage();
  const until = performance.now() + Number(seconds) * 1000;
  const timer = setInterval(() => {
    looks++;
    openSum += open;
  }, LOOK_MS);
  if (name === "spin") await spin(Number(rest), until);
  else await ATTACKS[name]?.({ host, port: Number(port), until, folder: rest });
  clearInterval(timer);
  const { user, system } = process.cpuUsage(before);
  const attacked: Attacked = { attempts, open: openSum / Math.max(looks, 1), cpu: (user + system) / 1e6 };
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(attacked)}\n`));
}

await main();
Deno.exit(0);
