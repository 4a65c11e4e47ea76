/**
 * Payloads that travel in messages without being decoded.
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

/** The header of a payload: who can decode it, and how (`distributed/protocol/serialize.py`, `serialize`). */
export type SerializedHeader = Readonly<Record<string, unknown>>;

/**
 * A value as frames, and the header that tells how to read them (Dask's `Serialized`). A message carries it
 * beside its body, and a role that needs not look inside passes it on as it came.
 *
 * Frames are as they travel: what another role cut in shards or compressed stays so, and its header says so,
 * until the value is decoded (`joinFrames` of `protocol/payload.ts`). A payload must not be changed once it
 * is made.
 */
export class Serialized {
  /** Family (`serializer`), type, and what else the family needs. */
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
 * A pickled object inside a message (Dask's `ToPickle`, and whatever else its MessagePack cannot say). Passed
 * on as it came; `protocol/pickle.ts` can look at it without running anything.
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
 * A float that stays one on the wire even if it is whole: Python tells `1.0` from `1`. Decoding makes plain
 * numbers of both.
 */
export class Float {
  /** The number. */
  readonly value: number;

  /** Wraps a number. */
  constructor(value: number) {
    this.value = value;
  }
}

/** A member of one of Python's enumerations, named and not looked up. */
export class EnumMember {
  /** Python module, such as `distributed.core`. */
  readonly module: string;
  /** Class, such as `Status`. */
  readonly className: string;
  /** Member, such as `running`. */
  readonly name: string;

  /** Names a member. */
  constructor(module: string, className: string, name: string) {
    this.module = module;
    this.className = className;
    this.name = name;
  }
}
