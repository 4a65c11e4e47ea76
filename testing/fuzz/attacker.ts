/**
 * Hostile peers of a live role, as a process: opens links in every way, sends damaged input on them, and
 * tells how many got how far. Started by `live.ts`; its one argument is an {@linkcode Attack} as JSON, its
 * output a {@linkcode AttackReport}.
 *
 * @module
 */

import type { ByteStream } from "../../transport/byte_stream.ts";
import { handshakeInfo } from "../../comm/handshake.ts";
import { dialTcp } from "../../transport/tcp.ts";
import { tlsTransport } from "../../transport/tls/transport.ts";
import { setLogLevel } from "../../config/logging.ts";
import type { RawMessage } from "../../messages/common.ts";
import { isRecord } from "../../messages/common.ts";
import type { WorkerCommand } from "../../messages/worker_scheduler.ts";
import { encodeFrames, FrameReader } from "../../protocol/frames.ts";
import { decodeMessage, encodeMessage } from "../../protocol/message.ts";
import { loadTlsContext, type TlsContext } from "../../security/live/context.ts";
import { Random } from "../random.ts";
import { corpus, flat, type Seed } from "./corpus.ts";
import { damaged } from "./fuzz.ts";
import { mutateBytes } from "./mutate.ts";
import { Knowledge } from "./play.ts";
import {
  isAnswer,
  isRightful,
  pickWay,
  questionFor,
  registrationFor,
  seedsFor,
  type VictimRole,
  type Way,
  waysTo,
} from "./ways.ts";

/** What to attack, and how much. */
export interface Attack {
  /** Which role. */
  readonly role: VictimRole;
  /** Its address. */
  readonly address: string;
  /** Folder with `ca.pem`, `client.pem` and `client.key`; nothing without TLS. */
  readonly certificates: string | undefined;
  /** Which inputs. */
  readonly seed: number;
  /** How many. */
  readonly inputs: number;
  /** Number of the first session, which makes names unique. */
  readonly firstSession: number;
}

/** Inputs by way, and how many of them were well framed behind a good handshake. */
export interface AttackReport {
  /** Inputs that the role has heard. */
  readonly sent: Readonly<Record<string, number>>;
  /** Those of them that got past the framing. */
  readonly framed: number;
  /** Sessions. */
  readonly sessions: number;
}

/** Sessions at once. */
const SESSIONS = 24;
/** Inputs of a session, at most. */
const SESSION_INPUTS = 40;
/** Milliseconds after which a role that says nothing waits for the rest of a message. */
const PATIENCE_MS = 200;
/** The same for one that was sent nothing but the beginning of a link. */
const KNOCK_MS = 20;

const HANDSHAKE = encode(handshakeInfo("tcp://a:1", "tcp://b:1", null));
const SEEDS = corpus();

function encode(message: unknown): Uint8Array {
  return flat(encodeFrames(encodeMessage(message)));
}

/** A link of which everything that comes is read. */
class Link {
  /** Whether the other end hung up. */
  isOver = false;
  readonly #stream: ByteStream;
  readonly #onMessage: (message: unknown) => void;
  readonly #ended = Promise.withResolvers<void>();

  constructor(stream: ByteStream, onMessage: (message: unknown) => void) {
    this.#stream = stream;
    this.#onMessage = onMessage;
    void this.#read();
  }

  /** Resolves when the other end hung up. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  async #read(): Promise<void> {
    const reader = new FrameReader();
    try {
      for (let chunk = await this.#stream.read(); chunk !== null; chunk = await this.#stream.read()) {
        reader.push(chunk);
        for (let frames = reader.next(); frames !== undefined; frames = reader.next()) {
          this.#onMessage(decodeMessage(frames));
        }
      }
    } catch {
      // Being hung up on is what should happen.
    }
    this.isOver = true;
    this.#ended.resolve();
  }

  /** False if it could not be sent. */
  async send(bytes: Uint8Array): Promise<boolean> {
    if (this.isOver) return false;
    return await this.#stream.write([bytes]).then(() => true, () => false);
  }

  close(): void {
    this.#stream.abort();
  }
}

/** One attack, session by session. */
class Attacker {
  readonly #attack: Attack;
  readonly #context: TlsContext | undefined;
  readonly #hello: Uint8Array;
  readonly #seeds = new Map<Way, readonly Seed[]>();
  readonly #ways: readonly Way[];
  readonly #sent: Record<string, number> = {};
  #framed = 0;
  #total = 0;
  #session: number;

  constructor(attack: Attack, context: TlsContext | undefined, hello: Uint8Array) {
    this.#attack = attack;
    this.#context = context;
    this.#hello = hello;
    this.#session = attack.firstSession;
    this.#ways = waysTo(attack.role, context === undefined ? "tcp" : "tls");
    for (const way of this.#ways) {
      this.#sent[way] = 0;
      this.#seeds.set(way, seedsFor(way, attack.role, SEEDS));
    }
  }

