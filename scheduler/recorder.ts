/**
 * Records all stimuli of a scheduler in a file, for `deno task replay`.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { getLogger } from "../config/logging.ts";
import { messageOf } from "../internal/errors.ts";
import { encodeEntry, JOURNAL_VERSION, type JournalEntry, type RecordedOptions } from "./state/journal.ts";
import type { SchedulerSnapshot } from "./state/snapshot.ts";
import type { SchedulerStimulus } from "./state/stimulus.ts";

const logger = getLogger("distributed.scheduler");

/** Number of stimuli between two digests of the whole state. */
export const DIGEST_EVERY = 100;

/** The part of the machine that a recorder needs. */
export interface Recorded {
  /** Returns a copy of the whole state. */
  snapshot(): SchedulerSnapshot;
}

/** SHA-256 of a snapshot, hexadecimal. */
export function digestOf(snapshot: SchedulerSnapshot): string {
  return createHash("sha256").update(JSON.stringify(snapshot, withoutBigInts)).digest("hex");
}

/** JSON has none, and what workers say of themselves may hold some. */
function withoutBigInts(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}n` : value;
}

/** Encodes stimuli as lines of text. */
export class Recorder {
  readonly #write: (line: string) => void;
  #count = 0;
  #nextDigest = DIGEST_EVERY;
  #isOver = false;

  /** @param write Called with each line, without a line break. */
  constructor(options: RecordedOptions, write: (line: string) => void) {
    this.#write = write;
    this.#put({ journal: JOURNAL_VERSION, options });
  }

  /**
   * Records stimuli before they are handled, so that a stimulus that breaks an invariant is in the file, too.
   * Recording ends, with an error in the log, if they can't be written down, such as a message that would be
   * longer than a text can be.
   */
  record(stimuli: readonly SchedulerStimulus[], now: number, machine: Recorded): void {
    if (this.#isOver) return;
    try {
      this.#record(stimuli, now, machine);
    } catch (error) {
      this.#isOver = true;
      logger.error(`Cannot record any longer: ${messageOf(error)}`);
    }
  }

  #record(stimuli: readonly SchedulerStimulus[], now: number, machine: Recorded): void {
    if (this.#count >= this.#nextDigest) {
      this.#put({ digest: digestOf(machine.snapshot()) });
      this.#nextDigest = this.#count + DIGEST_EVERY;
    }
    this.#count += stimuli.length;
    this.#put({ now, stimuli });
  }

  #put(entry: JournalEntry): void {
    this.#write(encodeEntry(entry));
  }
}

/**
 * A file of lines. Only this user account can read it, because it contains functions, arguments and results
 * of all clients.
 */
export class JournalFile implements Disposable {
  readonly #path: string;
  readonly #encoder = new TextEncoder();
  #file: Deno.FsFile | null;

  private constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  /**
   * Checks that the file can be written, before the scheduler starts.
   *
   * @throws {Deno.errors.NotCapable} If the program may not write there. It does not prompt for permission.
   */
  static check(path: string): void {
    if (Deno.permissions.querySync({ name: "write", path }).state === "granted") return;
    throw new Deno.errors.NotCapable(`Cannot record to "${path}": add --allow-write=${path}`);
  }

  /** Opens the file, and empties it if it exists. */
  static async open(path: string): Promise<JournalFile> {
    JournalFile.check(path);
    try {
      const file = await Deno.open(path, { write: true, create: true, mode: 0o600 });
      // An existing file keeps its mode, so other accounts lose access before anything is written.
      if (Deno.build.os !== "windows") await Deno.chmod(path, 0o600);
      await file.truncate();
      return new JournalFile(path, file);
    } catch (cause) {
      throw new Error(`Cannot record to "${path}": ${messageOf(cause)}`, { cause });
    }
  }

  /**
   * Appends a line. If that fails, for example on a full disk, recording ends and the scheduler continues.
   */
  write(line: string): void {
    const file = this.#file;
    if (file === null) return;
    try {
      for (let rest = this.#encoder.encode(`${line}\n`); rest.length > 0;) {
        rest = rest.subarray(file.writeSync(rest));
      }
    } catch (error) {
      logger.error(`Cannot record to "${this.#path}" any longer: ${messageOf(error)}`);
      this[Symbol.dispose]();
    }
  }

  /** Closes the file; later lines are ignored. */
  [Symbol.dispose](): void {
    this.#file?.close();
    this.#file = null;
  }
}
