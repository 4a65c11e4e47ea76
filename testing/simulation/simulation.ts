/**
 * One run: a cluster to which things happen, then peace, then nothing. `runSimulation(seed)` is all of it.
 *
 * @module
 */

import type { GraphAnnotations } from "../../messages/client_scheduler.ts";
import type { Address } from "../../messages/common.ts";
import { checkAgreement, checkNothingIsLeft, type Cluster, describePending } from "./checks.ts";
import { ClientNode } from "./client_node.ts";
import { SchedulerNode } from "./scheduler_node.ts";
import { makeProfile, Parts, type Profile, type Setting } from "./setting.ts";
import { WorkerNode } from "./worker_node.ts";
import { Catalogue, packValue } from "./workload.ts";
import { check, SimulationFailure, World } from "./world.ts";

/** Hosts of workers; each has one when peace comes, so that every restriction can be met. */
const HOSTS = 4;
/** Ports of each host. */
const PORTS = 4;
/** Virtual seconds after the last fault, within which all must end. */
const PATIENCE = 120;
/** Virtual seconds in which what is under way arrives. */
const CALM = 8;
/** Lines of the record in a report. */
const LINES_SHOWN = 40;

/** What to run. */
export interface SimulationOptions {
  /** Decides everything. */
  readonly seed: number;
  /** Things that happen before peace. Default 40. */
  readonly steps?: number | undefined;
  /** Machines and network. Default: the real ones. */
  readonly parts?: Parts;
  /** Changes to the profile that the seed makes. */
  readonly profile?: Partial<Profile>;
}

/** What a run was. */
export interface SimulationReport {
  /** Hash of all that happened. */
  readonly digest: string;
  /** Events that happened. */
  readonly events: number;
  /** Transitions of the scheduler. */
  readonly transitions: number;
}

/**
 * Runs a seed.
 *
 * @throws {SimulationFailure} If something was wrong, with the command that shows it again and the last of the record.
 */
export function runSimulation(options: SimulationOptions): SimulationReport {
  const simulation = new Simulation(options);
  try {
    return simulation.run();
  } catch (cause) {
    const { seed, steps } = options;
    const again = `deno task simulate --seed ${seed} --runs 1${
      steps === undefined ? "" : ` --steps ${steps}`
    }`;
    const lines = simulation.lines.slice(-LINES_SHOWN).join("\n");
    const what = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    throw new SimulationFailure(`Seed ${seed} fails: ${what}\nAgain: ${again}\nLast events:\n${lines}`, {
      cause,
    });
  }
}

/** A cluster, and what happens to it. */
export class Simulation {
  readonly #setting: Omit<Setting, "peers"> & { readonly peers: Map<Address, WorkerNode> };
  /** The scheduler, for whoever wants to know how it came. */
  readonly scheduler: SchedulerNode;
  readonly #steps: number;
  #clients: ClientNode[] = [];
  /** Workers that clients gave values. What is said of one may arrive when another has its address: not made up here. */
  readonly #dataHosts: Set<Address> = new Set();
  #clientCount = 0;
  #workerCount = 0;

  /** A cluster of a scheduler, a client and two workers. */
  constructor({ seed, steps = 40, parts = new Parts(), profile }: SimulationOptions) {
    const world = new World(seed);
    const mixed = { ...makeProfile(world.random), ...profile };
    this.#steps = steps;
    this.#setting = {
      world,
      catalogue: new Catalogue(world.random, mixed.failureShare),
      profile: mixed,
      parts,
      peers: new Map(),
      forced: new Set(),
      scattered: new Map(),
      losses: 0,
      deaths: 0,
      isPeaceful: false,
    };
    this.scheduler = new SchedulerNode(this.#setting);
    this.#addWorker(0);
    this.#addWorker(1);
    this.#addClient();
  }

  /** The record so far. */
  get lines(): readonly string[] {
    return this.#setting.world.lines;
  }

