/**
 * The file to which a scheduler writes its address and identity as JSON (`Scheduler.start`,
 * `--scheduler-file`).
 *
 * @module
 */

import { messageOf } from "../internal/errors.ts";
import { getLogger } from "../config/logging.ts";
import type { SchedulerIdentity } from "../messages/facts.ts";

const logger = getLogger("distributed.scheduler");

/** A written file. Disposing of it removes it, unless another scheduler has replaced it. */
export class SchedulerFile implements Disposable {
  readonly #path: string;
  readonly #id: string;

  private constructor(path: string, id: string) {
    this.#path = path;
    this.#id = id;
  }

  /**
   * Checks that the file can be written, before the scheduler starts.
   *
   * @throws {Deno.errors.NotCapable} If the program may not write there. It does not prompt for permission.
   */
  static check(path: string): void {
    if (Deno.permissions.querySync({ name: "write", path }).state === "granted") return;
    throw new Deno.errors.NotCapable(`Cannot write scheduler file "${path}": add --allow-write=${path}`);
  }

  /** Writes the file, readable for this user account only. */
  static async write(path: string, identity: SchedulerIdentity): Promise<SchedulerFile> {
    SchedulerFile.check(path);
    const bytes = new TextEncoder().encode(`${JSON.stringify(identity, undefined, 2)}\n`);
    try {
      using file = await Deno.open(path, { write: true, create: true, mode: 0o600 });
      // An existing file keeps its mode, so other accounts lose access before anything is written.
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
