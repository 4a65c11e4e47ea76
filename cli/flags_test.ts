import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { converted, type Flags, helpText, oneOf, parseFlags, UsageError, wholeNumber } from "./flags.ts";

const FLAGS: Flags = {
  port: { type: "string", value: "PORT", help: "Port" },
  name: { type: "string", help: "Name" },
  dashboard: { type: "boolean", help: "Dashboard" },
  jupyter: { type: "boolean", help: "", refused: "there is no Python" },
  config: { type: "string", help: "", refused: "not yet" },
};

Deno.test("parseFlags reads values, switches and arguments", () => {
  const { text, on, positional } = parseFlags(
    ["--port", "0", "tcp://h:1", "--no-dashboard", "--name=a=b"],
    FLAGS,
  );
  assertEquals(text, { port: "0", name: "a=b" });
  assertEquals(on, { dashboard: false });
  assertEquals(positional, ["tcp://h:1"]);
});

Deno.test("parseFlags leaves out what was not given", () => {
  const { text, on, positional } = parseFlags([], FLAGS);
  assertEquals([text, on, positional], [{}, {}, []]);
});

const REFUSED: readonly [args: string[], message: RegExp][] = [
  [["--prot", "1"], /--prot is not a flag of this command; did you mean --port\?/],
  [["--zebra-crossing"], /--help lists them/],
  [["--jupyter"], /--jupyter can't be used: there is no Python/],
  [["--no-jupyter"], /there is no Python/],
  [["--config", "x.yaml"], /--config can't be used: not yet/],
  [["--config=x.yaml"], /--config can't be used: not yet/],
  [["--port"], /--port needs a value: PORT/],
  [["--port", "--name", "x"], /--port needs a value/],
  [["--port="], /empty/],
  [["--port", "1", "--port", "2"], /--port is given twice/],
  [["--dashboard", "--no-dashboard"], /is given twice/],
  [["--dashboard=yes"], /takes no value/],
  [["--no-port"], /--no-port is not a flag/],
  [["-p", "1"], /-p is not a flag/],
  [["--constructor"], /not a flag/],
];

for (const [args, message] of REFUSED) {
  Deno.test(`parseFlags refuses ${args.join(" ")}`, () => {
    assertMatch(assertThrows(() => parseFlags(args, FLAGS), UsageError).message, message);
  });
}

Deno.test("helpText shows flags and hides the refused ones", () => {
  const text = helpText("cmd [OPTIONS]", "About.", FLAGS);
  assertMatch(text, /--port PORT +Port/);
  assertEquals(text.includes("jupyter"), false);
});

Deno.test("wholeNumber keeps to its bounds", () => {
  assertEquals(wholeNumber("port", "65535", 0, 65535), 65535);
  for (const text of ["65536", "-1", "1.5", "1e3", "", "0x10"]) {
    assertThrows(() => wholeNumber("port", text, 0, 65535), UsageError, `got "${text}"`);
  }
});

Deno.test("oneOf names the choices", () => {
  assertEquals(oneOf("protocol", "tls", ["tcp", "tls"]), "tls");
  assertThrows(() => oneOf("protocol", "ws", ["tcp", "tls"]), UsageError, "one of tcp, tls");
});

Deno.test("converted names the flag whose text can't be read", () => {
  const read = () => {
    throw new RangeError("no");
  };
  assertThrows(() => converted("death-timeout", "x", read), UsageError, "--death-timeout: no");
});
