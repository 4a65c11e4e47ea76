/**
 * Somebody who has no certificate.
 *
 * @module
 */

import { connect } from "node:tls";

/** Dials without a certificate, trusting whatever answers; returns the error that ended it. */
export async function intrude(address: string, signal: AbortSignal): Promise<string> {
  const { hostname, port } = new URL(address.replace("tls://", "https://"));
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect({
    host: hostname,
    port: Number(port),
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  socket.on(
    "error",
    (error: Error & { code?: string }) => resolve(`${error.code ?? "error"}: ${error.message}`),
  );
  socket.on("close", () => resolve("the link was closed"));
  socket.on("data", () => resolve("UNEXPECTED: the scheduler answered"));
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", onAbort);
    socket.destroy();
  }
}
