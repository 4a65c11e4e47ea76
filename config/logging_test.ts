import { assertEquals } from "@std/assert";
import { captureLog } from "../testing/logs.ts";
import { getLogger } from "./logging.ts";

Deno.test("A log line can't be forged, nor a terminal be told anything, by what a peer calls itself", () => {
  const name =
    "w\n2026-07-01 12:00:00,123 - distributed.scheduler - INFO - all is well\u001b[2J\u0007\u009b\r\u2028";
  const lines = captureLog(() => getLogger("distributed.scheduler").warning(`name: ${name}\tend`));
  assertEquals(lines.map((line) => line.replace(/^\d[\d :,-]{22}/, "TIME")), [
    "TIME - distributed.scheduler - WARNING - name: w",
    "  2026-07-01 12:00:00,123 - distributed.scheduler - INFO - all is well\\x1b[2J\\x07\\x9b\\x0d\\x2028\tend",
  ]);
});
