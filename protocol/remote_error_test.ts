import { assert, assertEquals } from "@std/assert";
import { decodeMessage, encodeMessage } from "./message.ts";
import { decodePickle, PyGlobal, PyObject } from "./pickle.ts";
import { encodePickle } from "./pickle_encode.ts";
import {
  decodeError,
  encodeError,
  errorMessage,
  errorReply,
  exceptionText,
  tracebackText,
} from "./remote_error.ts";
import { Serialized } from "./serialized.ts";
import { bytesPayload, serializeValue } from "./values.ts";

Deno.test("decodeError gives name, message, stack and causes of what encodeError was given", () => {
  const error = new RangeError("outer", { cause: new TypeError("inner", { cause: "text" }) });
  const { payload } = decodeMessage(encodeMessage({ payload: encodeError(error) })) as {
    readonly payload: unknown;
  };
  assert(payload instanceof Serialized);
  assertEquals(decodeError(payload), {
    name: "RangeError",
    message: "outer",
    stack: error.stack ?? "",
    cause: {
      name: "TypeError",
      message: "inner",
      stack: (error.cause as Error).stack ?? "",
      cause: { name: "Error", message: "text" },
    },
  });
});

Deno.test("encodeError writes one of Python's builtins with the text, and what it was as an attribute", () => {
  const classOf = (error: unknown): string => {
    const exception = decodePickle(encodeError(error).frames[0] ?? new Uint8Array());
    assert(exception instanceof PyObject && exception.callable instanceof PyGlobal);
    assert(exception.state instanceof Map && exception.state.has("javascript"));
    return `${exception.callable.path}(${exception.args.join()})`;
  };
  class QuotaError extends Error {
    override readonly name = "QuotaError";
  }
  assertEquals(classOf(new RangeError("a")), "builtins.ValueError(RangeError: a)");
  assertEquals(classOf(new TypeError("b")), "builtins.TypeError(b)");
  assertEquals(classOf(new QuotaError("c")), "builtins.RuntimeError(QuotaError: c)");
  assertEquals(classOf("thrown text"), "builtins.RuntimeError(Error: thrown text)");
});

Deno.test("encodeError takes whatever may be thrown", () => {
  const hostile = Object.defineProperty({}, "message", {
    get() {
      throw new Error("no");
    },
  });
  const cycle = new Error("cycle");
  cycle.cause = cycle;
  const thrown = [
    undefined,
    null,
    5,
    3n,
    Symbol("s"),
    () => 1,
    {},
    hostile,
    cycle,
    Object.create(null),
    "\ud800",
  ];
  for (const value of thrown) assertEquals(typeof decodeError(encodeError(value)).message, "string");
  assertEquals(decodeError(encodeError(undefined)), { name: "Error", message: "undefined" });
  let causes = 0;
  for (let info = decodeError(encodeError(cycle)); info.cause !== undefined; info = info.cause) causes++;
  assertEquals(causes, 8);
});

Deno.test("encodeError cuts long messages", () => {
  const { message } = decodeError(encodeError(new Error("x".repeat(50_000))));
  assertEquals(message, `${"x".repeat(10_000)}… (40000 characters more)`);
});

Deno.test("decodeError reads exceptions of Python's without running anything", () => {
  const python = (callable: unknown, ...args: unknown[]): unknown =>
    bytesPayload(encodePickle(new PyObject(callable, args)));
  const killed = new PyGlobal("distributed.scheduler", "KilledWorker");
  assertEquals(decodeError(python(new PyGlobal("builtins", "ValueError"), "boom")), {
    name: "ValueError",
    message: "boom",
    python: true,
  });
  assertEquals(decodeError(python(killed, "x-1", null, 3)).name, "KilledWorker");
  assert(decodeError(python(killed, "x-1", null, 3)).message.includes("'x-1'"));
  assertEquals(decodeError(python(new PyGlobal("builtins", "KeyError"), "it's")).message, "'it\\'s'");
  assertEquals(decodeError(python(new PyGlobal("m", "E"))).message, "");
  assertEquals(decodeError(python(new PyGlobal("m", "E"), 1, null, true)).message, "(1, None, True)");
  const evil = new PyObject(new PyGlobal("os", "system"), ["touch somewhere"]);
  assertEquals(decodeError(bytesPayload(encodePickle(evil))).name, "system");
});

Deno.test("decodeError describes what it can't read, and never throws", () => {
  const unreadable = [
    bytesPayload(Uint8Array.of(1, 2, 3)),
    new Serialized({ serializer: "pickle" }, []),
    Uint8Array.of(0x2e),
  ];
  for (const payload of unreadable) {
    assert(decodeError(payload).message.startsWith("The remote error can't be read"));
  }
  assertEquals(decodeError(null), { name: "Error", message: "Unknown error" });
  assertEquals(decodeError("text"), { name: "Error", message: "text" });
  assertEquals(decodeError(serializeValue("text")), { name: "Error", message: "text" });
});

Deno.test("errorReply has the fields of Dask's error_message", () => {
  const reply = errorReply(new RangeError("too far"));
  assertEquals(Object.keys(reply), ["status", "exception", "traceback", "exception_text", "traceback_text"]);
  assertEquals([reply["status"], reply["exception_text"]], ["uncaught-error", 'RangeError("too far")']);
  assertEquals(decodeError(reply["exception"]).name, "RangeError");
  assertEquals(errorReply(1, "error")["status"], "error");
});

Deno.test("errorMessage, exceptionText and tracebackText tell of an error and its causes", () => {
  const error = new TypeError("a", { cause: new Error("b") });
  assertEquals(errorMessage(error), "TypeError: a");
  assertEquals(errorMessage(new Error("")), "Error");
  assertEquals(exceptionText(error), 'TypeError("a")');
  assert(/^TypeError: a\n[^]*\nCaused by: Error: b\n/.test(tracebackText(error)), tracebackText(error));
});
