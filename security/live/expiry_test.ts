import { assertEquals } from "@std/assert";
import { daysLeft, ExpiryWarnings } from "./expiry.ts";
import { captureLog } from "../../testing/logs.ts";

const DAY_MS = 86_400_000;
const END = new Date("2027-01-31T12:00:00Z");
const before = (days: number) => END.getTime() - days * DAY_MS;

Deno.test("daysLeft counts whole days, negative ones after the end", () => {
  assertEquals([30, 29.5, 1, 0.5, -0.5, -2].map((days) => daysLeft(END, before(days))), [
    30,
    29,
    1,
    0,
    -1,
    -2,
  ]);
});

Deno.test("ExpiryWarnings warns once at 30, 7 and 1 days, and at the end", () => {
  const warnings = new ExpiryWarnings();
  const lines = captureLog(() => {
    for (const days of [400, 31, 30, 29, 8, 7, 3, 1, 0.9, -0.1, -5]) {
      warnings.look("The certificate", { validTo: END }, before(days));
    }
  });
  assertEquals(lines.map((line) => line.replace(/^.*? - distributed\.security - /, "")), [
    "WARNING - The certificate ends in 30 days, on 2027-01-31T12:00:00.000Z: renew it",
    "WARNING - The certificate ends in 7 days, on 2027-01-31T12:00:00.000Z: renew it",
    "WARNING - The certificate ends in 1 day, on 2027-01-31T12:00:00.000Z: renew it",
    "ERROR - The certificate has expired on 2027-01-31T12:00:00.000Z",
  ]);
});

Deno.test("ExpiryWarnings starts with the threshold that applies, and tells things apart", () => {
  const warnings = new ExpiryWarnings();
  const lines = captureLog(() => {
    warnings.look("A", { validTo: END }, before(5));
    warnings.look("B", { validTo: END }, before(5));
    warnings.look("A", { validTo: END }, before(5));
    warnings.look("A", { validTo: new Date(END.getTime() + DAY_MS) }, before(5)); // renewed, for a day
    warnings.look("C", { validTo: END }, before(5), [1]);
  });
  assertEquals(lines.map((line) => / - ([ABC]) ends in (\d) days/.exec(line)?.slice(1).join()), [
    "A,5",
    "B,5",
    "A,6",
  ]);
});
