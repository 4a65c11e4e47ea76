import { assertThrows } from "@std/assert";
import { checkOptions } from "./options.ts";

Deno.test("checkOptions takes known names and refuses others, naming the nearest", () => {
  interface Options {
    timeout?: number;
    name?: string;
  }
  const known = { timeout: true, name: true } as const;
  checkOptions<Options>("start", { timeout: 1 }, known);
  checkOptions<Options>("start", {}, known);
  const typo = { timeuot: 1 } as Options;
  assertThrows(() => checkOptions("start", typo, known), TypeError, `did you mean "timeout"?`);
  const method = { toString: 1 } as unknown as Options;
  assertThrows(() => checkOptions("start", method, known), TypeError, `no option "toString"`);
});
