/**
 * Finding a scheduler by the file that it wrote (`--scheduler-file`).
 *
 * @module
 */

import { orAborted } from "../internal/deadline.ts";
import { isRecord } from "../messages/common.ts";
import { splitAddress } from "./address.ts";
import { systemClock } from "../internal/clock.ts";
import { AddressError } from "./errors.ts";

/** Milliseconds between looks at a file that is not there yet. */
const POLL_MS = 50;

/**
 * Address in a scheduler file. Waits until the file is there and whole, as Dask does.
 *
 * @throws {Deno.errors.NotCapable} If the program may not read it; nothing is asked for.
 * @throws {AddressError} If it is there and holds no address.
 */
export async function readSchedulerFile(path: string, signal: AbortSignal | undefined): Promise<string> {
  if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") {
    throw new Deno.errors.NotCapable(`Cannot read scheduler file "${path}": add --allow-read=${path}`);
  }
  for (;;) {
    const text = await orAborted(Deno.readTextFile(path).catch(whenThere), signal);
    const identity = text === undefined ? undefined : parsed(text);
    if (identity !== undefined) return addressOf(path, identity);
    await systemClock.sleep(POLL_MS, signal);
  }
}

function whenThere(error: unknown): undefined {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

/** Nothing while it is being written. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function addressOf(path: string, identity: unknown): string {
  const address = isRecord(identity) ? identity["address"] : undefined;
  if (typeof address !== "string") {
    throw new AddressError(path, `Cannot use scheduler file "${path}": there is no "address" in it`);
  }
  splitAddress(address, { strict: true });
  return address;
}
