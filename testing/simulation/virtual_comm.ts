/**
 * Links of a simulated cluster. Messages become bytes when they are written, arrive in order and at random
 * times, and are read from those bytes. A link may be cut, may be dead without anybody being told, or slow.
 *
 * @module
 */

import type { Comm, HandshakeInfo } from "../../comm/comm.ts";
import { CommClosed } from "../../comm/errors.ts";
import { handshakeInfo } from "../../comm/handshake.ts";
import type { Address } from "../../messages/common.ts";
import { decodeMessage, encodeMessage } from "../../protocol/message.ts";
import { isBatch } from "./record.ts";
import type { Role } from "./role.ts";
import type { World } from "./world.ts";

/** Bytes that a dead link takes before writes wait. */
const BUFFER = 65_536;
/** Most seconds until the end of a dead link is noticed. */
const NOTICED_MAX = 1;

/** What happens to what is sent. */
export interface Traffic {
  /** Time and chance. */
  readonly world: World;
  /** Mean seconds of a message's way. */
  readonly latency: number;
  /** What becomes of a message; nothing if it gets lost. */
  alter(from: VirtualComm, message: unknown): unknown;
  /** A message arrived. */
  arrived(at: VirtualComm, message: unknown): void;
  /** Whether the peer of a link that ends is not told. */
  losesEnd(comm: VirtualComm): boolean;
}

/** Something on its way. */
interface Parcel {
  readonly at: number;
  /** Nothing if it is the end of the link. */
  readonly frames: readonly Uint8Array[] | null;
}

/** One end of a link. */
export class VirtualComm implements Comm {
  readonly localAddress: Address;
  readonly peerAddress: Address;
  readonly peerInfo: HandshakeInfo;
  /** Whose end it is. */
  readonly role: Role;
  readonly #traffic: Traffic;
  /** Whether writes wait until their message has arrived. */
  readonly #isSlow: boolean;
  /** The other end. */
  #peer: VirtualComm = this;
  /** On the way to this end. */
  #coming: Parcel[] = [];
  #lastAt = 0;
  /** Arrived, and not read. Errors are of messages that can't be read. */
  #inbox: unknown[] = [];
  #reader: PromiseWithResolvers<unknown> | undefined;
  #ended: CommClosed | undefined;
  /** Nothing more arrives: what has can still be read. */
  #isOver = false;
  /** Nothing that is sent arrives, and nobody is told. */
  #isMute = false;
  #isStream = false;
  #queued = 0;
  #sent = 0;
  readonly #writes: Set<PromiseWithResolvers<void>> = new Set();

  private constructor(
    traffic: Traffic,
    role: Role,
    localAddress: Address,
    peerAddress: Address,
    isSlow: boolean,
  ) {
    this.#traffic = traffic;
    this.role = role;
    this.localAddress = localAddress;
    this.peerAddress = peerAddress;
    this.peerInfo = handshakeInfo(peerAddress, localAddress, null);
    this.#isSlow = isSlow;
    role.comms.add(this);
  }

  /** Both ends of a new link: the dialling one, and the one that was dialled at `address`. */
  static pair(
    traffic: Traffic,
    dialler: Role,
    from: Address,
    listener: Role,
    address: Address,
    isSlow: boolean,
  ): readonly [VirtualComm, VirtualComm] {
    const ours = new VirtualComm(traffic, dialler, from, address, isSlow);
    const theirs = new VirtualComm(traffic, listener, address, from, isSlow);
    ours.#peer = theirs;
    theirs.#peer = ours;
    return [ours, theirs];
  }

  get closed(): boolean {
    return this.#ended !== undefined;
  }

  get queuedBytes(): number {
    return this.#queued;
  }

  get sentBytes(): number {
    return this.#sent;
  }

  /** Whether batches of messages came here: it is a stream, not a link for requests. */
  get isStream(): boolean {
    return this.#isStream;
  }

  /** The other end. */
  get other(): VirtualComm {
    return this.#peer;
  }

  /** Whose the other end is. */
  get peerRole(): Role {
    return this.#peer.role;
  }

