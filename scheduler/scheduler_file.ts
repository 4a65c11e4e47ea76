/**
 * The file in which a scheduler says where it is (`Scheduler.start`, `--scheduler-file`): its identity as
 * JSON.
 *
 * @module
 */

import { messageOf } from "../internal/errors.ts";
import { getLogger } from "../config/logging.ts";
import type { SchedulerIdentity } from "../messages/facts.ts";

const logger = getLogger("distributed.scheduler");

/** A file that was written. Disposing of it removes it, unless another scheduler has replaced it. */
export class SchedulerFile implements Disposable {
  readonly #path: string;
  readonly #id: string;

  private constructor(path: string, id: string) {
    this.#path = path;
    this.#id = id;
  }

  /**
   * Refuses what could not be written, before anything is started.
   *
   * @throws {Deno.errors.NotCapable} If the program may not write there; nothing is asked for.
   */
  static check(path: string): void {
    if (Deno.permissions.querySync({ name: "write", path }).state === "granted") return;
    throw new Deno.errors.NotCapable(`Cannot write scheduler file "${path}": add --allow-write=${path}`);
  }

  /** Writes it, readable by this user account alone. */
  static async write(path: string, identity: SchedulerIdentity): Promise<SchedulerFile> {
    SchedulerFile.check(path);
    const bytes = new TextEncoder().encode(`${JSON.stringify(identity, undefined, 2)}\n`);
    try {
      using file = await Deno.open(path, { write: true, create: true, mode: 0o600 });
      // A file that was there keeps its mode: it is closed to others before anything is in it.
      if (Deno.build.os !== "windows") await Deno.chmod(path, 0o600);
      await file.truncate();
      for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await file.write(rest));
    } catch (cause) {
      throw new Error(`Cannot write scheduler file "${path}": ${messageOf(cause)}`, { cause });
    }
    return new SchedulerFile(path, identity.id);
  }

  /** Removes it. */
  [Symbol.dispose](): void {
    try {
      const isReadable = Deno.permissions.querySync({ name: "read", path: this.#path }).state === "granted";
      if (isReadable && !Deno.readTextFileSync(this.#path).includes(`"${this.#id}"`)) return;
      Deno.removeSync(this.#path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      logger.warning(`Cannot remove scheduler file "${this.#path}": ${messageOf(error)}`);
    }
  }
}
