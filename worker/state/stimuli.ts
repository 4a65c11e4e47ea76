/**
 * Takes one stimulus, whatever it is, up to the point where only transfers may have to begin.
 *
 * @module
 */

import { unreachable } from "../../internal/assert.ts";
import type { Key } from "../../messages/common.ts";
import { tick } from "./deadlines.ts";
import {
  executeFailure,
  executeReschedule,
  executeSuccess,
  executionWithdrawn,
} from "./execution_stimuli.ts";
import type { WorkerMachine } from "./machine.ts";
import {
  acquireReplicas,
  computeTask,
  freeKeys,
  pause,
  removeReplicas,
  removeWorker,
  unpause,
} from "./scheduler_stimuli.ts";
import type { Stimulus } from "./stimulus.ts";
import { State } from "./task_state.ts";
import {
  gatherBusy,
  gatherFailure,
  gatherNetworkFailure,
  gatherSuccess,
  updateData,
} from "./transfer_stimuli.ts";
import { runTransitions } from "./transitions.ts";

/** Handles one stimulus. */
export function handleStimulus(m: WorkerMachine, stimulus: Stimulus): void { // hot: per task
  m.stimulusId = stimulus.stimulus_id;
  m.addedKeys = null;
  recommend(m, stimulus);
  runTransitions(m);
  if (stimulus.op === "execute-success") dropUnwanted(m, stimulus.key);
  else if (stimulus.op === "gather-success" || stimulus.op === "update-data") {
    for (const key of stimulus.data.keys()) dropUnwanted(m, key);
  }
}

/** The shell stored a result before it could be known whether it is wanted, or was asked for at all. */
function dropUnwanted(m: WorkerMachine, key: Key): void {
  if (m.tasks.get(key)?.state !== State.MEMORY) m.instructions.push({ op: "drop-data", key });
}

function recommend(m: WorkerMachine, stimulus: Stimulus): void { // hot: per task
  switch (stimulus.op) {
    case "compute-task":
      return computeTask(m, stimulus);
    case "execute-success":
      return executeSuccess(m, stimulus);
    case "execute-failure":
      return executeFailure(m, stimulus);
    case "execute-reschedule":
      return executeReschedule(m, stimulus);
    case "execution-withdrawn":
      return executionWithdrawn(m, stimulus);
    case "free-keys":
      return freeKeys(m, stimulus);
    case "gather-success":
      return gatherSuccess(m, stimulus);
    case "update-data":
      return updateData(m, stimulus);
    case "gather-busy":
      return gatherBusy(m, stimulus.worker);
    case "gather-network-failure":
      return gatherNetworkFailure(m, stimulus.worker);
    case "gather-failure":
      return gatherFailure(m, stimulus.worker);
    case "remove-replicas":
      return removeReplicas(m, stimulus);
    case "acquire-replicas":
      return acquireReplicas(m, stimulus);
    case "refresh-who-has":
      return m.updateWhoHas(stimulus.who_has);
    case "remove-worker":
      return removeWorker(m, stimulus.worker);
    case "pause":
      return pause(m);
    case "unpause":
      return unpause(m);
    case "tick":
      return tick(m);
    default:
      return unreachable(stimulus);
  }
}
