/**
 * The process of hostile peers for `hostile.ts`: `attackers.ts NAME HOST PORT SECONDS FOLDER`. Several hosts
 * attack at once (127.0.0.2 and following), because the limits for one host are tight. The output is an
 * {@linkcode Attacked} as JSON.
 *
 * @module
 */

import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import process from "node:process";

/** Counts of an attack. */
export interface Attacked {
  /** Number of links that were opened. */
  readonly attempts: number;
  /** Average number of open links. */
  readonly open: number;
  /** Seconds of processor time. */
  readonly cpu: number;
}

/** Target of an attack. */
interface Target {
  readonly host: string;
  readonly port: number;
  readonly until: number;
  /** Folder of `stranger.pem` and `stranger.key`, from a CA that the victims don't trust. */
  readonly folder: string;
}

const HOSTS = 8;
const LINKS = 1000;
/** Milliseconds between counts of open links. */
const LOOK_MS = 100;

let attempts = 0;
let open = 0;
let looks = 0;
let openSum = 0;

function sourceHost(): string {
  return `127.0.0.${2 + attempts % HOSTS}`;
}

/** Opens a TCP link from one of the hosts; resolves when it has ended. */
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

/** Keeps a number of links open, and calls `onOpen` for each. A dropped link is opened again. */
async function keepOpen(target: Target, onOpen: (socket: Socket) => void): Promise<void> {
  const sockets = new Set<Socket>();
  const timer = setInterval(() => {
    if (performance.now() < target.until) return;
    clearInterval(timer);
    for (const socket of sockets) socket.destroy();
  }, LOOK_MS);
  await Promise.all(Array.from({ length: LINKS }, async (_, i) => {
    await pause(i); // a thousand at once would be refused
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

/** Opens links that send nothing. */
function halfOpen(target: Target): Promise<void> {
  return keepOpen(target, () => {});
}

/** Sends a TLS handshake, one byte every half second. */
function slowLoris(target: Target): Promise<void> {
  const bytes = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
  return keepOpen(target, (socket) => {
    let sent = 0;
    const timer = setInterval(() => socket.write(Uint8Array.of(bytes[sent++] ?? 0)), 500);
    socket.on("close", () => clearInterval(timer));
  });
}

/**
 * Handshakes in turn with a certificate of another CA, without a certificate, or only until the scheduler has
 * answered.
 */
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
    if (all.size >= 256) await Promise.race(all); // the limit of one host
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
    // Deno supports the local address, but its types lack it.
    const options = { host, port, localAddress, ...pair, rejectUnauthorized: false };
    const socket = connectTls(options);
    socket.on("error", () => {});
    socket.on("close", () => resolve());
    socket.resume(); // with TLS 1.3 the refusal comes after the client's handshake
  });
}

/** Returns the first message of a TLS client. */
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

/** Control: uses the same amount of processor time as an attacker, without an attack. */
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