  read(): Promise<unknown> {
    if (this.role.isDead) return new Promise(() => {});
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (this.#reader !== undefined) {
      return Promise.reject(new TypeError(`Cannot read from "${this.peerAddress}": another read is pending`));
    }
    if (this.#inbox.length > 0) {
      const message = this.#inbox.shift();
      return message instanceof Error ? Promise.reject(message) : Promise.resolve(message);
    }
    if (this.#isOver) return Promise.reject(this.#fail("was closed by the peer"));
    this.#reader = Promise.withResolvers();
    return this.#reader.promise;
  }

  write(message: unknown): Promise<void> {
    if (this.role.isDead) return new Promise(() => {});
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const altered = this.#traffic.alter(this, message);
    if (altered === undefined) return Promise.resolve();
    try {
      return this.#send(encodeMessage(altered, { compression: null }).map((frame) => frame.slice()));
    } catch (error) {
      return Promise.reject(error); // nothing was sent: the link stays
    }
  }

  #send(frames: readonly Uint8Array[]): Promise<void> {
    const bytes = frames.reduce((sum, frame) => sum + frame.byteLength, 0);
    if (!this.#isMute) this.#peer.#expect(frames);
    const isTaken = this.#isMute ? this.#queued + bytes < BUFFER : !this.#isSlow;
    if (isTaken) {
      this.#sent += bytes;
      return Promise.resolve();
    }
    const written = Promise.withResolvers<void>();
    this.#writes.add(written);
    this.#queued += bytes;
    if (!this.#isMute) {
      this.#later(this.#peer.#untilLast, () => this.#written(written, bytes));
    }
    return written.promise;
  }

  #written(written: PromiseWithResolvers<void>, bytes: number): void {
    if (this.#isMute || !this.#writes.delete(written)) return;
    this.#queued -= bytes;
    this.#sent += bytes;
    written.resolve();
  }

  close(): Promise<void> {
    if (this.#ended !== undefined || this.role.isDead) return Promise.resolve();
    this.#end("was closed by this side", Infinity);
    return Promise.resolve();
  }

  abort(): void {
    if (this.#ended !== undefined || this.role.isDead) return;
    const onTheWay = this.#peer.#coming.length;
    this.#end("was aborted by this side", this.#traffic.world.random.below(onTheWay + 1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The network ends the link: a part of what is under way arrives, then both ends are told. */
  cut(): void {
    if (this.#ended !== undefined || this.role.isDead) return;
    this.#traffic.world.note(`${this.#name()} is cut`);
    const { random } = this.#traffic.world;
    for (const end of [this, this.#peer]) end.#expectEnd(random.below(end.#coming.length + 1));
  }

  /** Nothing arrives any more, in either direction; both ends find out later, each at its time. */
  goMute(): void {
    if (this.#isMute || this.#ended !== undefined) return;
    this.#traffic.world.note(`${this.#name()} is dead, and nobody is told`);
    for (const end of [this, this.#peer]) end.#becomeMute();
  }

  /** This end's process is gone. */
  die(isMachineGone: boolean): void {
    const peer = this.#peer;
    if (isMachineGone) peer.#becomeMute();
    else peer.#expectEnd(this.#traffic.world.random.below(peer.#coming.length + 1));
    this.#coming = [];
  }

  #becomeMute(): void {
    if (this.#isMute || this.#ended !== undefined) return;
    this.#isMute = true;
    this.#coming = [];
    this.#later(NOTICED_MAX * this.#traffic.world.random.next(), () => this.#fail("timed out"));
  }

  /** Something is sent to this end. */
  #expect(frames: readonly Uint8Array[] | null): void {
    if (this.#isMute || this.#ended !== undefined) return;
    const { world, latency } = this.#traffic;
    const at = Math.max(this.#lastAt, world.now + world.delay(latency));
    this.#lastAt = at;
    this.#coming.push({ at, frames });
    this.#later(at - world.now, () => this.#arrive());
  }

  /** Seconds until the last of what is on its way to this end arrives. */
  get #untilLast(): number {
    return Math.max(this.#lastAt - this.#traffic.world.now, 0);
  }

  /** The first `count` of what is on its way arrive, then the end. */
  #expectEnd(count: number): void {
    if (this.#isMute || this.#ended !== undefined || this.#isOver) return;
    if (this.#coming.length > count) this.#coming.length = count;
    this.#expect(null);
  }

  #later(seconds: number, run: () => void): void {
    this.#traffic.world.schedule(seconds, () => {
      if (this.#ended === undefined && !this.role.isDead) run();
    });
  }

  #arrive(): void {
    const { world } = this.#traffic;
    while ((this.#coming[0]?.at ?? Infinity) <= world.now && this.#ended === undefined) {
      const parcel = this.#coming.shift();
      if (parcel !== undefined) this.#take(parcel.frames);
    }
  }

  #take(frames: readonly Uint8Array[] | null): void {
    if (frames === null) {
      this.#isOver = true;
      this.#coming = [];
      if (this.#reader !== undefined) this.#fail("was closed by the peer");
      return;
    }
    const message = decoded(frames);
    if (isBatch(message)) this.#isStream = true;
    this.#traffic.arrived(this, message);
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader === undefined) this.#inbox.push(message);
    else if (message instanceof Error) reader.reject(message);
    else reader.resolve(message);
  }

  /** Ends this side; the peer is told behind the first `count` messages that are on their way. */
  #end(how: string, count: number): void {
    this.#fail(how);
    const peer = this.#peer;
    if (this.#traffic.losesEnd(this)) peer.#becomeMute();
    else peer.#expectEnd(count);
  }

  #fail(how: string): CommClosed {
    this.#ended ??= new CommClosed(this.peerAddress, `Link to "${this.peerAddress}" ${how}`);
    const ended = this.#ended;
    this.role.comms.delete(this);
    this.#inbox = [];
    this.#coming = [];
    this.#reader?.reject(ended);
    this.#reader = undefined;
    for (const written of this.#writes) written.reject(ended);
    this.#writes.clear();
    this.#queued = 0;
    return ended;
  }

  #name(): string {
    return `${this.role.name}-${this.#peer.role.name}`;
  }
}

/** A message, or why it can't be read. */
function decoded(frames: readonly Uint8Array[]): unknown {
  try {
    return decodeMessage(frames);
  } catch (error) {
    return error;
  }
}
