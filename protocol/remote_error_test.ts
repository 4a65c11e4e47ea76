import { assert, assertEquals } from "@std/assert";
import { decodeMessage, encodeMessage } from "./message.ts";
import { decodePickle, PyGlobal, PyObject, PyTuple } from "./pickle.ts";
import { encodePickle } from "./pickle_encode.ts";
import {
  decodeError,
  encodeError,
  errorInfo,
  errorMessage,
  errorReply,
  exceptionText,
  tracebackText,
} from "./remote_error.ts";
import { Pickled, Serialized } from "./serialized.ts";
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

Deno.test("encodeError picks the class of Python's that is nearest", () => {
  const pythonClass = {
    PermissionError: "PermissionError",
    RangeError: "ValueError",
    ReferenceError: "NameError",
    SyntaxError: "SyntaxError",
    TypeError: "TypeError",
    EvalError: "RuntimeError",
    toString: "RuntimeError",
  };
  for (const [name, expected] of Object.entries(pythonClass)) {
    const exception = decodePickle(encodeError({ name, message: "m" }).frames[0] ?? new Uint8Array());
    assert(exception instanceof PyObject && exception.callable instanceof PyGlobal);
    assertEquals(exception.callable.path, `builtins.${expected}`);
    assertEquals(exception.args, [name === expected ? "m" : `${name}: m`]);
  }
});

