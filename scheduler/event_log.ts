/**
 * Writes the events of a scheduler to its log, in the words of `distributed/scheduler.py`.
 *
 * @module
 */

import { getLogger } from "../config/logging.ts";
import { unreachable } from "../internal/assert.ts";
import type { Address, Key } from "../messages/common.ts";
import type { SchedulerEvent } from "./state/effects.ts";
import type { WorkerLoss } from "./state/effects.ts";

const logger = getLogger("distributed.scheduler");

/** Maximum number of keys in a log line. */
const KEYS_LOGGED = 10;

/** Writes an event to the log. */
export function logEvent(event: SchedulerEvent): void {
  switch (event.event) {
    case "client-added":
      return logger.info(`Receive client connection: ${event.client}`);
    case "client-removed":
      return logger.info(`Remove client ${event.client}`);
    case "worker-added":
      return logger.info(`Register worker addr: ${event.worker} name: ${event.name}`);
    case "worker-removed":
      logger.info(
        `Remove worker addr: ${event.worker} name: ${event.name} (stimulus_id='${event.stimulusId}')`,
      );
      return logLoss(event.worker, event.loss, event.stimulusId);
    case "worker-silent":
      return logger.warning(
        `Worker failed to heartbeat for ${event.seconds.toFixed(0)}s; removing: ${event.worker}`,
      );
    case "worker-lacking":
      return logger.warning(`Worker ${event.worker} lacks ${event.count} results that it should have`);
    case "retire-begun":
      return logger.info(
        `Retire worker addresses (stimulus_id='${event.stimulusId}') ${event.workers.join(", ")}`,
      );
    case "worker-retiring":
      return logger.info(`Retiring worker ${event.worker}; ${progress(event.unsafe)}`);
    case "retire-refused":
      return logger.warning(
        `Tried retiring worker ${event.worker}, but ${event.stuck} tasks could not be moved as there are no ` +
          `suitable workers to receive them. The worker will not be retired (stimulus_id='${event.stimulusId}')`,
      );
    case "worker-retired":
      if (event.close) logger.info(`Closing worker ${event.worker}`);
      return logger.info(`Retired worker ${event.worker} (stimulus_id='${event.stimulusId}')`);
    case "idle":
      return logger.info(`Scheduler closing after being idle for ${event.seconds} s`);
    default:
      return unreachable(event);
  }
}

function progress(unsafe: number): string {
  return unsafe === 0 ? "no unique keys need to be moved away." : `${unsafe} keys are being moved away.`;
}

function logLoss(address: Address, loss: WorkerLoss, stimulusId: string): void {
  for (const { key, deaths } of loss.givenUp) {
    logger.error(`Task ${key} marked as failed because ${deaths} workers died while trying to run it`);
  }
  if (loss.recomputed.length > 0) {
    logger.warning(
      `Removing worker '${address}' caused the cluster to lose already computed task(s), which will be ` +
        `recomputed elsewhere: ${listed(loss.recomputed)} (stimulus_id='${stimulusId}')`,
    );
  }
  if (loss.lost.length > 0) {
    logger.error(
      `Removing worker '${address}' caused the cluster to lose scattered data, which can't be recovered: ` +
        `${listed(loss.lost)} (stimulus_id='${stimulusId}')`,
    );
  }
}

/** Returns the first keys and the number of all keys, as text. */
function listed(keys: readonly Key[]): string {
  const shown = keys.slice(0, KEYS_LOGGED).join(", ");
  return keys.length <= KEYS_LOGGED ? `{${shown}}` : `{${shown}, … ${keys.length} in all}`;
}
