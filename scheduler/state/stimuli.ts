/**
 * Functions that handle one stimulus each. They only recommend transitions. `scheduler_state.ts` makes them,
 * then does the work that a function returned for afterwards.
 *
 * @module
 */

import { unreachable } from "../../internal/assert.ts";
import type { ClientStreamMessage } from "../../messages/client_scheduler.ts";
import type { WorkerStreamMessage } from "../../messages/worker_scheduler.ts";
import type { ClientState } from "./client_state.ts";
import * as clients from "./client_stimuli.ts";
import { updateData } from "./data.ts";
import { updateGraph } from "./graph.ts";
import type { Afterwards, SchedulerMachine } from "./machine.ts";
import { addWorker, heartbeatInterval, heartbeatWorker, removeWorker } from "./membership.ts";
import { retire } from "./retire.ts";
import type { SchedulerStimulus } from "./stimulus.ts";
import { waitForWorkers } from "./waits.ts";
import { releaseWorkerData } from "./worker_stimuli.ts";

/** All stimuli except those with many messages and {@linkcode Tick}. */
export type SingleStimulus = Exclude<
  SchedulerStimulus,
  { readonly op: "client-messages" | "worker-messages" | "tick" }
>;

/** Handles a stimulus. */
export function handleStimulus(m: SchedulerMachine, stimulus: SingleStimulus, now: number): Afterwards {
  switch (stimulus.op) {
    case "add-client":
      m.begin(`add-client-${now}`, now);
      return clients.registerClient(m, stimulus);
    case "remove-client":
      m.begin(`remove-client-${now}`, now);
      return clients.removeClient(m, stimulus.client);
    case "add-worker":
      m.begin(`add-worker-${now}`, now);
      return addWorker(m, stimulus);
    case "remove-worker": {
      const ws = m.workers.get(stimulus.worker);
      if (ws === undefined) return;
      m.begin(stimulus.stimulusId, now);
      return removeWorker(m, ws, stimulus);
    }
    case "heartbeat":
      m.begin(`heartbeat-${now}`, now);
      m.answer(stimulus.ask, { op: "heartbeat", reply: heartbeatWorker(m, stimulus) });
      return;
    case "lacking": {
      const ws = m.workers.get(stimulus.worker);
      if (ws === undefined) return;
      m.begin(`gather-lacking-${now}`, now);
      m.tell({ event: "worker-lacking", worker: ws.address, count: stimulus.keys.length });
      for (const key of stimulus.keys) releaseWorkerData(m, ws, key);
      return;
    }
    case "retry":
      m.begin(`stimulus-retry-${now}`, now);
      return clients.retryKeys(m, stimulus);
    case "retire":
      m.begin(stimulus.stimulusId, now);
      return retire(m, stimulus);
    case "wait-for-workers":
      return waitForWorkers(m, stimulus, now);
    case "forget":
      m.waits.delete(stimulus.ask);
      return;
    default:
      return unreachable(stimulus);
  }
}

/** Handles a client's message. */
export function handleClient(m: SchedulerMachine, cs: ClientState, message: ClientStreamMessage): Afterwards {
  switch (message.op) {
    case "update-graph":
      return updateGraph(m, cs, message);
    case "update-data":
      return updateData(m, cs, message);
    case "client-desires-keys":
      return clients.desireKeys(m, cs, message.keys);
    case "client-releases-keys":
      return clients.releaseKeys(m, cs, message.keys);
    case "cancel-keys":
      return clients.cancelKeys(m, cs, message);
    case "report-key":
      return clients.reportKey(m, cs, message.key);
    case "heartbeat-client":
      return m.outbox.tellClient(cs, {
        op: "adjust-heartbeat-interval",
        interval: heartbeatInterval(m.clients.size) * 10,
      });
    case "close-client":
      return clients.removeClient(m, cs.id);
    case "close-stream":
      return;
    default:
      return m.extensions.handle(m, cs, message);
  }
}

/** Maximum length of a cause's id, in characters. Ids of this package's workers have about fifty. */
const CAUSE_MAX = 256;

/**
 * Returns the id of a message's cause. It is limited, because stories keep it after the task is forgotten.
 */
export function causeOf(message: WorkerStreamMessage): string {
  const cause: unknown = "stimulus_id" in message ? message.stimulus_id : undefined;
  return typeof cause === "string" && cause.length <= CAUSE_MAX ? cause : message.op;
}
