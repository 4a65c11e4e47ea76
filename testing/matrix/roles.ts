/**
 * Our roles at the ends of the matrix's links: the public classes, started as a program would, and what they
 * tell their user.
 *
 * A link to a worker has a cluster around it that the case is not about, on `inproc://`, so that the odd
 * credentials are used on the one link only. Its scheduler believes that the other end is one of its workers
 * and holds a result, since somebody registered with that end's address.
 *
 * @module
 */

import { connect } from "../../comm/connect.ts";
import { SCHEDULER_OPERATIONS } from "../../messages/scheduler_operations.ts";
import { messageOf } from "../../internal/errors.ts";
import { call } from "../../rpc/call.ts";
import { isRecord } from "../../messages/common.ts";
import type { LinkFacts } from "../../messages/facts.ts";
import { Client, type Future, Scheduler, type Security, Worker } from "../../mod.ts";
import type { Serialized } from "../../protocol/serialized.ts";
import { deserializeValue } from "../../protocol/values.ts";
import { SecurityError } from "../../security/material/errors.ts";
import { tapLog } from "../logs.ts";
import { taskFinished } from "../scheduler_simulation.ts";
import { registration, VALUE_LENGTH } from "./speech.ts";

/** Who can be at an end. */
export type Role = "client" | "scheduler" | "worker";

/** A role does not start with its credentials. */
export class NotStarted extends Error {}

/** A role that listens. */
export interface ListeningRole extends AsyncDisposable {
  /** Where. */
  readonly port: number;
  /** TLS version of a link that came in; nothing if none is there. */
  version(): string | undefined;
}

/** A role that dialled. */
export interface DiallingRole extends AsyncDisposable {
  /** TLS version of its link. */
  readonly version: string;
}

const LOOPBACK = "127.0.0.1";

/** What is looked for in the log, and who wants the line. */
const watched = new Map<string, (text: string) => void>();

/** Has the lines of the roles' logs looked at, until this is disposed. */
export function watchLog(): Disposable {
  return tapLog((line) => {
    for (const [part, take] of watched) if (line.includes(part)) take(line);
  });
}

/** Tells `take` what the log says behind `part`, which ends with a colon, until it is disposed. */
function watch(part: string, take: (text: string) => void): Disposable {
  watched.set(part, (line) => take(line.slice(line.indexOf(part) + part.length)));
  return { [Symbol.dispose]: () => void watched.delete(part) };
}

/** What becomes of a start: the credentials are looked at before anything is dialled. */
async function started<T>(starting: Promise<T>): Promise<T> {
  try {
    return await starting;
  } catch (error) {
    throw error instanceof SecurityError ? new NotStarted(error.message) : error;
  }
}

