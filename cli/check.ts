/**
 * `client.ts check ADDRESS`: why a link works, or why it fails.
 *
 * @module
 */

import { addressHostPort, parseAddress } from "../comm/address.ts";
import type { Comm } from "../comm/comm.ts";
import { connect } from "../comm/connect.ts";
import { messageOf, TimeoutError } from "../comm/errors.ts";
import { call } from "../comm/rpc.ts";
import { dialTcp } from "../comm/tcp.ts";
import { Deadline } from "../internal/deadline.ts";
import { isRecord } from "../messages/common.ts";
import type { TlsContext } from "../security/context.ts";
import { probe } from "../security/probe.ts";
import { type Certificate, fingerprint256, nameText } from "../security/x509.ts";
import { printText } from "./run.ts";
import { parseQuestion, type Question, type Subcommand } from "./subcommand.ts";
import { printable } from "./table.ts";

const DAY_MS = 86_400_000;

/** The command. */
export const CHECK: Subcommand = {
  about: "Why a link works or fails: both certificates, TLS, policy, role",
  run: async (args) => {
    const question = await parseQuestion("check", `${CHECK.about}.`, args);
    if (question === undefined) return;
    const { lines, failure } = await checkLink(question);
    printText(`${lines.map(([what, text]) => `${what.padEnd(20)}${printable(text)}`).join("\n")}\n`);
    if (failure !== undefined) throw new Error(failure);
    printText(`The link works\n`);
  },
};

/** What was found out, in order. */
export interface LinkReport {
  /** Steps and what they showed. */
  readonly lines: readonly (readonly [what: string, text: string])[];
  /** Why the link does not work; absent if it does. */
  readonly failure: string | undefined;
}

/** Goes through a link step by step, up to the first that fails. */
export async function checkLink({ address, links, timeoutMs }: Question): Promise<LinkReport> {
  using deadline = new Deadline(
    { timeout: timeoutMs },
    (ms) => new TimeoutError(`"${address}" did not answer within ${ms / 1000} s`),
  );
  const signal = deadline.signal ?? AbortSignal.timeout(timeoutMs);
  const lines: [string, string][] = [];
  const { context } = links;
  const isTls = parseAddress(address).scheme === "tls";
  if (isTls && context !== undefined) describeOwn(context, lines);
  try {
    await reach(address, signal);
    lines.push(["network", `${address} takes connections`]);
    if (isTls && context !== undefined) await describePeer(address, context, signal, lines);
    await using comm = await connect(address, { ...links, timeout: timeoutMs, signal });
    describeTls(comm, lines);
    lines.push(["peer", await roleOf(comm, signal)]);
    return { lines, failure: undefined };
  } catch (error) {
    return { lines, failure: messageOf(error) };
  }
}

/** A bare TCP connection: whether there is anybody at all. */
async function reach(address: string, signal: AbortSignal): Promise<void> {
  const { host, port } = addressHostPort(address);
  try {
    (await dialTcp({ hostname: host, port, signal })).abort();
  } catch (cause) {
    throw new Error(
      `Nobody takes connections at "${address}": ${messageOf(cause)}; ` +
        `check that the role runs, its host and port, and firewalls between`,
      { cause },
    );
  }
}

function describeOwn(context: TlsContext, lines: [string, string][]): void {
  lines.push(["own certificate", certificateText(context.certificate)]);
  for (const ca of context.trust.cas) lines.push(["trusted CA", certificateText(ca)]);
}

async function describePeer(
  address: string,
  context: TlsContext,
  signal: AbortSignal,
  lines: [string, string][],
): Promise<void> {
  const { host, port } = addressHostPort(address);
  const { chain } = await probe(host, port, context, signal);
  const [leaf, ...rest] = chain;
  lines.push([
    "peer's certificate",
    leaf === undefined ? "none: it does not speak TLS here" : certificateText(leaf),
  ]);
  for (const issuer of rest) lines.push(["signed by", certificateText(issuer)]);
}

function describeTls(comm: Comm, lines: [string, string][]): void {
  const { tls } = comm;
  lines.push([
    "TLS",
    tls === undefined ? "no: plain text, anybody on the way can read it" : `${tls.protocol}, ${tls.cipher}`,
  ]);
}

async function roleOf(comm: Comm, signal: AbortSignal): Promise<string> {
  const identity: unknown = await call(comm, { op: "identity" }, signal);
  if (!isRecord(identity)) return "speaks Dask's protocol, and does not say what it is";
  const { type, id, n_workers: workers } = identity;
  return `${String(type)} ${String(id)}${typeof workers === "number" ? `, ${workers} workers` : ""}`;
}

/** A certificate on one line. */
export function certificateText(certificate: Certificate, now: number = Date.now()): string {
  const { subject, issuer, version, validFrom, validTo, extensions, raw } = certificate;
  const days = Math.floor((validTo.getTime() - now) / DAY_MS);
  const validity = validFrom.getTime() > now
    ? `NOT VALID before ${validFrom.toISOString()}`
    : days < 0
    ? `EXPIRED on ${validTo.toISOString()}`
    : `${days} days left`;
  const names = [
    ...extensions.dnsNames.map((name) => `DNS:${name}`),
    ...extensions.uris.map((uri) => `URI:${uri}`),
  ];
  return [
    nameText(subject),
    `signed by ${nameText(issuer)}`,
    ...names.length > 0 ? [names.join(" ")] : [],
    `X.509 v${version}${version === 3 ? "" : ", which is refused"}`,
    validity,
    `SHA-256 ${fingerprint256(raw).slice(0, 23)}…`,
  ].join("; ");
}
