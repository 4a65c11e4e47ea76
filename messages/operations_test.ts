import { assert, assertEquals, assertMatch, assertStrictEquals, assertThrows } from "@std/assert";
import { loadVectors } from "../testing/vectors.ts";
import { CLIENT_REPORTS, CLIENT_STREAM } from "./client_scheduler.ts";
import { isText, listOf, mapOf, MessageError, type RawMessage } from "./common.ts";
import {
  expecting,
  isLacking,
  lacking,
  mayUse,
  named,
  nothing,
  OBSERVE,
  type OperationTable,
  plain,
  STREAM_END,
  streamParser,
  type StreamTable,
  SUBMIT,
  unchecked,
  untyped,
} from "./operations.ts";
import { SCHEDULER_OPERATIONS } from "./scheduler_operations.ts";
import { WORKER_OPERATIONS } from "./worker_operations.ts";
import { WORKER_COMMANDS, WORKER_STREAM } from "./worker_scheduler.ts";

const REQUESTS: Readonly<Record<string, OperationTable>> = { SCHEDULER_OPERATIONS, WORKER_OPERATIONS };
const STREAMS: Readonly<Record<string, StreamTable>> = {
  CLIENT_STREAM,
  CLIENT_REPORTS,
  WORKER_STREAM,
  WORKER_COMMANDS,
};
const SIZES = ["small", "question", "large", "counted", "stream"];

for (const [name, table] of Object.entries(REQUESTS)) {
  Deno.test(`${name}: each row has a name, access, a size and both parsers, or is marked as lacking`, () => {
    for (const [op, row] of Object.entries(table)) {
      assertEquals(row.op, op);
      assert(row.access.client !== undefined || (row.access.roles?.length ?? 0) > 0, op);
      if (isLacking(row)) continue;
      assert(SIZES.includes(row.answer), op);
      assertEquals([typeof row.request, typeof row.reply], ["function", "function"], op);
      // Who asks for a stream waits for it to begin, and reads no error reply.
      assertEquals(row.refusal !== undefined, row.answer === "stream", op);
      if (row.isConfirmed !== undefined) assertEquals(row.answer, "counted", op);
    }
  });
}

for (const [name, table] of Object.entries(STREAMS)) {
  Deno.test(`${name}: each row has a name, access and a parser, or is marked as lacking; one ends the stream`, () => {
    for (const [op, row] of Object.entries(table)) {
      assertEquals(row.op, op);
      assert(row.access.client !== undefined || (row.access.roles?.length ?? 0) > 0, op);
      if (!isLacking(row)) assertEquals(typeof row.parse, "function", op);
    }
    const end = table[STREAM_END];
    assert(end !== undefined && !isLacking(end));
  });
}

/** Which tables have what Dask's roles take, by kind. */
const DASK: readonly (readonly [role: string, kind: string, tables: readonly object[]])[] = [
  ["scheduler", "rpc", [SCHEDULER_OPERATIONS]],
  ["worker", "rpc", [WORKER_OPERATIONS]],
  ["scheduler", "stream", [CLIENT_STREAM, WORKER_STREAM]],
  ["worker", "stream", [WORKER_COMMANDS]],
  ["client", "stream", [CLIENT_REPORTS]],
];

for (const [role, kind, tables] of DASK) {
  Deno.test(`Tables have a row for everything that Dask's ${role} takes: ${kind}`, () => {
    const ops = loadVectors("ops").filter((one) => one["role"] === role && one["kind"] === kind);
    assert(ops.length > 0);
    const missing = ops.filter(({ op }) => !tables.some((table) => Object.hasOwn(table, String(op))));
    assertEquals(missing.map(({ op }) => op), []);
    const known = new Set(ops.map(({ op }) => op));
    for (const row of tables.flatMap((table) => Object.values(table) as OperationTable[string][])) {
      // What is refused in the form of another role is no operation of this one in Dask either.
      if (isLacking(row) && row.refusal === undefined) assert(known.has(row.op), `${row.op} is not Dask's`);
    }
  });
}

Deno.test("named gives each row the name that it stands under", () => {
  const table = named({ a: { access: OBSERVE, parse: unchecked }, ...lacking(["b", "c"]) });
  assertEquals([table.a.op, table.b.op, table.c.op], ["a", "b", "c"]);
  assertEquals([table.a, table.b].map((row) => isLacking(row)), [false, true]);
});

Deno.test("mayUse compares a client's level, and a role's name", () => {
  const watcher = { role: "client", access: "observe" } as const;
  assertEquals([mayUse(OBSERVE, watcher), mayUse(SUBMIT, watcher)], [true, false]);
  const worker = { role: "worker", access: "administer" } as const;
  assertEquals([mayUse(OBSERVE, worker), mayUse({ roles: ["worker"] }, worker)], [false, true]);
  assertEquals(mayUse({ roles: ["worker"] }, watcher), false);
});

Deno.test("streamParser reads by the row of the operation, and leaves others to its caller", () => {
  const rows = named({
    known: { access: OBSERVE, parse: ({ x }: RawMessage) => ({ x }) },
    ...lacking(["missing"]),
  });
  const parse = streamParser(rows, (op) => op);
  assertEquals(parse({ op: "known", x: 1, y: 2 }), { x: 1 });
  for (const op of ["missing", "other", "toString"]) assertEquals(parse({ op }), op);
  assertEquals([parse({}), parse({ op: 5 })], ["undefined", "5"]);
});

Deno.test("Parsers of replies say what was expected", () => {
  const parse = expecting("a list of texts", listOf(isText));
  const reply = ["a"];
  assertStrictEquals(parse(reply), reply);
  for (const wrong of [null, "a", [1], { 0: "a" }]) {
    assertThrows(() => parse(wrong), MessageError, "it must be a list of texts");
  }
  assertEquals(nothing(), null);
});

Deno.test("mapOf looks at all values of a map as the decoder makes it", () => {
  const isTexts = mapOf(isText);
  assertEquals([{}, { a: "x" }, Object.create(null)].map(isTexts), [true, true, true]);
  const wrong = [null, [], new Map([["a", "x"]]), { a: "x", b: 1 }, "text"];
  assertEquals(wrong.map(isTexts), wrong.map(() => false));
});

Deno.test("plain and untyped read any request", () => {
  assertEquals(plain("ping")(), { op: "ping" });
  const row = untyped("anything");
  const message = { op: "anything", x: 1 };
  assertStrictEquals(row.request(message), message);
  assertStrictEquals(row.reply(message), message);
  assertMatch(row.op, /anything/);
});
