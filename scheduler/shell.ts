/**
 * The scheduler's shell: a listener, the streams of clients and workers, and one timer. All state and
 * decisions are in `scheduler/state/`. The shell passes stimuli to the state machine, and sends, answers and
 * logs the effects.
 *
 * @module
 */

import { addressHost, formatAddress } from "../comm/address.ts";
import type { Comm, Listener } from "../comm/comm.ts";
import { CommClosed } from "../comm/errors.ts";
import { isLoopback, resolveAddress } from "../comm/host.ts";
import type { LinkOptions } from "../comm/link_options.ts";
import { PeerLog } from "../comm/peer_log.ts";
import { type Platform, systemPlatform } from "../comm/platform.ts";
import { linkOptions } from "../comm/secure.ts";
import { plainTextWarning } from "../comm/settings.ts";
import { announceConfig, currentConfig } from "../config/load.ts";
import { getLogger } from "../config/logging.ts";
import { assert } from "../internal/assert.ts";
import { Deadline } from "../internal/deadline.ts";
import { DistributedError, TimeoutError } from "../internal/errors.ts";
import { type ClientStreamMessage, parseClientStreamMessage } from "../messages/client_scheduler.ts";
import { type Address, type ClientId, type Key, MessageError } from "../messages/common.ts";
import type { LinkFacts, SchedulerIdentity } from "../messages/facts.ts";
import type {
  HeartbeatWorkerReply,
  RegisterClient,
  RegisterWorker,
  RegisterWorkerReply,
} from "../messages/membership.ts";
import type { Scatter } from "../messages/results.ts";
import { SCHEDULER_OPERATIONS } from "../messages/scheduler_operations.ts";
import { parseWorkerStreamMessage } from "../messages/worker_scheduler.ts";
import { FrameError } from "../protocol/frames.ts";
import { MsgpackError } from "../protocol/message.ts";
import { encodeError } from "../protocol/remote_error.ts";
import { BatchedSend } from "../rpc/batched.ts";
import { Backlogs } from "../rpc/fairness/backlog.ts";
import { accessGuard } from "../rpc/guard.ts";
import { serve } from "../rpc/handlers.ts";
import { linksOf } from "../rpc/links.ts";
import { ConnectionPool } from "../rpc/pool.ts";
import { Server } from "../rpc/server.ts";
import { handleStream, type StreamEnd } from "../rpc/stream.ts";
import { Credentials } from "../security/live/credentials.ts";
import type { Security } from "../security/security.ts";
import { checkSpeaksFor, contactRefusal, permitted } from "./access.ts";
import { logEvent } from "./event_log.ts";
import { checkFunctions } from "./functions.ts";
import { Gatherer } from "./gather.ts";
import { schedulerIdentity } from "./identity.ts";
import { schedulerOperations, type WorkersWanted } from "./operations.ts";
import { type SchedulerOptions, type SchedulerSettings, schedulerSettings } from "./options.ts";
import { type ClientPeer, Peers, type WorkerPeer } from "./peers.ts";
import { JournalFile, Recorder } from "./recorder.ts";
import { scatter } from "./scatter.ts";
import { SchedulerFile } from "./scheduler_file.ts";
import type { Answer, AnswerTo, Effects, SchedulerEvent } from "./state/effects.ts";
import type { SchedulerStateOptions } from "./state/machine.ts";
import { checkRetireOptions } from "./state/retire.ts";
import type { RetireOptions } from "./state/retirement.ts";
import { standardState } from "./standard_state.ts";
import type { SchedulerState } from "./state/scheduler_state.ts";
import type { Heartbeat, RemoveWorker, SchedulerStimulus } from "./state/stimulus.ts";
import type { WorkerFacts } from "./state/worker_state.ts";

const logger = getLogger("distributed.scheduler");
const peerLog = PeerLog.warnings(logger);

const UNKNOWN_ADDRESS =
  "The address above is for this machine only: its other addresses are not known without " +
  "--allow-sys=networkInterfaces. Add that, or name one by --host, if workers or clients run elsewhere";

/** Default port of schedulers. */
const DEFAULT_PORT = 8786;
/** Milliseconds that goodbyes to peers may take. */
const GOODBYE_MS = 2000;
/** Maximum seconds for which a request waits for workers. */
const WAIT_MAX = 3600;

