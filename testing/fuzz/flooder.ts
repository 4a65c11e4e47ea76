/**
 * A thread that sends batches to an address without ever stopping, or reading.
 *
 * @module
 */

import { connect } from "../../comm/connect.ts";
import { linkOptions } from "../../comm/secure.ts";
import type { Security } from "../../mod.ts";

const BATCH = Array.from({ length: 1000 }, () => ({ op: "report-key", key: "x" }));

async function flood(address: string, security: Security | undefined): Promise<void> {
  const comm = await connect(address, await linkOptions(security, "client"));
  await comm.write({ op: "flood", reply: false });
  while (!comm.closed) await comm.write(BATCH).catch(() => {});
}

addEventListener("message", (event) => {
  const { address, security } =
    (event as MessageEvent<{ address: string; security: Security | undefined }>).data;
  void flood(address, security);
});
