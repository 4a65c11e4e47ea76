/**
 * Whole clusters inside a test: real links, real threads, states validated after every stimulus.
 *
 * @module
 */

import { Client, Scheduler, Security, type TlsRole, Worker, type WorkerOptions } from "../../mod.ts";

/** A running cluster. Disposing it closes everything. */
export interface TestCluster extends AsyncDisposable {
  /** Certificates of all roles; absent on `tcp`, and where each has its own. */
  readonly security: Security | undefined;
  /** The scheduler. */
  readonly scheduler: Scheduler;
  /** Its workers, in order of their names `w0`, `w1`, … */
  readonly workers: Worker[];
  /** A client of it. */
  readonly client: Client;
  /** One more client. */
  connect(): Promise<Client>;
  /** One more worker. */
  addWorker(options?: WorkerOptions): Promise<Worker>;
}

/** How a cluster is started. */
export interface TestClusterOptions {
  /** Number of workers at the start. @default {2} */
  readonly nWorkers?: number;
  /** Threads of each. @default {1} */
  readonly nthreads?: number;
  /** Scheme of all links. @default {"tls"} */
  readonly protocol?: "tcp" | "tls";
  /** What a role has. Default: one record of `Security.temporary` for all. */
  readonly securityOf?: (role: TlsRole) => Promise<Security>;
}

/** Starts a scheduler, `nWorkers` workers of one thread each, and a client on loopback. */
export async function startCluster(options: TestClusterOptions = {}): Promise<TestCluster> {
  const { nWorkers = 2, nthreads = 1, protocol = "tls", securityOf } = options;
  await using cleanup = new AsyncDisposableStack();
  const stack = cleanup.use(new AsyncDisposableStack());
  const security = protocol === "tls" && securityOf === undefined ? await Security.temporary() : undefined;
  const secured = async (role: TlsRole) => {
    const record = security ?? await securityOf?.(role);
    return record === undefined ? {} : { security: record };
  };
  const scheduler = stack.use(
    await Scheduler.start({
      host: "127.0.0.1",
      port: 0,
      protocol,
      validate: true,
      ...await secured("scheduler"),
    }),
  );
  const workers: Worker[] = [];
  const addWorker = async (given: WorkerOptions = {}) => {
    const name = `w${workers.length}`;
    const worker = stack.use(
      await Worker.start(scheduler.address, {
        name,
        nthreads,
        validate: true,
        ...await secured("worker"),
        ...given,
      }),
    );
    workers.push(worker);
    return worker;
  };
  for (let i = 0; i < nWorkers; i++) await addWorker();
  const connect = async () => stack.use(await Client.connect(scheduler.address, await secured("client")));
  const client = await connect();
  await client.waitForWorkers(nWorkers);
  cleanup.move();
  return {
    security,
    scheduler,
    workers,
    client,
    connect,
    addWorker,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