  async run(): Promise<AttackReport> {
    await Promise.all(Array.from({ length: SESSIONS }, () => this.#sessions()));
    return { sent: this.#sent, framed: this.#framed, sessions: this.#session - this.#attack.firstSession };
  }

  async #sessions(): Promise<void> {
    while (this.#total < this.#attack.inputs) {
      const session = this.#session++;
      const random = new Random((this.#attack.seed * 0x9e3779b1 + session) >>> 0);
      await this.#one(session, pickWay(this.#ways, random), random);
    }
  }

  async #one(session: number, way: Way, random: Random): Promise<void> {
    const { role } = this.#attack;
    const knowledge = new Knowledge();
    const mark = `mark-${session}`;
    let answered = Promise.withResolvers<void>();
    const stream = await this.#dial(way);
    const link = new Link(stream, (message) => {
      if (way === "worker's stream" && Array.isArray(message)) knowledge.told(commandsIn(message));
      if (isAnswer(message, way, role, mark)) answered.resolve();
    });
    const question = encode(questionFor(way, role, mark));
    try {
      if (way === "TLS handshake") return await this.#knock(link, mutateBytes(this.#hello, random), way);
      if (way === "first message") return await this.#knock(link, this.#input(way, knowledge, random), way);
      await link.send(HANDSHAKE);
      const registering = registrationFor(way, this.#context === undefined ? "tcp" : "tls", session);
      if (registering !== undefined) await link.send(encode(registering));
      for (let i = 0; i < SESSION_INPUTS && this.#total < this.#attack.inputs; i++) {
        const sound = way === "requests" ? undefined : this.#sound(way, knowledge, random);
        if (sound !== undefined && !await link.send(sound)) return;
        const input = this.#input(way, knowledge, random);
        answered = Promise.withResolvers();
        if (!await link.send(input) || !await link.send(question)) return;
        this.#count(way, input);
        await within(Promise.race([answered.promise, link.ended]), PATIENCE_MS);
        if (link.isOver) return;
      }
    } finally {
      link.close();
    }
  }

  async #dial(way: Way): Promise<ByteStream> {
    const { hostname, port } = new URL(this.#attack.address.replace(/^t\w+:/, "http:"));
    const where = { hostname, port: Number(port) };
    const context = this.#context;
    if (context === undefined || way === "TLS handshake") return await dialTcp(where);
    return await tlsTransport.dial({ ...where, context });
  }

  /** Sends what comes first on a link; the role hangs up, or waits for more. */
  async #knock(link: Link, input: Uint8Array, way: Way): Promise<void> {
    if (!await link.send(input)) return;
    this.#sent[way] = (this.#sent[way] ?? 0) + 1;
    this.#total++;
    await within(link.ended, KNOCK_MS);
  }

  #count(way: Way, input: Uint8Array): void {
    this.#sent[way] = (this.#sent[way] ?? 0) + 1;
    this.#total++;
    if (isFramed(input)) this.#framed++;
  }

  /** A message without damage, so that what is damaged finds something; it is not counted. */
  #sound(way: Way, knowledge: Knowledge, random: Random): Uint8Array | undefined {
    const { message } = random.pick(this.#seeds.get(way) ?? []);
    return isRightful(message) ? undefined : fitted(message, knowledge, random);
  }

  #input(way: Way, knowledge: Knowledge, random: Random): Uint8Array {
    for (;;) {
      const input = damaged(random.pick(this.#seeds.get(way) ?? []), random);
      const message = decoded(input);
      if (isRightful(message)) continue;
      return fitted(message, knowledge, random) ?? input;
    }
  }
}

/** The message with what fits the role's state in it, if that can be said. */
function fitted(message: unknown, knowledge: Knowledge, random: Random): Uint8Array | undefined {
  if (!Array.isArray(message) || random.chance(0.3)) return undefined;
  try {
    return encode(message.map((item) => isRecord(item) ? knowledge.fit(item, random) : item));
  } catch {
    return undefined;
  }
}

function decoded(input: Uint8Array): unknown {
  try {
    const reader = new FrameReader();
    reader.push(input);
    const frames = reader.next();
    return frames === undefined ? undefined : decodeMessage(frames);
  } catch {
    return undefined;
  }
}

function isFramed(input: Uint8Array): boolean {
  try {
    const reader = new FrameReader();
    reader.push(input);
    return reader.next() !== undefined;
  } catch {
    return false;
  }
}

function commandsIn(batch: readonly unknown[]): WorkerCommand[] {
  return batch.filter((item): item is RawMessage & WorkerCommand => isRecord(item) && "key" in item);
}

async function within(event: Promise<void>, ms: number): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, ms);
  await Promise.race([event, late.promise]);
  clearTimeout(timer);
}

/** What a TLS client says first. */
async function clientHello(context: TlsContext): Promise<Uint8Array> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const dialling = tlsTransport.dial({ hostname: "127.0.0.1", port: listener.addr.port, context });
  dialling.catch(() => {}); // nobody answers
  using conn = await listener.accept();
  const buffer = new Uint8Array(4096);
  const count = await conn.read(buffer);
  return buffer.slice(0, count ?? 0);
}

async function main(): Promise<void> {
  setLogLevel("distributed", "critical");
  const attack = JSON.parse(Deno.args[0] ?? "{}") as Attack;
  const { certificates: folder } = attack;
  const context = folder === undefined ? undefined : await loadTlsContext({
    tlsCaFile: `${folder}/ca.pem`,
    tlsClientCert: `${folder}/client.pem`,
    tlsClientKey: `${folder}/client.key`,
  }, "client");
  const hello = context === undefined ? new Uint8Array() : await clientHello(context);
  const report = await new Attacker(attack, context, hello).run();
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(report)}\n`));
}

if (import.meta.main) {
  await main();
  Deno.exit(0); // links that linger are of no interest
}