/** Starts a role that listens; `onRefused` gets the reasons for which, by its log, it refused peers. */
export async function listenAs(
  role: Role,
  security: Security,
  key: string,
  onRefused: (reason: string) => void,
): Promise<ListeningRole> {
  await using stack = new AsyncDisposableStack();
  const served = role === "scheduler"
    ? stack.use(await started(Scheduler.start({ host: LOOPBACK, port: 0, security })))
    : await listeningWorker(stack, security, key);
  stack.use(watch(` on ${served.address}: `, onRefused));
  const kept = stack.move();
  return {
    port: portOf(served.address),
    version: () => served.links().find(({ dialled }) => !dialled)?.tls?.protocol,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** A worker that holds a value. */
async function listeningWorker(
  stack: AsyncDisposableStack,
  security: Security,
  key: string,
): Promise<Worker> {
  const scheduler = stack.use(await Scheduler.start({ protocol: "inproc" }));
  const worker = stack.use(await started(startWorker(scheduler.address, security)));
  const client = stack.use(await Client.connect(scheduler.address));
  const error = await stack.use(valueOn(client, key, worker.address)).exception();
  if (error !== undefined) throw error;
  return worker;
}

/** Dials as `role`, and has a message from the other end. */
export async function dialAs(
  role: Role,
  whom: Role,
  security: Security,
  port: number,
  key: string,
): Promise<DiallingRole> {
  await using stack = new AsyncDisposableStack();
  const address = `tls://${LOOPBACK}:${port}`;
  const links = await (whom === "worker" ? fetchFrom : registerWith)(role, { stack, security, address, key });
  const kept = stack.move();
  return {
    version: links.find(({ dialled, peer }) => dialled && peer === address)?.tls?.protocol ?? "none",
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

interface Dial {
  readonly stack: AsyncDisposableStack;
  readonly security: Security;
  readonly address: string;
  readonly key: string;
}

async function registerWith(role: Role, { stack, security, address }: Dial): Promise<LinkFacts[]> {
  if (role === "client") {
    const client = stack.use(await started(Client.connect(address, { security, timeout: "30s" })));
    return await client.links();
  }
  const worker = Worker.start(address, { nthreads: 1, host: LOOPBACK, security, deathTimeout: 30_000 });
  return stack.use(await started(worker)).links();
}

async function fetchFrom(role: Role, dial: Dial): Promise<LinkFacts[]> {
  const { stack, address } = dial;
  const refused = Promise.withResolvers<never>();
  refused.promise.catch(() => {});
  stack.use(watch(DETOURS[role](address), (text) => refused.reject(new Error(text))));
  const { length, links } = await FETCHES[role](dial, refused.promise);
  if (length !== VALUE_LENGTH) throw new Error(`the other end gave ${length} characters`);
  return links;
}

/** What stands before the reason in the log of a role that could not get a result. */
const DETOURS: Readonly<Record<Role, (address: string) => string>> = {
  client: (address) => `Cannot fetch from ${address}, asking the scheduler: `,
  worker: (address) => `Cannot get 1 results from ${address}: `,
  scheduler: (address) => `Cannot gather from ${address}: `,
};

/** How each role gets a result from a worker. All end as well when `refused` rejects. */
const FETCHES: Readonly<Record<Role, (dial: Dial, refused: Promise<never>) => Promise<Fetch>>> = {
  async client({ stack, security, address, key }, refused) {
    const scheduler = stack.use(await Scheduler.start({ protocol: "inproc" }));
    const client = stack.use(await started(Client.connect(scheduler.address, { security })));
    await startDouble(stack, scheduler, address);
    const value = stack.use(valueOn(client, key, address));
    const { length } = await Promise.race([value.result(), refused]);
    return { length, links: await client.links() };
  },
  async worker({ stack, security, address, key }, refused) {
    const scheduler = stack.use(await Scheduler.start({ protocol: "inproc" }));
    const worker = stack.use(await started(startWorker(scheduler.address, security)));
    await startDouble(stack, scheduler, address);
    const client = stack.use(await Client.connect(scheduler.address));
    const value = stack.use(valueOn(client, key, address));
    const counted = client.with({ key: `length-${key}`, workers: [worker.address] })
      .submit((text: string) => text.length, value);
    const length = await Promise.race([stack.use(counted).result(), refused]);
    return { length, links: worker.links() };
  },
  async scheduler({ stack, security, address, key }, refused) {
    const scheduler = stack.use(await started(Scheduler.start({ protocol: "inproc", security })));
    await startDouble(stack, scheduler, address);
    const client = stack.use(await Client.connect(scheduler.address));
    const value = stack.use(valueOn(client, key, address));
    await value.exception();
    // What a client asks that can't reach the worker.
    const comm = await connect(scheduler.address);
    stack.defer(() => comm.abort());
    const reply = await Promise.race([
      call(comm, SCHEDULER_OPERATIONS.gather, { keys: [value.key] }),
      refused,
    ]);
    if (reply.status !== "OK") return await refused;
    const { length } = String(deserializeValue(reply.data[value.key] as Serialized));
    return { length, links: scheduler.links() };
  },
};

interface Fetch {
  readonly length: number;
  readonly links: LinkFacts[];
}

function startWorker(scheduler: string, security: Security): Promise<Worker> {
  return Worker.start(scheduler, { nthreads: 1, protocol: "tls", host: LOOPBACK, security });
}

/**
 * Registers as a worker at the other end's address, and says of every task that it ran: so the scheduler
 * takes the other end for the holder of the result.
 */
async function startDouble(
  stack: AsyncDisposableStack,
  scheduler: Scheduler,
  address: string,
): Promise<void> {
  const comm = await connect(scheduler.address);
  stack.defer(() => comm.abort());
  await comm.write(registration("double", address));
  await comm.read();
  const run = async (): Promise<void> => {
    for (;;) {
      const messages = await comm.read();
      if (!Array.isArray(messages)) return;
      const tasks = messages.filter((message) => isRecord(message) && message["op"] === "compute-task");
      if (tasks.length > 0) {
        await comm.write(tasks.map(({ key, run_id }) => taskFinished(key, run_id, VALUE_LENGTH)));
      }
    }
  };
  run().catch(() => comm.abort());
}

/** A value on a worker, too big to come along with the news of it. */
function valueOn(client: Client, key: string, worker: string): Future<string> {
  return client.with({ key, workers: [worker] }).submit((length: number) => "v".repeat(length), VALUE_LENGTH);
}

function portOf(address: string): number {
  return Number(new URL(address.replace("tls:", "http:")).port);
}

/** What an end tells. */
export function told(error: unknown): { readonly start: string } | { readonly refused: string } {
  return error instanceof NotStarted ? { start: error.message } : { refused: messageOf(error) };
}
