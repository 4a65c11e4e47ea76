import { assertEquals } from "@std/assert";
import type { Address, Key } from "../../messages/common.ts";
import { InputsTooLarge, KilledWorker } from "./errors.ts";

Deno.test("Errors of the scheduler have no frames in their stacks, so that a replay sends the same", () => {
  const key = "x-1" as Key;
  const worker = "tls://10.0.0.1:1" as Address;
  for (const error of [new KilledWorker(key, worker, 3), new InputsTooLarge(key, 10, worker, 5)]) {
    assertEquals(error.stack, `${error.name}: ${error.message}`);
  }
});