Deno.test("errorInfo makes do with what a thrown object has, and cuts what is long", () => {
  assertEquals(errorInfo({ name: "", message: 5, stack: 5 }), { name: "Error", message: "[object Object]" });
  assertEquals(errorInfo({ name: 5, message: "m" }), { name: "Error", message: "m" });
  const mute = { toString: () => JSON.parse("{") };
  assertEquals(errorInfo(mute), { name: "Error", message: "a thrown object" });
  assertEquals(errorInfo({ name: "n".repeat(200), message: "" }).name, "n".repeat(200));
  assertEquals(
    errorInfo({ name: "n".repeat(201), message: "" }).name,
    `${"n".repeat(200)}… (1 characters more)`,
  );
  assertEquals(errorInfo({ message: "m".repeat(10_000) }).message, "m".repeat(10_000));
  assertEquals(errorInfo({ stack: "s".repeat(20_001) }).stack, `${"s".repeat(20_000)}… (1 characters more)`);
  const halved = `${"m".repeat(9_999)}\u{1f600}`; // the cut goes through a pair of surrogates
  assertEquals(errorInfo({ message: halved }).message, `${"m".repeat(9_999)}\ufffd… (1 characters more)`);
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

Deno.test("decodeError says what Python's str() says of an exception", () => {
  const str = (name: string, ...args: unknown[]): string =>
    decodeError(encodePickle(new PyObject(new PyGlobal("builtins", name), args))).message;
  assertEquals(str("ValueError"), "");
  assertEquals(str("ValueError", "text"), "text");
  assertEquals(str("ValueError", 5), "5");
  assertEquals(str("KeyError", "k"), "'k'");
  assertEquals(str("OSError", 2, "No such file"), "[Errno 2] No such file");
  assertEquals(str("OSError", 2, "No such file", "/a"), "[Errno 2] No such file: '/a'");
  assertEquals(str("OSError", 2, "a", "b", "c"), "(2, 'a', 'b', 'c')");
  assertEquals(str("ValueError", "2", "text"), "('2', 'text')");
  assertEquals(str("ValueError", 2, 3), "(2, 3)");
  assertEquals(
    str("KilledWorker", "x-1", null, 3),
    "Attempted to run task 'x-1' several times, but all workers died while running it",
  );
});

Deno.test("decodeError writes arguments as Python's repr() does, as far as it goes", () => {
  const cases: readonly (readonly [unknown, string])[] = [
    [null, "None"],
    [true, "True"],
    [false, "False"],
    [1.5, "1.5"],
    [10n ** 20n, "100000000000000000000"],
    ["a\\b'c", "'a\\\\b\\'c'"],
    [[], "[]"],
    [[1, ["a"]], "[1, ['a']]"],
    [new PyTuple([]), "()"],
    [new PyTuple([1]), "(1,)"],
    [new PyTuple([1, 2]), "(1, 2)"],
    [new Uint8Array(3), "3 bytes"],
    [new PyGlobal("m", "C"), "<m.C>"],
    [new Map(), "<object>"],
    [[[[[1]]]], "[[[…]]]"],
    [new Array(20).fill(0), `[${"0, ".repeat(19)}0]`],
    [new Array(21).fill(0), `[${"0, ".repeat(20)}…]`],
  ];
  for (const [value, text] of cases) {
    const exception = new PyObject(new PyGlobal("m", "E"), [0, 0, 0, 0, value]);
    assertEquals(decodeError(encodePickle(exception)).message, `(0, 0, 0, 0, ${text})`);
  }
});

Deno.test("decodeError reads exceptions as tblib pickles them, with their causes", () => {
  const cause = new PyObject(new PyGlobal("builtins", "KeyError"), ["k"]);
  const args = new PyTuple(["boom"]);
  const calls = [
    ["tblib.pickling_support", "unpickle_exception", args],
    ["distributed._tblib_compat", "unpickle_exception", args],
    ["tblib.pickling_support", "unpickle_exception_with_attrs", new Map([["args", args]])],
  ] as const;
  for (const [module, name, second] of calls) {
    const call = new PyObject(new PyGlobal(module, name), [
      new PyGlobal("builtins", "ValueError"),
      second,
      cause,
    ]);
    assertEquals(decodeError(encodePickle(call)), {
      name: "ValueError",
      message: "boom",
      python: true,
      cause: { name: "KeyError", message: "'k'", python: true },
    });
  }
  const bare = new PyObject(new PyGlobal("tblib.pickling_support", "unpickle_exception"), [
    new PyGlobal("builtins", "ValueError"),
    "no tuple",
    null,
  ]);
  assertEquals(decodeError(encodePickle(bare)), { name: "ValueError", message: "", python: true });
});

Deno.test("decodeError names classes that a pickle makes by a call, and others Exception", () => {
  const nameOf = (callable: unknown): string => decodeError(encodePickle(new PyObject(callable, ["m"]))).name;
  const maker = new PyGlobal("cloudpickle", "_make_skeleton_class");
  assertEquals(nameOf(new PyObject(maker, [5, "NotebookError", "other"])), "NotebookError");
  assertEquals(nameOf(new PyObject(maker, [5])), "Exception");
  assertEquals(nameOf(5), "Exception");
});

Deno.test("decodeError follows at most eight causes", () => {
  const depthOf = (payload: unknown): number => {
    let depth = 0;
    for (let { cause } = decodeError(payload); cause !== undefined; { cause } = cause) depth++;
    return depth;
  };
  const unpickle = new PyGlobal("tblib.pickling_support", "unpickle_exception");
  let python = new PyObject(new PyGlobal("builtins", "ValueError"), ["innermost"]);
  let ours = new Map<string, unknown>([["name", "E"], ["message", "innermost"]]);
  for (let i = 0; i < 12; i++) {
    python = new PyObject(unpickle, [new PyGlobal("builtins", "ValueError"), new PyTuple([i]), python]);
    ours = new Map<string, unknown>([["name", "E"], ["message", "m"], ["cause", ours]]);
  }
  const exception = new PyObject(new PyGlobal("builtins", "RuntimeError"), [], { javascript: ours });
  assertEquals([depthOf(encodePickle(python)), depthOf(encodePickle(exception))], [8, 8]);
});

Deno.test("decodeError reads pickles of all kinds, wherever they stand", () => {
  const boom = { name: "ValueError", message: "boom", python: true };
  const pickle = encodePickle(new PyObject(new PyGlobal("builtins", "ValueError"), ["boom"]));
  assertEquals(decodeError(pickle), boom);
  assertEquals(decodeError(new Pickled({ "pickled-obj": pickle }, [])), boom);
  assertEquals(decodeError(new Serialized({ serializer: "pickle" }, [pickle])), boom);
  const outOfBand = Uint8Array.of(0x80, 5, 0x97, 0x2e); // the first buffer
  assertEquals(decodeError(new Pickled({ "pickled-obj": outOfBand }, [pickle])), boom);
  assertEquals(decodeError(new Serialized({ serializer: "pickle" }, [outOfBand, pickle])), boom);
  let wrapped = pickle;
  for (let i = 0; i < 8; i++) wrapped = encodePickle(wrapped);
  assertEquals(decodeError(wrapped), boom);
  assertEquals(decodeError(encodePickle(wrapped)), { name: "object", message: "", python: true });
  assertEquals(decodeError(encodePickle("text")), { name: "Error", message: "text", python: true });
  assertEquals(decodeError(encodePickle(new PyGlobal("m", "C"))), { name: "m.C", message: "", python: true });
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
  assertEquals(decodeError(undefined), { name: "Error", message: "Unknown error" });
  assertEquals(decodeError(5), { name: "Error", message: "5" });
  assertEquals(decodeError(new Pickled({}, [])), { name: "Error", message: "[object Object]" });
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
  assertEquals(tracebackText("thrown"), "Error: thrown");
  assert(/^TypeError: a\n[^]*\nCaused by: Error: b\n/.test(tracebackText(error)), tracebackText(error));
});
