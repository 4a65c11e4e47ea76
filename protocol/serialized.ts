/**
 * Payloads that are sent in messages without being decoded.
 *
 * @module
 */

/**
 * A value can't be serialized, or a payload can't be read.
 *
 * ```ts
 * import { Client, SerializationError } from "jsr:@dask/distributed";
 *
 * await using client = await Client.connect();
 * try {
 *   client.submit((job: unknown) => typeof job, { rows: [{ callback: () => 1 }] });
 * } catch (error) {
 *   if (error instanceof SerializationError) console.log(error.path); // args[0].rows[0].callback
 * }
 * ```
 */
export class SerializationError extends Error {
  /** A stable name of the kind of error. */
  readonly code = "SERIALIZATION";
  /** Class name. */
  override readonly name = "SerializationError";
  /** Path within the value, such as `args[1].rows[3].callback`; empty if the whole payload can't be read. */
  readonly path: string;

  /** Names the place and the reason. */
  constructor(message: string, path = "", options?: ErrorOptions) {
    super(message, options);
    this.path = path;
  }
}

/**
 * The header of a payload: its family, and how to decode it (`distributed/protocol/serialize.py`,
 * `serialize`).
 */
export type SerializedHeader = Readonly<Record<string, unknown>>;

/**
 * A serialized value: frames, and a header that says how to decode them (Dask's `Serialized`). A message
 * carries it outside its body. A role that does not need the value forwards it unchanged.
 *
 * Frames that another role split or compressed stay that way until the value is decoded (`joinFrames` of
 * `protocol/payload.ts`); the header says how. A payload is immutable.
 */
export class Serialized {
  /** Family (`serializer`), type, and other fields of the family. */
  readonly header: SerializedHeader;
  /** Data, in order. */
  readonly frames: readonly Uint8Array[];
  /** Bytes of the frames. */
  readonly nbytes: number;

  /** Joins a header and its frames. */
  constructor(header: SerializedHeader, frames: readonly Uint8Array[]) {
    this.header = header;
    this.frames = frames;
    let nbytes = 0;
    for (let i = 0; i < frames.length; i++) nbytes += frames[i]?.byteLength ?? 0;
    this.nbytes = nbytes;
  }
}

/**
 * A pickled object in a message (Dask's `ToPickle`, and other values that MessagePack can't express). It is
 * forwarded unchanged; `protocol/pickle.ts` can decode it without running code.
 */
export class Pickled {
  /** `pickled-obj` is the pickle itself. */
  readonly header: SerializedHeader;
  /** Out-of-band buffers, in order. */
  readonly frames: readonly Uint8Array[];

  /** Joins a header and its frames. */
  constructor(header: SerializedHeader, frames: readonly Uint8Array[]) {
    this.header = header;
    this.frames = frames;
  }
}

/**
 * A number that is written as a float even if it is an integer, because Python distinguishes `1.0` from `1`.
 * Both are decoded as plain numbers.
 */
export class Float {
  /** The number. */
  readonly value: number;

  /** Wraps a number. */
  constructor(value: number) {
    this.value = value;
  }
}

/** The name of a member of a Python enumeration. */
export class EnumMember {
  /** Python module, such as `distributed.core`. */
  readonly module: string;
  /** Class, such as `Status`. */
  readonly className: string;
  /** Member, such as `running`. */
  readonly name: string;

  constructor(module: string, className: string, name: string) {
    this.module = module;
    this.className = className;
    this.name = name;
  }
}
