/**
 * A thread that sends batches to an address without ever stopping, or reading.
 *
 * @module
 */

import { connect } from "../../comm/connect.ts";
import { linkOptions } from "../../comm/secure.ts";
import type { Security } from "../../mod.ts";

const BATCH = Array.from({ length: 1000 }, () => ({ op: "report-key", key: "x" }));

self.onmessage = async ({ data }: MessageEvent<{ address: string; security: Security | undefined }>) => {
  const comm = await connect(data.address, await linkOptions(data.security, "client"));
  await comm.write({ op: "flood", reply: false });
  while (!comm.closed) await comm.write(BATCH).catch(() => {});
};
