/**
 * One run: a cluster to which things happen, then peace, then nothing. `runSimulation(seed)` is all of it.
 *
 * @module
 */

import { addressHost } from "../../comm/address.ts";
import { setLogLevel } from "../../config/logging.ts";
import type { ClientReport, ClientStreamMessage, GraphAnnotations } from "../../messages/client_scheduler.ts";
import { type Address, isRecord, type Key } from "../../messages/common.ts";
import type { WorkerStreamMessage } from "../../messages/worker_scheduler.ts";
import { checkAgreement, checkNothingIsLeft, type Cluster, describePending } from "./checks.ts";
import { type Observer, RandomFaults } from "./faults.ts";
import { configOf, makeProfile, type Profile } from "./profile.ts";
import { type Handle, Program } from "./program.ts";
import { Role } from "./role.ts";
import { SchedulerMember } from "./scheduler_member.ts";
import { Parts, type Setting } from "./setting.ts";
import type { VirtualComm } from "./virtual_comm.ts";
import { VirtualNetwork } from "./virtual_network.ts";
import { WorkerMember } from "./worker_member.ts";
import { Catalogue } from "./workload.ts";
import { check, SimulationFailure, World } from "./world.ts";

/** Machines for workers; each has one when peace comes, so that every restriction can be met. */
const HOSTS = 4;
/** Ports of each. */
const PORTS = 3;
/** Virtual seconds after the last fault, within which all must end. */
const PATIENCE = 120;
/** Virtual seconds in which what is under way arrives. */
const CALM = 2.5;
/** Virtual seconds after which ends of links have been noticed. */
const NOTICED = 1.5;
/** Lines of the record in a report. */
const LINES_SHOWN = 40;