  /** Runs all of it. */
  run(): SimulationReport {
    const { world } = this.#setting;
    world.note(JSON.stringify(this.#setting.profile));
    for (let step = 0; step < this.#steps; step++) {
      this.#passTime(world.random.chance(0.3) ? 0 : world.delay(0.01));
      this.#act();
    }
    this.#makePeace();
    this.#passUntil(() => this.#isSettled(), () => describePending(this.scheduler, this.#clients));
    for (const client of this.#clients) for (const handle of client.handles) client.fetch(handle);
    this.#passUntil(() => this.#isSettled(), () => describePending(this.scheduler, this.#clients));
    this.#passTime(CALM);
    check(this.#isSettled(), () => `Not all stays ended: ${describePending(this.scheduler, this.#clients)}`);
    checkAgreement(this.#cluster());
    for (const client of this.#clients) client.release(client.handles);
    this.#passTime(CALM);
    checkNothingIsLeft(this.#cluster());
    return { digest: world.digest, events: world.events, transitions: this.scheduler.state.transitionCount };
  }

  #cluster(): Cluster {
    const { peers, scattered } = this.#setting;
    return { scheduler: this.scheduler, workers: peers, clients: this.#clients, scattered };
  }

  #passTime(seconds: number): void {
    const { world } = this.#setting;
    let isOver = false;
    world.schedule(seconds, () => isOver = true);
    while (!isOver) world.step();
  }

  #passUntil(isEnough: () => boolean, describe: () => string): void {
    const { world } = this.#setting;
    const until = world.now + PATIENCE;
    while (!isEnough()) {
      check(world.now < until && world.step(), () => `It does not come to an end: ${describe()}`);
    }
  }

  #isSettled(): boolean {
    for (const client of this.#clients) {
      if (client.fetches > 0) return false;
      for (const { state } of client.handles) if (!state.ended) return false;
    }
    return true;
  }

  #act(): void {
    const { world, profile } = this.#setting;
    const dice = world.random.next() * (1 + profile.churn + profile.pauses + profile.clientLosses);
    if (dice < 1) this.#actOfClient();
    else if (dice < 1 + profile.churn) this.#churn();
    else if (dice < 1 + profile.churn + profile.pauses) this.#pauseOrRetire();
    else this.#changeClients();
  }

  #actOfClient(): void {
    const { random } = this.#setting.world;
    const client = this.#clients.length === 0 ? this.#addClient() : random.pick(this.#clients);
    const some = client.handles.filter(() => random.chance(0.25));
    const dice = random.next() * (1 + this.#setting.profile.cancels * 0.3);
    if (dice < 0.4 || client.handles.length === 0) this.#submit(client);
    else if (dice < 0.55) this.#submitKnown(client);
    else if (dice < 0.6) this.#scatter(client);
    else if (dice < 0.8) client.release(some);
    else if (dice < 0.9) { for (const handle of some) client.fetch(handle); }
    else if (dice < 1) client.retry(client.handles);
    else client.cancel(some.slice(0, 2), random.chance(this.#setting.profile.forced));
  }

  #submit(client: ClientNode): void {
    const { world, catalogue } = this.#setting;
    const inputs = client.handles.map((handle) => handle.definition);
    const graph = catalogue.makeGraph(inputs);
    const isWhole = world.random.chance(0.6);
    const asked = graph
      .filter((one, i) => isWhole || i === graph.length - 1 || one.dependencies.length > 1)
      .filter((one) => client.canSubmit(one));
    world.note(`${client.id} submits ${asked.map((one) => `${one.key}:${one.kind}`).join(" ")}`);
    client.submit(asked, this.#annotations(), 0.2);
  }

  #submitKnown(client: ClientNode): void {
    const { world, catalogue } = this.#setting;
    const definition = catalogue.pick();
    if (definition === undefined) return;
    if (definition.kind === "data" && !this.scheduler.state.tasks.has(definition.key)) return;
    if (!client.canSubmit(definition) || world.random.chance(0.2)) {
      world.note(`${client.id} desires ${definition.key}`);
      return client.desire(definition);
    }
    world.note(`${client.id} submits again ${definition.key}`);
    client.submit([definition], this.#annotations(), 0.2);
  }

  #annotations(): GraphAnnotations {
    const { random } = this.#setting.world;
    if (random.chance(0.7)) return {};
    const workers = [`10.0.0.${random.below(HOSTS)}`];
    if (random.chance(0.5)) return { workers, allow_other_workers: random.chance(0.5) };
    return { priority: random.below(3), retries: random.below(3) };
  }

  #scatter(client: ClientNode): void {
    const { catalogue, peers } = this.#setting;
    const definition = catalogue.makeData();
    const value = packValue(catalogue.expected(definition), definition.nbytes);
    const { random } = this.#setting.world;
    client.scatter(definition, value, (key, payload) => {
      const worker = peers.size === 0 ? undefined : random.pick([...peers.values()]);
      if (worker === undefined) return undefined;
      this.#setting.scattered.set(key, client.id);
      this.#dataHosts.add(worker.address);
      return worker.takeData(key, payload) ? worker.address : undefined;
    });
  }

  #churn(): void {
    const { world, peers } = this.#setting;
    const workers = [...peers.values()];
    const dice = world.random.next();
    if (workers.length === 0 || dice < 0.5) {
      if (workers.length < 5) this.#addWorker(world.random.below(HOSTS));
      return;
    }
    const worker = world.random.pick(workers);
    if (dice < 0.65) worker.crash();
    else if (dice < 0.8) worker.cutLink();
    else if (dice < 0.95) worker.leave();
    else this.scheduler.removeWorker(worker.address, { expected: false });
  }

  #pauseOrRetire(): void {
    const { world, peers } = this.#setting;
    if (peers.size === 0) return;
    const worker = world.random.pick([...peers.values()]);
    if (world.random.chance(0.2)) this.scheduler.retireWorker(worker.address);
    else worker.setPaused(!worker.isPaused);
  }

  #changeClients(): void {
    const { random } = this.#setting.world;
    if (this.#clients.length === 0 || (this.#clients.length < 3 && random.chance(0.7))) {
      this.#addClient();
      return;
    }
    const client = random.pick(this.#clients);
    if (random.chance(0.5)) client.cutLink();
    else client.close();
    this.#clients = this.#clients.filter((one) => one !== client);
  }

  #addClient(): ClientNode {
    const client = new ClientNode(this.#setting, this.scheduler, `c${this.#clientCount++}`);
    this.#clients.push(client);
    return client;
  }

  #addWorker(host: number): void {
    const { world, peers } = this.#setting;
    const port = this.#setting.isPeaceful ? 2000 + this.#workerCount : 1000 + world.random.below(PORTS);
    const address = `tls://10.0.0.${host}:${port}` as Address;
    if (peers.has(address) || this.#dataHosts.has(address)) return;
    const node = new WorkerNode(this.#setting, this.scheduler, {
      address,
      nthreads: 1 + world.random.below(3),
      slowness: world.random.chance(0.2) ? 20 : 1,
      onGone: (gone) => {
        if (peers.get(address) === gone) peers.delete(address);
        if (this.#setting.isPeaceful) world.schedule(1, () => this.#addWorker(host));
      },
    });
    peers.set(address, node);
    this.#workerCount++;
    node.register(world.random.chance(0.5) ? address : `worker-${this.#workerCount}`);
  }

  /** No more faults, and somebody on every host. */
  #makePeace(): void {
    const { world, peers } = this.#setting;
    this.#passTime(1); // links that were cut end, so that addresses are free
    this.#setting.isPeaceful = true;
    world.note("peace");
    for (let host = 0; host < HOSTS; host++) {
      const prefix = `tls://10.0.0.${host}:`;
      for (let tries = 0; tries < 10 && ![...peers.keys()].some((one) => one.startsWith(prefix)); tries++) {
        this.#addWorker(host);
      }
    }
  }
}
