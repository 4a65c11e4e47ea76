/**
 * What the types promise. It is checked by the compiler: a line that should not compile, and does, fails
 * `deno check` by its `@ts-expect-error`.
 */

import { assertEquals } from "@std/assert";
import {
  asCompleted,
  type Client,
  type Future,
  type Key,
  remoteModule,
  type Resolved,
  type Submitter,
  wait,
} from "../../mod.ts";

/** Compiles if and only if the types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;

function sameType<A, B>(same: Same<A, B>): void {
  assertEquals<boolean>(same, true);
}

const add = (a: number, b: number) => a + b;
const total = (xs: number[]) => xs.reduce(add, 0);
const greet = (o: { name: string; n?: number }) => Promise.resolve(`hi ${o.name}`);

class Point {
  constructor(readonly x: number) {}
  norm(): number {
    return this.x;
  }
}

async function _submits(client: Client): Promise<void> {
  const a = client.submit(add, 1, 2);
  const b = client.submit(add, a, 2);
  const _t: Future<number> = client.submit(total, [a, b, 3]);
  const g: Future<string> = client.submit(greet, { name: "x", n: a });
  const _optional: Future<number> = client.submit((x: number, _y?: string) => x, a);
  const _generic: Future<unknown> = client.submit(<T>(x: T) => x, 3);
  const _with: Future<number> = client.with({ priority: 5, retries: 2, workers: ["w"], pure: false }).submit(
    add,
    a,
    b,
  );
  const _submitter: Submitter = client;
  const _key: Key = a.key;
  // @ts-expect-error a wrong argument
  client.submit(add, "1", 2);
  // @ts-expect-error a Future of another type
  client.submit(add, g, 2);
  // @ts-expect-error too few arguments
  client.submit(add, 1);
  // @ts-expect-error too many arguments
  client.submit(add, 1, 2, 3);
  // @ts-expect-error a wrong property deep inside
  client.submit(greet, { name: 1 });
  // @ts-expect-error an option that does not exist
  client.with({ timeout: "1s" });
  // @ts-expect-error a key that is only a string
  const _plain: Key = "x";
  // @ts-expect-error not thenable
  a.then(() => {});
  await Promise.resolve();
}

function _nests(client: Client): void {
  const a = client.submit(add, 1, 2);
  const _map = client.submit((m: Map<string, number>) => m.size, new Map([["a", a]]));
  const _nested = client.submit((o: { m: number[][] }) => o.m.length, { m: [[a, 1], [a]] });
  const _instance = client.submit((p: Point) => p.norm(), client.submit(() => new Point(3)));
  const _fn = client.submit((f: (x: number) => number) => f(1), (x: number) => x);
}

async function _maps(client: Client): Promise<void> {
  const a = client.submit(add, 1, 2);
  const m: Future<number>[] = client.map(add, [1, 2, a], [a, 1, 2]);
  const _texts: Future<string>[] = client.map(greet, [{ name: "x" }, { name: "y", n: a }]);
  // @ts-expect-error an iterable of something else
  client.map(add, [1], ["x"]);
  for await (const future of asCompleted(m)) {
    const _v: number = await future.result();
  }
  const { done, notDone } = await wait(m, { returnWhen: "first-completed", timeout: "30s" });
  const _all: Future<number>[] = [...done, ...notDone];
}

async function _gathers(client: Client): Promise<void> {
  const a = client.submit(add, 1, 2);
  const g = client.submit(greet, { name: "x" });
  const _pair: [number, string] = await client.gather([a, g]);
  const _object: { x: number; y: string[] } = await client.gather({ x: a, y: [g, g] });
  const _list: number[] = await client.gather(client.map(add, [1], [2]));
  // @ts-expect-error the values have other types
  const _wrong: [string, string] = await client.gather([a, g]);
}

async function _scatters(client: Client): Promise<void> {
  const s: Future<Uint8Array> = await client.scatter(new Uint8Array(3), { broadcast: true });
  const _size: Future<number> = client.submit((bytes: Uint8Array) => bytes.length, s);
  // @ts-expect-error a number of workers, not a text
  await client.scatter(1, { broadcast: "all" });
}

function _imports(client: Client): void {
  const tasks = remoteModule<typeof import("../../testing/fixtures/tasks.ts")>("file:///tasks.ts");
  const _norm: Future<number> = client.submit(tasks.norm, 3);
  const _later: Future<string> = client.submit(tasks.later, "x");
  // @ts-expect-error a wrong argument
  client.submit(tasks.norm, "3");
  // @ts-expect-error no function
  void tasks.number;
}

Deno.test("Resolved replaces Futures by their values, at any depth", () => {
  sameType<Resolved<Future<number>>, number>(true);
  sameType<Resolved<readonly [Future<number>, "x"]>, [number, "x"]>(true);
  sameType<Resolved<{ readonly a: Future<string>[] }>, { a: string[] }>(true);
  sameType<Resolved<Map<string, Future<Date>>>, Map<string, Date>>(true);
  sameType<Resolved<Uint8Array<ArrayBuffer>>, Uint8Array<ArrayBuffer>>(true);
});