/** What to run. */
export interface SimulationOptions {
  /** Decides everything. */
  readonly seed: number;
  /** Things that happen before peace. Default 40. */
  readonly steps?: number | undefined;
  /** Machines, and what they run on. Default: the real ones. */
  readonly parts?: Parts;
  /** Takes the lines of a recording of all that happens to the scheduler, for `deno task replay`. */
  readonly onRecord?: ((line: string) => void) | undefined;
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
 * @throws {SimulationFailure} If something was wrong, with the command that shows it again and the last of
 * the record.
 */
export async function runSimulation(options: SimulationOptions): Promise<SimulationReport> {
  const simulation = new Simulation(options);
  try {
    return await simulation.run();
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

/** Values that a worker was given. */
interface Gift {
  readonly worker: Address;
  readonly keys: readonly Key[];
  /** Where it was given them; null once the giver knows that they were taken. */
  comm: VirtualComm | null;
  /** Whether the worker had registered: else they were meant for another one at its address. */
  readonly wasMember: boolean;
}

/** Keeps roles from logging, which in a run that goes as it should is about faults that were made. */
function quiet(): Disposable {
  setLogLevel("distributed", "critical");
  setLogLevel("distributed.client", "critical");
  return {
    [Symbol.dispose]: () => {
      setLogLevel("distributed", "info");
      setLogLevel("distributed.client", "warning");
    },
  };
}

/** A cluster, and what happens to it. */
export class Simulation {
  readonly #setting: Setting;
  readonly #faults: RandomFaults;
  readonly #scheduler: SchedulerMember;
  readonly #steps: number;
  readonly #workers: Map<Address, WorkerMember> = new Map();
  #programs: Program[] = [];
  /** Programs that close. */
  #leaving: Program[] = [];
  readonly #members: Map<Role, WorkerMember | Program> = new Map();
  /** Values that workers were given. */
  readonly #given: Gift[] = [];
  #roles = 0;
  #workerCount = 0;

  /** A cluster that has not started. */
  constructor({ seed, steps = 40, parts = new Parts(), profile, onRecord }: SimulationOptions) {
    const world = new World(seed);
    const mixed = { ...makeProfile(world.random), ...profile };
    this.#steps = steps;
    this.#faults = new RandomFaults(world, mixed, parts);
    this.#faults.observer = this.#observer();
    const network = new VirtualNetwork(this.#faults);
    this.#setting = {
      world,
      network,
      catalogue: new Catalogue(world.random, mixed.failureShare),
      profile: mixed,
      config: configOf(mixed),
      parts,
      onRecord,
      makeRole: (kind, host) => {
        const number = ++this.#roles;
        return new Role(
          world,
          network,
          kind,
          number,
          kind === "scheduler" ? "S" : `${kind[0]}${number}`,
          host,
        );
      },
      forced: new Set(),
      scattered: new Map(),
      deaths: 0,
      isPeaceful: false,
    };
    this.#scheduler = new SchedulerMember(this.#setting, (address) => {
      this.#onBlamed(address);
    });
  }

  /** The record so far. */
  get lines(): readonly string[] {
    return this.#setting.world.lines;
  }

  /** Runs all of it. */
  async run(): Promise<SimulationReport> {
    const { world } = this.#setting;
    const onUnhandled = (event: PromiseRejectionEvent) => {
      event.preventDefault();
      world.fail(event.reason);
    };
    const onError = (event: ErrorEvent) => {
      event.preventDefault();
      world.fail(event.error);
    };
    globalThis.addEventListener("unhandledrejection", onUnhandled);
    globalThis.addEventListener("error", onError);
    try {
      using _quiet = quiet();
      using _bugs = this.#setting.parts.plant();
      await this.#live();
      await this.#end();
    } finally {
      globalThis.removeEventListener("unhandledrejection", onUnhandled);
      globalThis.removeEventListener("error", onError);
    }
    return {
      digest: world.digest,
      events: world.events,
      transitions: this.#scheduler.state.transitionCount,
    };
  }

  async #live(): Promise<void> {
    const { world } = this.#setting;
    world.note(JSON.stringify(this.#setting.profile));
    await this.#scheduler.start();
    for (let host = 0; host < 2 + world.random.below(2); host++) this.#addWorker(host);
    this.#addProgram();
    for (let step = 0; step < this.#steps; step++) {
      await this.#passTime(world.random.chance(0.3) ? 0 : world.delay(0.01));
      this.#act();
    }
    await this.#makePeace();
    await this.#passUntil(() => this.#isSettled());
    for (const program of this.#programs) for (const handle of program.handles) program.fetch(handle);
    await this.#passUntil(() => this.#isSettled());
    await this.#passTime(CALM);
    check(this.#isSettled(), () => `Not all stays ended: ${this.#describePending()}`);
    checkAgreement(this.#cluster());
    for (const program of this.#programs) program.release(program.handles);
    await this.#passTime(CALM);
    checkNothingIsLeft(this.#cluster());
  }

  /** Everybody goes: in order, or because the scheduler dies. */
  async #end(): Promise<void> {
    const { random } = this.#setting.world;
    this.#setting.isPeaceful = false; // nobody comes back
    if (random.chance(0.3)) return await this.#endByCrash(random.chance(0.3));
    await this.#closePrograms();
    await this.#passUntil(() => this.#scheduler.machine.clients.size === 0);
    let isClosed = false;
    this.#scheduler.close().then(() => isClosed = true, (error) => this.#setting.world.fail(error));
    await this.#passUntil(() => isClosed && this.#workers.size === 0);
    this.#scheduler.role.checkEnded();
  }

  /** Without a scheduler, workers end by themselves; programs are told, and close. */
  async #endByCrash(isMachineGone: boolean): Promise<void> {
    this.#scheduler.crash(isMachineGone);
    await this.#passUntil(() => this.#workers.size === 0 && this.#programs.every(({ isLost }) => isLost));
    await this.#closePrograms();
  }

  async #closePrograms(): Promise<void> {
    for (const program of this.#programs) this.#closeProgram(program);
    await this.#passUntil(() => this.#leaving.every((program) => program.isGone));
  }

  #cluster(): Cluster {
    return {
      scheduler: this.#scheduler,
      workers: this.#workers,
      programs: this.#programs,
      orphans: (worker, key) => this.#isOrphan(worker, key),
    };
  }

  async #passTime(seconds: number): Promise<void> {
    const { world } = this.#setting;
    let isOver = false;
    world.schedule(seconds, () => isOver = true);
    while (!isOver) await world.step();
  }

  async #passUntil(isEnough: () => boolean): Promise<void> {
    const { world } = this.#setting;
    const until = world.now + PATIENCE;
    while (!isEnough()) {
      check(world.now < until && await world.step(), () => {
        return `It does not come to an end: ${this.#describePending()}`;
      });
    }
  }

  #describePending(): string {
    const starting = [...this.#workers.values()].filter((worker) => !worker.isRunning);
    const others = [
      ...this.#programs.filter((program) => !program.isOpen).map(({ role }) =>
        `${role.name} is not connected`
      ),
      ...this.#leaving.filter((program) => !program.isGone).map(({ role }) => `${role.name} closes`),
      ...starting.map(({ role }) => `${role.name} starts or leaves`),
    ];
    return [describePending(this.#scheduler, this.#programs), ...others].filter(Boolean).join("; ");
  }

  #isSettled(): boolean {
    for (const program of this.#programs) {
      program.checkConnected();
      if (!program.isOpen || program.pending > 0) return false;
      for (const { state } of program.handles) if (!state.ended) return false;
    }
    for (const worker of this.#workers.values()) if (!worker.isRunning) return false;
    return this.#leaving.every((program) => program.isGone);
  }

  #act(): void {
    const { world, profile } = this.#setting;
    const { churn, pauses, clientLosses, linkFaults } = profile;
    const dice = world.random.next() * (1 + churn + pauses + clientLosses + linkFaults);
    if (dice < 1) this.#actOfProgram();
    else if (dice < 1 + churn) this.#churn();
    else if (dice < 1 + churn + pauses) this.#pauseOrRetire();
    else if (dice < 1 + churn + pauses + clientLosses) this.#changePrograms();
    else this.#breakLink();
  }

  #actOfProgram(): void {
    const { random } = this.#setting.world;
    const program = this.#programs.length === 0 ? this.#addProgram() : random.pick(this.#programs);
    if (!program.isOpen) return;
    const some = program.handles.filter(() => random.chance(0.25));
    const dice = random.next() * (1 + this.#setting.profile.cancels * 0.3);
    if (dice < 0.4 || program.handles.length === 0) this.#submit(program);
    else if (dice < 0.55) this.#submitKnown(program);
    else if (dice < 0.6) program.scatter(random.chance(0.3));
    else if (dice < 0.8) this.#release(program, some);
    else if (dice < 0.9) { for (const handle of some) program.fetch(handle); }
    else if (dice < 1) program.retry(program.handles);
    else program.cancel(some.slice(0, 2), random.chance(this.#setting.profile.forced));
  }

  #submit(program: Program): void {
    const { world, catalogue } = this.#setting;
    const inputs = program.handles.map((handle) => handle.definition);
    const graph = catalogue.makeGraph(inputs);
    const isWhole = world.random.chance(0.6);
    const asked = graph
      .filter((one, i) => isWhole || i === graph.length - 1 || one.dependencies.length > 1)
      .filter((one) => program.canSubmit(one));
    world.note(`${program.role.name} submits ${asked.map((one) => `${one.key}:${one.kind}`).join(" ")}`);
    program.submit(asked, this.#annotations(), 0.2);
  }

  /** Lets futures go; now and then it asks for the same tasks at once. */
  #release(program: Program, handles: readonly Handle[]): void {
    const { random } = this.#setting.world;
    program.release(handles);
    if (!random.chance(0.3)) return;
    const again = new Set(handles.map((handle) => handle.definition));
    program.submit([...again].filter((one) => program.canSubmit(one)), this.#annotations(), 0.2);
  }

  #submitKnown(program: Program): void {
    const { world, catalogue } = this.#setting;
    const definition = catalogue.pick();
    if (definition === undefined) return;
    if (definition.kind === "data" && !this.#scheduler.machine.tasks.has(definition.key)) return;
    if (!program.canSubmit(definition) || world.random.chance(0.2)) {
      world.note(`${program.role.name} desires ${definition.key}`);
      return program.desire(definition);
    }
    world.note(`${program.role.name} submits again ${definition.key}`);
    program.submit([definition], this.#annotations(), 0.2);
  }

  #annotations(): GraphAnnotations {
    const { random } = this.#setting.world;
    if (random.chance(0.7)) return {};
    const workers = [`10.0.0.${random.below(HOSTS)}`];
    if (random.chance(0.5)) return { workers, allow_other_workers: random.chance(0.5) };
    return { priority: random.below(3), retries: random.below(3) };
  }

  #churn(): void {
    const { world } = this.#setting;
    const workers = [...this.#workers.values()];
    const dice = world.random.next();
    if (workers.length === 0 || dice < 0.5) {
      if (workers.length < 5) this.#addWorker(world.random.below(HOSTS));
      return;
    }
    const worker = world.random.pick(workers);
    if (dice < 0.7) this.#trouble(worker, () => worker.crash(world.random.chance(0.2)));
    else worker.leave(world.random.chance(0.4));
  }

  #breakLink(): void {
    const { random } = this.#setting.world;
    if (this.#workers.size === 0) return;
    const worker = random.pick([...this.#workers.values()]);
    this.#trouble(worker, () => worker.breakLink(random.chance(0.3)));
  }

  /** Whatever is done to a worker may end it in a way that the scheduler does not expect. */
  #trouble(worker: WorkerMember, what: () => void): void {
    worker.isTroubled = true;
    this.#setting.deaths++;
    what();
  }

  #pauseOrRetire(): void {
    const { random } = this.#setting.world;
    if (this.#workers.size === 0) return;
    const worker = random.pick([...this.#workers.values()]);
    const [program] = this.#programs;
    if (!random.chance(0.3)) worker.order(worker.isPaused ? "running" : "paused");
    else if (program?.isOpen === true) program.retireWorker(worker.address, random.chance(0.7));
  }

  #changePrograms(): void {
    const { random } = this.#setting.world;
    if (this.#programs.length === 0 || (this.#programs.length < 3 && random.chance(0.7))) {
      this.#addProgram();
      return;
    }
    const program = random.pick(this.#programs);
    if (!program.isOpen) return;
    const dice = random.next();
    if (dice < 0.2) program.crash(random.chance(0.3));
    else if (dice < 0.5) program.breakLinks(random.chance(0.3));
    this.#closeProgram(program, dice < 0.5 ? NOTICED : 0);
  }

  #closeProgram(program: Program, seconds = 0): void {
    this.#programs = this.#programs.filter((one) => one !== program);
    this.#leaving.push(program);
    this.#setting.world.schedule(seconds, () => program.close());
  }

  #addProgram(): Program {
    const program = new Program(this.#setting, this.#scheduler, `10.2.0.${this.#roles}`);
    this.#members.set(program.role, program);
    this.#programs.push(program);
    return program;
  }

  #addWorker(host: number): void {
    const { world } = this.#setting;
    const port = this.#setting.isPeaceful ? 2000 + this.#workerCount : 1000 + world.random.below(PORTS);
    const address = `tcp://10.0.0.${host}:${port}` as Address;
    // News of a value that a worker was given may arrive when another one has its address: not made up here.
    if (this.#workers.has(address) || this.#given.some(({ worker }) => worker === address)) return;
    this.#workerCount++;
    const member = new WorkerMember(this.#setting, {
      host: `10.0.0.${host}`,
      port,
      name: world.random.chance(0.5) ? address : `worker-${this.#workerCount}`,
      nthreads: 1 + world.random.below(3),
      slowness: world.random.chance(0.2) ? 20 : 1,
      onGone: (gone) => {
        if (this.#workers.get(address) === gone) this.#workers.delete(address);
        if (this.#setting.isPeaceful) world.schedule(1, () => this.#addWorker(host));
      },
    });
    this.#workers.set(address, member);
    this.#members.set(member.role, member);
  }

  #onBlamed(address: Address): void {
    this.#setting.world.note(`S takes ${address} for dead`);
    const member = [...this.#members.values()].findLast((one) => {
      return one instanceof WorkerMember && one.wasMember && one.address === address;
    });
    const isFaultless = member instanceof WorkerMember && !member.isTroubled;
    this.#setting.world.whenQuiet(() => {
      check(!isFaultless, () => `S takes ${address} for dead, and nothing happened to it`);
    });
  }

  /**
   * Whether a worker may keep a value that the scheduler was never told of: who gave it did not know that it
   * did.
   */
  #isOrphan(worker: Address, key: Key): boolean {
    const owner = this.#setting.scattered.get(key);
    if (owner === undefined) return false;
    if (!this.#programs.some(({ id }) => id === owner)) return true;
    return this.#given.some((gift) => {
      return gift.worker === worker && gift.keys.includes(key) && (gift.comm !== null || !gift.wasMember);
    });
  }

  #observer(): Observer {
    return {
      sent: (from, _to, batch) => {
        const member = this.#members.get(from);
        if (member instanceof Program) member.onSent(batch as readonly ClientStreamMessage[]);
      },
      arrived: (from, to, batch) => {
        const member = this.#members.get(to);
        if (member instanceof Program) return member.onReports(batch as readonly ClientReport[]);
        const sender = this.#members.get(from);
        if (!(sender instanceof WorkerMember)) return;
        this.#scheduler.checkRuns(sender.address, batch as readonly WorkerStreamMessage[]);
      },
      asked: (at, message) => this.#onAsked(at, message),
    };
  }

