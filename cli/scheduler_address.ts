/**
 * The address of the scheduler from a command line: ADDRESS, `--scheduler-file`, or configuration.
 *
 * @module
 */

import { TimeoutError } from "../internal/errors.ts";
import { readSchedulerFile } from "../comm/scheduler_file.ts";
import type { Config } from "../config/config.ts";
import { Deadline } from "../internal/deadline.ts";
import { type Flags, type ParsedFlags, UsageError } from "./flags.ts";

/** The flag for the file with the scheduler's address. */
export const SCHEDULER_FILE_FLAG: Flags = {
  "scheduler-file": {
    type: "string",
    value: "PATH",
    help: "File that the scheduler writes, instead of ADDRESS; waits until it exists",
  },
};

/**
 * Address of the scheduler.
 *
 * @param timeoutMs Limits the wait for the file.
 * @param given ADDRESS, if there was one.
 * @throws {UsageError} If the address is missing or given twice.
 */
export async function schedulerAddress(
  { text }: ParsedFlags,
  config: Config,
  timeoutMs: number | undefined,
  given: string | undefined,
): Promise<string> {
  const file = text["scheduler-file"];
  if (given !== undefined && file !== undefined) {
    throw new UsageError(`"${given}" and --scheduler-file both say where the scheduler is: leave one out`);
  }
  if (file !== undefined) {
    using deadline = new Deadline(
      { timeout: timeoutMs },
      (ms) => new TimeoutError(`There was no scheduler file "${file}" within ${ms / 1000} s`),
    );
    return await readSchedulerFile(file, deadline.signal);
  }
  const address = given ?? config.text("scheduler-address");
  if (address !== undefined) return address;
  throw new UsageError("the address of the scheduler is missing, such as tls://10.0.0.5:8786");
}
