import { assertEquals, assertMatch } from "@std/assert";
import { captureLog } from "../testing/logs.ts";
import { getLogger } from "./logging.ts";

const logger = getLogger("distributed.test");

Deno.test("Logger: text of peers can't look like another line, nor steer a terminal", () => {
  const forged =
    "x\n2026-01-01 00:00:00,000 - distributed.scheduler - INFO - all is well\r\x1b[2J\u2028\u202e";
  const lines = captureLog(() => logger.warning(`Refused "${forged}"`));
  assertEquals(lines.length, 2);
  assertMatch(lines[0] ?? "", /^\d{4}-\d\d-\d\d \S+ - distributed\.test - WARNING - Refused "x$/);
  assertEquals(
    lines[1],
    '    2026-01-01 00:00:00,000 - distributed.scheduler - INFO - all is well\\u{d}\\u{1b}[2J\\u{2028}\\u{202e}"',
  );
});

Deno.test("Logger cuts lines that are longer than anybody reads", () => {
  const [line = ""] = captureLog(() => logger.error("y".repeat(1_000_000)));
  assertEquals(line.length < 9000, true);
  assertMatch(line, /y… \(991808 characters more\)$/);
});

Deno.test("Logger leaves what people write as it is", () => {
  const text = "Größe ≥ 5 µs\t“naïve” 漢字 👍";
  const [line = ""] = captureLog(() => logger.info(text));
  assertEquals(line.endsWith(` - INFO - ${text}`), true);
});