  #onAsked(at: VirtualComm, message: unknown): void {
    const request = isRecord(message) ? message : {};
    const { op, data } = request as { op?: unknown; data?: unknown };
    if (op !== "update_data" && op !== "scatter") {
      for (const one of this.#given) if (one.comm === at.other) one.comm = null;
      return;
    }
    const keys = Object.keys(isRecord(data) ? data : {}) as Key[];
    const asker = this.#members.get(at.peerRole);
    if (asker instanceof Program) {
      for (const key of keys) this.#setting.scattered.set(key, asker.id);
      asker.onScatter(keys);
    }
    const member = this.#members.get(at.role);
    if (!(member instanceof WorkerMember)) return;
    this.#given.push({ worker: member.address, keys, comm: at, wasMember: member.isRunning });
  }

  /** What made workers pause is over. */
  #endPauses(): void {
    if (!this.#setting.isPeaceful) return;
    for (const worker of this.#workers.values()) {
      const { status } = this.#scheduler.machine.workers.get(worker.address) ?? {};
      if (worker.isRunning && status === "paused") worker.order("running");
    }
    this.#setting.world.schedule(0.5, () => this.#endPauses());
  }

  /** No more faults, and somebody on every machine. */
  async #makePeace(): Promise<void> {
    await this.#passTime(NOTICED); // links that were cut end, so that addresses are free
    this.#setting.isPeaceful = this.#faults.isPeaceful = true;
    this.#setting.world.note("peace");
    this.#endPauses();
    for (let host = 0; host < HOSTS; host++) {
      const name = `10.0.0.${host}`;
      const isThere = () => [...this.#workers.keys()].some((one) => addressHost(one) === name);
      for (let tries = 0; tries < 10 && !isThere(); tries++) this.#addWorker(host);
    }
    if (this.#programs.length === 0) this.#addProgram();
  }
}
