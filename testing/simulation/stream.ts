/**
 * One direction of a link: messages in order, several to a batch, at random times. A cut delivers some of what is
 * under way and drops the rest. Some messages are written to bytes and read again, the others are compared at arrival
 * with what they were when they were sent.
 *
 * @module
 */

import { decodeMessage, encodeMessage } from "../../protocol/message.ts";
import { check, type World } from "./world.ts";

/** Makes a checked message of what was decoded. */
export type Parse<M> = (message: Readonly<Record<string, unknown>>) => M | undefined;

/** What a stream needs to know. */
export interface StreamOptions<M> {
  /** For the record, such as `"S>w1"`. */
  readonly name: string;
  /** Mean seconds that a batch takes. */
  readonly latency: () => number;
  /** Share of messages that go through bytes. */
  readonly encoded: number;
  /** As the receiver's shell does it. */
  readonly parse: Parse<M>;
  /** Replaces a message by others; for planted bugs. */
  readonly filter: (message: M) => readonly M[];
  /** Takes a batch. */
  readonly receive: (batch: readonly M[]) => void;
  /** The link is gone, and nothing more will come. */
  readonly onEnd: () => void;
}

interface Item<M> {
  readonly at: number;
  readonly message: M;
  /** How it was written, if it goes through bytes. */
  readonly frames: readonly Uint8Array[] | null;
  /** What it was when it was sent, if that is compared. */
  readonly text: string | null;
}

/** Messages on their way. */
export class Stream<M extends { readonly op: string }> {
  readonly #world: World;
  readonly #options: StreamOptions<M>;
  #items: Item<M>[] = [];
  #lastAt = 0;
  #isClosed = false;
  #isEnded = false;

  /** An open link. */
  constructor(world: World, options: StreamOptions<M>) {
    this.#world = world;
    this.#options = options;
  }

  /** Whether nothing can be sent any more. */
  get closed(): boolean {
    return this.#isClosed;
  }

  /** Messages that have not arrived. */
  get pending(): number {
    return this.#items.length;
  }

  /** Sends messages. One that is closed takes none, silently, as its end is being handled. */
  send(messages: readonly M[]): void {
    if (this.#isClosed) return;
    let sent = 0;
    const at = this.#arrival();
    for (const original of messages) {
      for (const message of this.#options.filter(original)) {
        this.#items.push(this.#pack(message, at));
        sent++;
      }
    }
    if (sent > 0) this.#world.schedule(at - this.#world.now, () => this.#deliver());
  }

  /** Says nothing more; what is under way arrives, then the end. */
  end(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#world.schedule(this.#arrival() - this.#world.now, () => this.#finish());
  }

  /** The link breaks: the first `count` messages arrive, then the end. */
  cut(count: number): void {
    if (this.#isEnded) return;
    this.#isClosed = true;
    this.#world.note(
      `${this.#options.name} cut after ${Math.min(count, this.#items.length)} of ${this.#items.length}`,
    );
    this.#items = this.#items.slice(0, count);
    this.#world.schedule(this.#arrival() - this.#world.now, () => this.#finish());
  }

  /** The receiver is gone: nothing arrives, not even the end. */
  drop(): void {
    this.#isClosed = true;
    this.#isEnded = true;
    this.#items = [];
  }

  #arrival(): number {
    const { now, random } = this.#world;
    const isBatched = this.#lastAt > now && random.chance(0.4);
    const at = isBatched ? this.#lastAt : now + this.#world.delay(this.#options.latency());
    this.#lastAt = Math.max(this.#lastAt, at);
    return this.#lastAt;
  }

  #pack(message: M, at: number): Item<M> {
    const { random } = this.#world;
    if (random.chance(this.#options.encoded)) {
      return { at, message, frames: encodeMessage(message).map((frame) => frame.slice()), text: null };
    }
    return { at, message, frames: null, text: random.chance(0.2) ? textOf(message) : null };
  }

  #unpack({ message, frames, text }: Item<M>): M | undefined {
    if (frames !== null) {
      return this.#options.parse(decodeMessage(frames) as Readonly<Record<string, unknown>>);
    }
    check(text === null || textOf(message) === text, () => {
      return `${this.#options.name}: a message was changed after it was sent: ${text} is now ${
        textOf(message)
      }`;
    });
    return message;
  }

  #deliver(): void {
    const batch: M[] = [];
    while ((this.#items[0]?.at ?? Infinity) <= this.#world.now) {
      const item = this.#items.shift();
      const message = item === undefined ? undefined : this.#unpack(item);
      if (message !== undefined) batch.push(message);
    }
    if (batch.length === 0) return;
    this.#world.note(`${this.#options.name} ${batch.map(briefly).join("; ")}`);
    this.#options.receive(batch);
  }

  #finish(): void {
    if (this.#isEnded) return;
    while (this.#items.length > 0) this.#deliverAll();
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#world.note(`${this.#options.name} ended`);
    this.#options.onEnd();
  }

  #deliverAll(): void {
    const items = this.#items;
    this.#items = [];
    const batch: M[] = [];
    for (const item of items) {
      const message = this.#unpack(item);
      if (message !== undefined) batch.push(message);
    }
    this.#world.note(`${this.#options.name} ${batch.map(briefly).join("; ")}`);
    this.#options.receive(batch);
  }
}

function textOf(message: unknown): string {
  return JSON.stringify(message, (_, value) => value instanceof Uint8Array ? value.byteLength : value);
}

/** A message as the record has it: what it is, and about which keys. */
function briefly(message: object): string {
  const { op } = message as { op: string };
  const parts = [op];
  if ("key" in message) parts.push(String(message.key));
  if ("keys" in message) parts.push((message.keys as string[]).join(","));
  if ("run_id" in message) parts.push(`#${message.run_id}`);
  if ("who_has" in message) {
    const whoHas = message.who_has as Record<string, readonly string[]>;
    parts.push(
      Object.keys(whoHas).map((key) => `${key}@${(whoHas[key] ?? []).map(tail).join("+")}`).join(","),
    );
  }
  if ("functions" in message) {
    const { functions } = message;
    parts.push(Array.isArray(functions) ? functions.join(",") : Object.keys(functions as object).join(","));
  }
  if ("groups" in message) parts.push(graphOf(message.groups as Rows));
  if ("status" in message && op === "worker-status-change") parts.push(String(message.status));
  if ("worker" in message) parts.push(tail(String(message.worker)));
  return parts.join(" ");
}

type Rows = readonly {
  readonly tasks: readonly (readonly [string, unknown, readonly (readonly [string])[]])[];
}[];

function graphOf(groups: Rows): string {
  return groups.flatMap((group) => group.tasks)
    .map(([key, , references]) => `${key}(${references.map(([name]) => name).join(",")})`).join(" ");
}

/** `"3:1000"` of `"tls://10.0.0.3:1000"`. */
export function tail(address: string): string {
  return address.slice(address.lastIndexOf(".") + 1);
}
