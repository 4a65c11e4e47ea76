/**
 * A worker of a simulated cluster: the real one, on a virtual platform and with virtual threads, and what
 * happens to it.
 *
 * @module
 */

import type { Address } from "../../messages/common.ts";
import { MemoryStore } from "../../worker/memory/memory_store.ts";
import type { WorkerState } from "../../worker/state/worker_state.ts";
import { WorkerShell } from "../../worker/shell.ts";
import type { Role } from "./role.ts";
import { SCHEDULER_ADDRESS } from "./scheduler_member.ts";
import type { Setting } from "./setting.ts";
import { VirtualExecutor } from "./virtual_executor.ts";
import { check } from "./world.ts";

/** How a worker is made. */
export interface WorkerMemberOptions {
  /** Its machine. */
  readonly host: string;
  /** Where it listens there. */
  readonly port: number;
  /** Unique in the cluster, if it is taken. */
  readonly name: string;
  /** Threads. */
  readonly nthreads: number;
  /** How many times slower than others it is. */
  readonly slowness: number;
  /** It can't be reached any more. */
  readonly onGone: (member: WorkerMember) => void;
}

/** One worker, from its start to its end. */
export class WorkerMember {
  /** Contact address. */
  readonly address: Address;
  /** What it runs on. */
  readonly role: Role;
  /** Results. */
  readonly store: MemoryStore = new MemoryStore();
  /** Whether the network, or its machine, did something to it. */
  isTroubled = false;
  /** Whether it was told to pause. */
  isPaused = false;
  readonly #setting: Setting;
  readonly #options: WorkerMemberOptions;
  #state: WorkerState | undefined;
  #executor: VirtualExecutor | undefined;
  #worker: WorkerShell | undefined;
  #isGone = false;
  #isLeaving = false;

  /** Starts. */
  constructor(setting: Setting, options: WorkerMemberOptions) {
    this.#setting = setting;
    this.#options = options;
    this.address = `tcp://${options.host}:${options.port}` as Address;
    this.role = setting.makeRole("worker", options.host);
    setting.world.note(`${this.role.name} starts at ${this.address} with ${options.nthreads} threads`);
    this.#start().catch((error) => setting.world.fail(error));
  }

  /** Whether the scheduler may have known it. */
  get wasMember(): boolean {
    return this.#worker !== undefined || this.isTroubled;
  }

  /** Whether it has registered, and does not leave. */
  get isRunning(): boolean {
    return this.#worker !== undefined && !this.#isGone && !this.#isLeaving;
  }

  /** The machine. */
  get state(): WorkerState {
    check(this.#state !== undefined, () => `${this.role.name} has no machine yet`);
    return this.#state;
  }

  /** The threads. */
  get executor(): VirtualExecutor {
    check(this.#executor !== undefined, () => `${this.role.name} has no threads yet`);
    return this.#executor;
  }

  async #start(): Promise<void> {
    const { config, world, catalogue } = this.#setting;
    const { host, port, name, nthreads, slowness } = this.#options;
    const { role } = this;
    try {
      this.#worker = await WorkerShell.start(
        SCHEDULER_ADDRESS,
        { host, port, name, nthreads, protocol: "tcp", config },
        {
          platform: role.platform,
          store: this.store,
          makeState: (options) => this.#makeState(options),
          startExecutor: ({ onOutcomes }) => {
            const options = { role, nthreads, slowness, onOutcomes };
            this.#executor = new VirtualExecutor(world, catalogue, options);
            return Promise.resolve(this.#executor);
          },
          usage: () => ({ memory: 0, cpuSeconds: 0 }),
        },
      );
    } catch (error) {
      world.note(`${role.name} does not start: ${String(error)}`);
      return this.#end();
    }
    world.note(`${role.name} is a member`);
    await this.#worker.finished;
    this.#end();
  }

  #makeState(options: ConstructorParameters<typeof WorkerState>[0]): WorkerState {
    const { parts, profile, world } = this.#setting;
    const state = parts.makeWorker({
      ...options,
      validate: true,
      transferIncomingBytesLimit: profile.transferIncomingBytesLimit,
      transitionCounterMax: 1_000_000,
    });
    const handle = state.handle.bind(state);
    state.handle = (stimuli, now) => {
      world.whenQuiet(() => this.#checkStore());
      return handle(stimuli, now);
    };
    this.#state = state;
    return state;
  }

  #end(): void {
    this.#gone("ended");
    this.#setting.world.whenQuiet(() => this.role.checkEnded());
  }

  #gone(how: string): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#setting.world.note(`${this.role.name} ${how}`);
    this.#options.onGone(this);
  }

  /** Dies, with all it holds; with its machine, nobody is told. */
  crash(isMachineGone: boolean): void {
    this.isTroubled = true;
    this.#setting.network.drop(this.role, isMachineGone);
    this.role.kill(isMachineGone);
    this.#gone(isMachineGone ? "dies with its machine" : "dies");
  }

  /** One of its links breaks, or goes dead without anybody being told. */
  breakLink(isMute: boolean): void {
    const { random } = this.#setting.world;
    if (this.role.comms.size === 0) return;
    const comm = random.pick([...this.role.comms]);
    this.isTroubled = true;
    if (isMute) comm.goMute();
    else comm.cut();
  }

  /** Ends as its operator wants; gracefully: others take its results first. */
  leave(isGraceful: boolean): void {
    const worker = this.#worker;
    if (worker === undefined || !this.isRunning) return;
    this.#isLeaving = true;
    this.#setting.world.note(`${this.role.name} leaves${isGraceful ? " gracefully" : ""}`);
    const ends = isGraceful ? WorkerShell.closeGracefully([worker]) : worker.close();
    ends.catch((error) => this.#setting.world.fail(error));
  }

  /** The scheduler, as it seems, tells it to begin nothing new, or to go on. */
  order(status: "paused" | "running"): void {
    const stream = [...this.role.comms].find((comm) => comm.isStream && comm.peerRole.kind === "scheduler");
    if (stream === undefined) return;
    this.isPaused = status === "paused";
    const command = { op: "worker-status-change", status, stimulus_id: "ordered" };
    stream.other.write([command]).catch(() => {});
  }

  #checkStore(): void {
    if (this.#isGone) return;
    let count = 0;
    for (const [key] of this.state.data()) {
      count++;
      check(this.store.has(key), () => {
        return `${this.address} takes "${key}" for stored, and it is not`;
      });
    }
    check(count === this.store.size, () => {
      const extra = [...this.store.keys()].filter((key) => !this.state.hasData(key));
      return `${this.address} stores ${extra.join(", ")} and does not know`;
    });
  }
}
