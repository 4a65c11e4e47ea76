/**
 * Open TCP sockets of this process, as the operating system counts them.
 *
 * @module
 */

import { assertEquals } from "@std/assert";

/** Whether they can be counted here. */
export const CAN_COUNT: boolean = Deno.build.os === "linux";

/** Milliseconds that a socket whose end was told may still be there. */
const GRACE_MS = 5000;

/** How many are open; other sockets are the runtime's own. */
export function openSockets(): number {
  const tcp = new Set(["tcp", "tcp6"].flatMap((table) => inodes(`/proc/net/${table}`)));
  const own = new Set<string>();
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    let target: string;
    try {
      target = Deno.readLinkSync(`/proc/self/fd/${name}`);
    } catch {
      continue; // the descriptor of the folder itself is gone by now
    }
    const [, inode] = /^socket:\[(\d+)\]$/.exec(target) ?? [];
    if (inode !== undefined && tcp.has(inode)) own.add(inode);
  }
  return own.size;
}

function inodes(table: string): string[] {
  return Deno.readTextFileSync(table).split("\n").flatMap((line) => line.trim().split(/\s+/)[9] ?? []);
}

/**
 * Counts sockets beyond those that are known, so that links which roles make meanwhile don't matter. Does
 * nothing where they can't be counted.
 */
export class SocketCount {
  readonly #known: () => number;
  readonly #before: number;

  /** Begins. `known`: how many are known at a time. Default: none. */
  constructor(known: () => number = () => 0) {
    this.#known = known;
    this.#before = this.#count();
  }

  #count(): number {
    return CAN_COUNT ? openSockets() - this.#known() : 0;
  }

  /** Fails unless it is as at the beginning; the system closes some a moment after their end was told. */
  async assertSame(what: string): Promise<void> {
    const end = performance.now() + GRACE_MS;
    while (this.#count() !== this.#before && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assertEquals(this.#count(), this.#before, `open sockets after ${what}`);
  }
}
