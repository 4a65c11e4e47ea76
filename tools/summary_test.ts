import { assertEquals } from "@std/assert";
import { closingLine, denoCounts, sum } from "./summary.ts";

Deno.test("denoCounts reads the closing line with steps, ignored tests and colours", () => {
  assertEquals(denoCounts("ok | 7 passed | 0 failed (475ms)\n"), { passed: 7, failed: 0, skipped: 0 });
  assertEquals(
    denoCounts(
      "\nFAILED | 5 passed (3 steps) | 2 failed (1 step) | 4 ignored (2 steps) | 9 filtered out (1s)\n",
    ),
    { passed: 8, failed: 3, skipped: 6 },
  );
  assertEquals(denoCounts("\x1b[0m\x1b[32mok\x1b[0m | 1 passed | 0 failed \x1b[0m(1ms)\n"), {
    passed: 1,
    failed: 0,
    skipped: 0,
  });
});

Deno.test("denoCounts takes the last closing line, and nothing for none", () => {
  const nested = "ok | 1 passed | 0 failed (1ms)\nFAILED | 2 passed | 1 failed (2ms)\n";
  assertEquals(denoCounts(nested), { passed: 2, failed: 1, skipped: 0 });
  assertEquals(denoCounts("error: Module not found"), undefined);
});

Deno.test("closingLine tells skipped tests only if there are any", () => {
  const counts = sum({ passed: 1, failed: 0, skipped: 0 }, { passed: 2, failed: 1, skipped: 0 });
  assertEquals(closingLine(counts), "3 passed, 1 failed");
  assertEquals(closingLine({ passed: 1, failed: 0, skipped: 2 }), "1 passed, 0 failed, 2 skipped");
});
