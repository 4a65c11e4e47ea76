/**
 * Links inside one program. Source: `distributed/comm/inproc.py`.
 *
 * Nothing is serialized, yet the ends stay isolated: containers (arrays, maps, sets) are copied when they are
 * written, so neither end sees what the other does to a message later. Bytes and payloads (`Uint8Array`,
 * `Serialized`, `Pickled`) are handed over by reference. As on every link, neither side may change them.
 * A message arrives as it would from a socket: a `Float` as a number, a value that can't be sent is refused.
 *
 * @module
 */

import type { Address } from "../messages/common.ts";
import { classNameOf, DEPTH_MAX, MsgpackError } from "../protocol/msgpack_encode.ts";
import { EnumMember, Float, Pickled, Serialized } from "../protocol/serialized.ts";
import type { Comm, HandshakeInfo, Listener } from "./comm.ts";
import { CommClosed } from "./errors.ts";
import { handshakeInfo } from "./handshake.ts";

/** Messages that may wait for a reader before writers wait too. */
const ROOM = 64;

const listeners = new Map<string, (comm: Comm) => void>();
let addresses = 0;

function newAddress(): Address {
  return `inproc://127.0.0.1/${Deno.pid}/${++addresses}` as Address;
}

/**
 * Connects to a listener of this program. The listener's end is handed out in the same turn.
 *
 * @throws {CommClosed} If no listener is there.
 */
export function connectInproc(address: Address): Comm {
  const onComm = listeners.get(address);
  if (onComm === undefined) {
    throw new CommClosed(address, `Cannot connect to "${address}": nobody listens there in this program`);
  }
  const here = newAddress();
  const ours = new InprocComm(here, address);
  const theirs = new InprocComm(address, here);
  ours.peer = theirs;
  theirs.peer = ours;
  onComm(theirs);
  return ours;
}

/**
 * Listens at `address`, or at a new one if its location is empty.
 *
 * @throws {TypeError} If another listener is there.
 */
export function listenInproc(address: Address, onComm: (comm: Comm) => void): Listener {
  const own = address === "inproc://" ? newAddress() : address;
  if (listeners.has(own)) throw new TypeError(`Cannot listen on "${own}": somebody else does`);
  listeners.set(own, onComm);
  const close = (): Promise<void> => {
    if (listeners.get(own) === onComm) listeners.delete(own);
    return Promise.resolve();
  };
  return { listenAddress: own, contactAddress: own, close, [Symbol.asyncDispose]: close };
}

class InprocComm implements Comm {
  readonly localAddress: Address;
  readonly peerAddress: Address;
  readonly peerInfo: HandshakeInfo;
  peer: InprocComm | undefined = undefined;
  /** Sent by the peer, not yet read. */
  #inbox: unknown[] = [];
  #reader: PromiseWithResolvers<unknown> | undefined = undefined;
  /** Resolved when the peer may write on. */
  #room: PromiseWithResolvers<void> | undefined = undefined;
  /** Nothing can be written any more, and nothing read by this side's doing. */
  #ended: CommClosed | undefined = undefined;
  /** The peer ended the link: what it had sent can still be read. */
  #peerEnded: CommClosed | undefined = undefined;

  constructor(localAddress: Address, peerAddress: Address) {
    this.localAddress = localAddress;
    this.peerAddress = peerAddress;
    this.peerInfo = handshakeInfo(peerAddress, localAddress, null);
  }

  get closed(): boolean {
    return this.#ended !== undefined;
  }

  read(): Promise<unknown> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (this.#reader !== undefined) {
      const message = `Cannot read from "${this.peerAddress}": another read is pending`;
      return Promise.reject(new TypeError(message));
    }
    if (this.#inbox.length > 0) {
      const message = this.#inbox.shift();
      if (this.#inbox.length < ROOM) this.#giveRoom();
      return Promise.resolve(message);
    }
    if (this.#peerEnded !== undefined) {
      this.#ended = this.#peerEnded;
      return Promise.reject(this.#ended);
    }
    this.#reader = Promise.withResolvers();
    return this.#reader.promise;
  }

  async write(message: unknown): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended;
    const copy = copyMessage(message, 0);
    const { peer } = this;
    if (peer === undefined || this.#peerEnded !== undefined) {
      throw this.#peerEnded ?? this.#closedBy("this side");
    }
    await peer.#receive(copy);
  }