/** Dependencies of a shell, replaced in tests and simulations. */
export interface SchedulerParts {
  /** Time, ids and links. Default: the real ones. */
  readonly platform?: Platform;
  /** Creates the machine. */
  readonly makeState?: (options: SchedulerStateOptions) => SchedulerState;
  /** Called with each line of a recording of all stimuli. */
  readonly onRecord?: (line: string) => void;
}

/** A stimulus that is answered, without the number of the answer. */
type Question<Op extends Answer["op"]> = Omit<
  Extract<SchedulerStimulus, { readonly op: Op; readonly ask: number }>,
  "ask"
>;

/** A caller that waits for an answer. */
type Waiting = PromiseWithResolvers<Answer>;

/** A running scheduler. */
export class SchedulerShell {
  /** `Scheduler-<uuid>`. */
  readonly id: string;
  /** Resolves when the scheduler has ended, by `close` or by itself; rejects if it failed. */
  readonly finished: Promise<void>;
  readonly #finish: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #platform: Platform;
  readonly #recorder: Recorder | undefined;
  readonly #state: SchedulerState;
  readonly #peers = new Peers();
  readonly #waiting = new Map<number, Waiting>();
  readonly #server: Server;
  readonly #pool: ConnectionPool;
  readonly #backlogs: Backlogs;
  readonly #gatherer: Gatherer;
  readonly #credentials: Credentials;
  readonly #links: LinkOptions;
  readonly #started: number;
  #listener: Listener | undefined;
  #file: SchedulerFile | undefined;
  #journal: JournalFile | undefined;
  #asks = 0;
  #scatterTurn = 0;
  #deadline: number | null = null;
  #cancelTimer: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  private constructor(settings: SchedulerSettings, links: LinkOptions, parts: SchedulerParts) {
    const {
      platform = systemPlatform,
      makeState = standardState,
    } = parts;
    const { clock } = platform;
    this.#platform = platform;
    this.id = `Scheduler-${platform.ids.uuid()}`;
    this.#started = clock.time();
    this.finished = this.#finish.promise;
    this.finished.catch(() => {}); // callers that wait for it see it
    this.#state = makeState({ ...settings.state, encodeError });
    this.#recorder = parts.onRecord === undefined ? undefined : new Recorder(settings.state, parts.onRecord);
    this.#links = links;
    this.#credentials = new Credentials(links.context);
    this.#backlogs = new Backlogs(settings.limits);
    this.#pool = new ConnectionPool({ ...links, expect: "worker", platform });
    this.#gatherer = new Gatherer({
      pool: this.#pool,
      holders: (keys) => this.#state.whoHas(keys),
      onLacking: (worker, keys) => void this.#handle([{ op: "lacking", worker, keys }]),
    }, platform);
    this.#server = new Server({
      name: "Scheduler",
      platform,
      limits: settings.limits,
      blockedHandlers: settings.blockedHandlers,
      access: accessGuard({ role: "scheduler", context: links.context }),
      operations: serve(SCHEDULER_OPERATIONS, this.#operations()),
    });
  }

  /** Same as `Scheduler.start`, with these dependencies. */
  static async start(options: SchedulerOptions, parts: SchedulerParts = {}): Promise<SchedulerShell> {
    const { security, host = "", port = DEFAULT_PORT, config = currentConfig(), schedulerFile } = options;
    announceConfig(config, "scheduler");
    if (schedulerFile !== undefined) SchedulerFile.check(schedulerFile);
    if (options.record !== undefined) JournalFile.check(options.record);
    const settings = schedulerSettings(options, config);
    const { protocol } = settings;
    const links = { ...await linkOptions(security, "scheduler", config), limits: settings.limits };
    const journal = options.record === undefined ? undefined : await JournalFile.open(options.record);
    const onRecord = journal === undefined ? parts.onRecord : (line: string) => journal.write(line);
    const shell = new SchedulerShell(settings, links, {
      ...parts,
      ...onRecord !== undefined && { onRecord },
    });
    shell.#journal = journal;
    try {
      const address = protocol === "inproc" ? "inproc://" : formatAddress(protocol, host, port);
      shell.#listener = await shell.#server.listen(address, links);
      if (schedulerFile !== undefined) {
        shell.#file = await SchedulerFile.write(schedulerFile, shell.identity());
      }
    } catch (error) {
      await shell.close();
      throw error;
    }
    shell.#announce(shell.#listener, protocol === "tcp" && settings.isProtocolAssumed);
    shell.#handle([{ op: "tick" }]);
    return shell;
  }

  #announce({ listenAddress }: Listener, isPlainByDefault: boolean): void {
    if (isPlainByDefault) logger.warning(plainTextWarning(listenAddress));
    logger.info(`State start`);
    logger.info(`  Scheduler at: ${this.address.padStart(26)}`);
    if (listenAddress === this.address) return;
    logger.info(`  Listening on: ${listenAddress.padStart(26)}`);
    if (isLoopback(addressHost(this.address))) logger.warning(UNKNOWN_ADDRESS);
  }

  #operations(): ReturnType<typeof schedulerOperations> {
    return schedulerOperations({
      state: this.#state,
      gather: (keys, signal) => this.#gatherer.gather(keys, signal),
      scatter: (request, signal) => this.#scatter(request, signal),
      updateData: (message) => this.#clientSays(message.client, [message]),
      retry: (keys) => this.#ask<"retry">({ op: "retry", keys }).keys,
      heartbeat: (heartbeat) => this.#heartbeat(heartbeat),
      removeWorker: (removal) => this.#removeWorker(removal),
      retire: (options, signal) => this.retireWorkers(options, signal),
      waitForWorkers: (wanted, signal) => this.#waitForWorkers(wanted, signal),
      identity: (nWorkers) => this.identity(nWorkers),
      links: () => this.links(),
      checkSpeaksFor: (comm, op, address) => this.#checkSpeaksFor(comm, op, address),
      serveClient: (request, comm) => this.#serveClient(request, comm),
      serveWorker: (request, comm) => this.#serveWorker(request, comm),
      time: () => this.#platform.clock.time(),
      closeSoon: () => this.#closeSoon(),
    });
  }

  /** Contact address, such as `tls://10.0.0.5:8786`. */
  get address(): Address {
    return this.#listener?.contactAddress ?? "" as Address;
  }

  /** Answer to `identity`: the scheduler and at most `nWorkers` workers; -1 for all. */
  identity(nWorkers = -1): SchedulerIdentity {
    return schedulerIdentity(this.#state, {
      id: this.id,
      address: this.address,
      started: this.#started,
      security: this.#credentials.facts(),
    }, nWorkers);
  }

  /** Open links. */
  links(): LinkFacts[] {
    return linksOf(this.#server.comms(), this.#pool.openComms);
  }

  /** See `Scheduler.retireWorkers`. */
  async retireWorkers(options: RetireOptions, signal?: AbortSignal): Promise<Record<Address, WorkerFacts>> {
    checkRetireOptions(options);
    const stimulusId = options.stimulusId ?? `retire-workers-${this.#platform.clock.time()}`;
    return (await this.#askLater<"retire">({ op: "retire", options, stimulusId }, signal)).workers;
  }

  /** See `Scheduler.reloadSecurity`. */
  reloadSecurity(security?: Security): Promise<void> {
    return this.#credentials.reload(security);
  }

  /** Tells clients and workers that the scheduler ends, then closes. Idempotent. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#cancelTimer?.();
    this.#file?.[Symbol.dispose]();
    if (this.#listener !== undefined) logger.info("Scheduler closing");
    await this.#listener?.close();
    using deadline = new Deadline(
      { timeout: GOODBYE_MS },
      () => new TimeoutError("Peers do not read"),
      this.#platform.clock,
    );
    await this.#peers.sayGoodbye(deadline.signal);
    await this.#server.close();
    for (const { reject } of this.#waiting.values()) reject(closingError());
    this.#waiting.clear();
    await this.#pool.close();
    await this.#credentials.close();
    this.#journal?.[Symbol.dispose]();
    this.#finish.resolve();
  }

  /** Closes the scheduler after the current answer was sent. */
  #closeSoon(): void {
    this.#platform.clock.timer(0, () => void this.close().catch(() => {}));
  }

  /** Handles a bug: closes the scheduler, because continuing could give wrong results. */
  #fail(error: unknown): void {
    logger.error(
      `Scheduler failed: ${error instanceof Error ? error.stack ?? error.message : String(error)}`,
    );
    this.#finish.reject(error);
    void this.close().catch(() => {});
  }

  /** Passes stimuli to the machine, and carries out the effects. */
  #handle(stimuli: readonly SchedulerStimulus[]): void {
    const effects = this.#decide(stimuli);
    if (effects !== undefined) this.#perform(effects);
  }

  /** Passes stimuli to the machine. Returns undefined if the scheduler is closing. */
  #decide(stimuli: readonly SchedulerStimulus[]): Effects | undefined {
    if (this.#closing !== undefined) return undefined;
    const now = this.#platform.clock.time();
    try {
      this.#recorder?.record(stimuli, now, this.#state);
      return this.#state.handle(stimuli, now);
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  #perform({ answers, toWorker, toClient, events, nextDeadline }: Effects): void {
    for (const [ask, answer] of answers) {
      this.#waiting.get(ask)?.resolve(answer);
      this.#waiting.delete(ask);
    }
    for (const [address, commands] of toWorker) this.#peers.tellWorker(address, commands);
    for (const [client, reports] of toClient) this.#peers.tellClient(client, reports);
    for (const event of events) this.#onEvent(event);
    this.#setTimer(nextDeadline);
  }

  #onEvent(event: SchedulerEvent): void {
    logEvent(event);
    if (event.event === "worker-removed") {
      this.#pool.remove(event.worker);
      this.#gatherer.forget(event.worker);
    } else if (event.event === "worker-silent") {
      this.#peers.workers.get(event.worker)?.stream.abort();
    } else if (event.event === "idle") {
      this.#closeSoon();
    }
  }

  #setTimer(deadline: number | null): void {
    if (deadline === this.#deadline) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#deadline = deadline;
    if (deadline === null || this.#closing !== undefined) return;
    const { clock } = this.#platform;
    this.#cancelTimer = clock.timer(Math.max((deadline - clock.time()) * 1000, 0), () => {
      this.#deadline = null;
      this.#handle([{ op: "tick" }]);
    });
  }

  /** Asks a question that the machine answers at once. */
  #ask<Op extends Answer["op"]>(question: Question<Op>): AnswerTo<Op> {
    const ask = this.#asks++;
    const effects = this.#decide([{ ...question, ask } as unknown as SchedulerStimulus]);
    if (effects === undefined) throw closingError();
    const answer = answerIn<Op>(effects, ask);
    this.#perform(effects);
    return answer;
  }

  /** Asks a question that the machine may answer later. Stops waiting when `signal` is aborted. */
  async #askLater<Op extends Answer["op"]>(
    question: Question<Op>,
    signal?: AbortSignal,
  ): Promise<AnswerTo<Op>> {
    if (this.#closing !== undefined) throw closingError();
    signal?.throwIfAborted();
    const ask = this.#asks++;
    const waiting: Waiting = Promise.withResolvers();
    this.#waiting.set(ask, waiting);
    const onAbort = () => {
      if (!this.#waiting.delete(ask)) return;
      this.#handle([{ op: "forget", ask }]);
      waiting.reject(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#handle([{ ...question, ask } as unknown as SchedulerStimulus]);
    try {
      return await waiting.promise as AnswerTo<Op>;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  async #serveClient({ client }: RegisterClient, comm: Comm): Promise<void> {
    const peer: ClientPeer = { comm, stream: new BatchedSend(comm, { backlogs: this.#backlogs }) };
    const ask = this.#asks++;
    const effects = this.#decide([{ op: "add-client", ask, client }]);
    if (effects === undefined) throw closingError();
    const { refusal } = answerIn<"add-client">(effects, ask);
    if (refusal !== undefined) {
      this.#perform(effects); // of what was due at the same time
      throw new MessageError(refusal);
    }
    this.#peers.clients.set(client, peer);
    try {
      peer.stream.send({ op: "stream-start", warning: "", error: "" });
      this.#perform(effects);
      const end = await handleStream(comm, (batch) => {
        const messages = permitted(
          batch.map(parseClientStreamMessage),
          comm,
          peer.stream,
          () => this.#credentials.countRefusal(),
        );
        checkFunctions(messages);
        if (this.#peers.clients.get(client) === peer) this.#clientSays(client, messages);
      });
      tellUnreadable(end, comm, `client ${client}`);
    } finally {
      if (this.#peers.clients.get(client) === peer) {
        this.#peers.clients.delete(client);
        this.#handle([{ op: "remove-client", client }]);
      }
      await peer.stream.close();
    }
  }

  #clientSays(client: ClientId, messages: readonly ClientStreamMessage[]): void {
    this.#handle([{ op: "client-messages", client, messages }]);
  }

  async #serveWorker(registration: RegisterWorker, comm: Comm): Promise<void> {
    const address = await resolveAddress(registration.address);
    const unfit = comm.peerInfo.javascript === undefined
      ? "this scheduler places tasks of TypeScript clients, which workers of Python can't run"
      : contactRefusal(address, comm, this.address, this.#links);
    if (unfit !== undefined) return await this.#refuseWorker(address, comm, unfit);
    const ask = this.#asks++;
    const effects = this.#decide([{ op: "add-worker", ask, worker: { ...registration, address } }]);
    if (effects === undefined) throw closingError();
    const { refusal } = answerIn<"add-worker">(effects, ask);
    if (refusal !== undefined) {
      this.#perform(effects); // of what was due at the same time
      return await this.#refuseWorker(address, comm, refusal);
    }
    // The reply is a single message and must be sent first; the stream begins after it.
    const reply = comm.write(
      {
        status: "OK",
        time: this.#platform.clock.time(),
        "heartbeat-interval": this.#state.heartbeatInterval,
        "worker-plugins": {},
      } satisfies RegisterWorkerReply,
    );
    const peer: WorkerPeer = { comm, stream: new BatchedSend(comm) };
    this.#peers.workers.set(address, peer);
    try {
      this.#perform(effects);
      await reply;
      const end = await handleStream(comm, (batch) => {
        const messages = batch.map(parseWorkerStreamMessage);
        if (this.#peers.workers.get(address) !== peer) return;
        this.#handle([{ op: "worker-messages", worker: address, messages }]);
      });
      tellUnreadable(end, comm, `worker ${address}`);
    } finally {
      // Another worker may have registered with the same address by now.
      if (this.#peers.workers.get(address) === peer) {
        this.#removeWorker({
          worker: address,
          stimulusId: `handle-worker-cleanup-${this.#platform.clock.time()}`,
        });
        this.#peers.workers.delete(address);
      }
      await peer.stream.close();
    }
  }

  async #refuseWorker(address: Address, comm: Comm, reason: string): Promise<void> {
    peerLog.about(comm.peerAddress, `Refused worker ${address}: ${reason}`);
    const time = this.#platform.clock.time();
    await comm.write(SCHEDULER_OPERATIONS["register-worker"].refusal(reason, time));
  }

  #heartbeat(heartbeat: Omit<Heartbeat, "op" | "ask">): HeartbeatWorkerReply {
    return this.#ask<"heartbeat">({ op: "heartbeat", ...heartbeat }).reply;
  }

  #removeWorker(removal: Omit<RemoveWorker, "op">): void {
    this.#handle([{ op: "remove-worker", ...removal }]);
  }

  #checkSpeaksFor(comm: Comm, op: string, address: Address): void {
    const registered = this.#peers.workers.get(address)?.comm;
    checkSpeaksFor(comm, op, address, registered, () => this.#credentials.countRefusal());
  }

  async #waitForWorkers(wanted: WorkersWanted, signal: AbortSignal): Promise<readonly Address[] | null> {
    const question = { op: "wait-for-workers", ...wanted } as const;
    return (await this.#askLater<"wait-for-workers">(question, signal)).workers;
  }

  async #scatter(request: Scatter, signal: AbortSignal): Promise<Key[]> {
    const turn = this.#scatterTurn++;
    const timeout = Math.min(request.timeout, WAIT_MAX);
    const workers = await this.#waitForWorkers({ count: 1, among: request.workers, timeout }, signal);
    if (workers === null) throw new TimeoutError("No valid workers found");
    const { client, whoHas, nbytes } = await scatter(request, workers, this.#pool, turn, signal);
    if (!this.#state.hasClient(client)) {
      throw new MessageError(`Cannot take values for client "${client}": it is not connected`);
    }
    this.#clientSays(client, [{ op: "update-data", who_has: whoHas, nbytes, client }]);
    return Object.keys(whoHas) as Key[];
  }
}

function answerIn<Op extends Answer["op"]>({ answers }: Effects, ask: number): AnswerTo<Op> {
  const found = answers.find(([number]) => number === ask);
  assert(found !== undefined, `Question ${ask} was not answered`);
  return found[1] as AnswerTo<Op>;
}

function closingError(): DistributedError {
  return new DistributedError("SCHEDULER_CLOSING", "Cannot answer: the scheduler closes");
}

/** Logs why a stream ended, if a message of the peer was the reason. */
function tellUnreadable({ error }: StreamEnd, comm: Comm, who: string): void {
  const cause = error instanceof CommClosed ? error.cause : error;
  if (!(cause instanceof FrameError || cause instanceof MsgpackError)) return;
  peerLog.about(
    comm.peerAddress,
    `Dropped ${who}: ${cause.message} (what is allowed: distributed.comm.limits)`,
  );
}