  /** Resolves when there is room for more. */
  #receive(message: unknown): Promise<void> | undefined {
    const reader = this.#reader;
    if (reader !== undefined) {
      this.#reader = undefined;
      reader.resolve(message);
      return undefined;
    }
    this.#inbox.push(message);
    if (this.#inbox.length < ROOM) return undefined;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  #giveRoom(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }

  close(): Promise<void> {
    // What was written lies in the peer's inbox already, so there is nothing to wait for.
    this.#end("closed");
    return Promise.resolve();
  }

  abort(): void {
    this.#end("aborted");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #end(how: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = new CommClosed(
      this.peerAddress,
      `Link to "${this.peerAddress}" was ${how} by this side`,
    );
    this.#inbox = [];
    this.#reader?.reject(this.#ended);
    this.#reader = undefined;
    const { peer } = this;
    if (peer === undefined) return;
    peer.#peerGone(how === "aborted" ? this.#ended : undefined);
    this.#room?.reject(peer.#peerEnded);
    this.#room = undefined;
  }

  /**
   * @param aborted What its writes that wait reject with; after a close they are done, for we have the
   * messages.
   */
  #peerGone(aborted: CommClosed | undefined): void {
    if (this.#peerEnded !== undefined) return;
    this.#peerEnded = this.#closedBy("the peer");
    if (aborted !== undefined) this.#room?.reject(aborted);
    this.#giveRoom();
    if (this.#reader === undefined) return;
    this.#ended = this.#peerEnded;
    this.#reader.reject(this.#ended);
    this.#reader = undefined;
  }

  #closedBy(who: string): CommClosed {
    return new CommClosed(this.peerAddress, `Link to "${this.peerAddress}" was closed by ${who}`);
  }
}

/**
 * Copies containers, keeps leaves; refuses what can't be encoded for a socket, and gives what would be
 * decoded there.
 */
function copyMessage(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case "string":
    case "number":
    case "boolean":
    case "bigint":
      return value;
    case "undefined":
      return null;
    case "object":
      return value === null ? null : copyObject(value, depth + 1);
    default:
      return refuse(`a ${typeof value}`);
  }
}

function copyObject(value: object, depth: number): unknown {
  if (depth > DEPTH_MAX) throw new MsgpackError(`Cannot send a message: nested deeper than ${DEPTH_MAX}`);
  if (Array.isArray(value)) {
    const copy = new Array<unknown>(value.length);
    for (let i = 0; i < value.length; i++) copy[i] = copyMessage(value[i], depth);
    return copy;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) {
    return copyRecord(value as Record<string, unknown>, depth);
  }
  if (value instanceof Uint8Array || value instanceof Serialized) return value;
  if (value instanceof Float) return value.value;
  if (value instanceof Map) return copyMap(value, depth);
  if (value instanceof Set) {
    const copy = new Set<unknown>();
    for (const item of value) copy.add(copyMessage(item, depth));
    return copy;
  }
  if (value instanceof Pickled || value instanceof EnumMember) return value;
  return refuse(`an instance of "${classNameOf(value)}"`);
}

function copyRecord(value: Record<string, unknown>, depth: number): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const key in value) {
    const item = value[key];
    if (item !== undefined) setField(copy, key, copyMessage(item, depth));
  }
  return copy;
}

/** A map whose keys are all strings arrives as a record. */
function copyMap(value: ReadonlyMap<unknown, unknown>, depth: number): unknown {
  const copy = new Map<unknown, unknown>();
  const record: Record<string, unknown> = {};
  let keysAreStrings = true;
  for (const [key, item] of value) {
    const own = copyMessage(item, depth);
    copy.set(copyMessage(key, depth), own);
    if (typeof key === "string") setField(record, key, own);
    else keysAreStrings = false;
  }
  return keysAreStrings ? record : copy;
}

function setField(record: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== "__proto__") record[key] = value;
  else Object.defineProperty(record, key, { value, enumerable: true, writable: true, configurable: true });
}

function refuse(what: string): never {
  throw new MsgpackError(`Cannot send a message: ${what} has no form in MessagePack`);
}
