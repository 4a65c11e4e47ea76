/**
 * `client.ts check ADDRESS`: explains why a link works or fails.
 *
 * @module
 */

import { addressHostPort, parseAddress } from "../comm/address.ts";
import type { Comm } from "../comm/comm.ts";
import { connect, type ConnectOptions } from "../comm/connect.ts";
import { messageOf, TimeoutError } from "../internal/errors.ts";
import { call } from "../rpc/call.ts";
import { dialTcp } from "../transport/tcp.ts";
import { Deadline, orAborted } from "../internal/deadline.ts";
import { type Grant, grantText } from "../messages/grant.ts";
import { isRecord } from "../messages/common.ts";
import { untyped } from "../messages/operations.ts";
import { ownFaults, type TlsContext } from "../security/live/context.ts";
import { diagnose } from "../security/x509/diagnosis.ts";
import { findPath } from "../security/x509/path.ts";
import { probe } from "../transport/tls/probe.ts";
import { type Certificate, certificateName, fingerprint256, nameText } from "../security/x509/certificate.ts";
import { printText } from "./run.ts";
import { parseQuestion, type Question, type Subcommand } from "./subcommand.ts";
import { printable } from "./table.ts";

const DAY_MS = 86_400_000;
/** Number of tries for a peer that ends the link, before this counts as a refusal (`comm/retry.ts`). */
const TRIES = 3;

type Line = readonly [what: string, text: string];

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

/** Findings, in order. */
export interface LinkReport {
  /** Steps and their results. */
  readonly lines: readonly Line[];
  /** Why the link does not work; absent if it does. */
  readonly failure: string | undefined;
}

/** Opens the link as a client would. Only if that fails, it examines the peer for the reason. */
export async function checkLink({ address, links, timeoutMs }: Question): Promise<LinkReport> {
  using deadline = new Deadline(
    { timeout: timeoutMs },
    (ms) => new TimeoutError(`"${address}" did not answer within ${ms / 1000} s`),
  );
  const signal = deadline.signal ?? AbortSignal.timeout(timeoutMs);
  const lines: Line[] = [];
  const { scheme } = parseAddress(address);
  const context = scheme === "tls" ? links.context : undefined;
  if (context !== undefined) describeOwn(context, lines);
  try {
    // The rest of the time is for finding the reason.
    const options = { ...links, timeout: timeoutMs * 0.7, tries: TRIES, signal };
    await using comm = await connect(address, options);
    lines.push(["network", `${address} takes connections`]);
    if (context !== undefined) describeChain([...context.links.chains()][0] ?? [], context.trust.cas, lines);
    describeTls(comm, lines);
    const { type, text } = await roleOf(comm, signal);
    lines.push(["peer", text]);
    return { lines, failure: type === "Scheduler" ? await clientRefusal(comm, options) : undefined };
  } catch (error) {
    return { lines, failure: await whyFailed(address, context, error, signal, lines) };
  }
}

/** Returns why client and scheduler would refuse each other because of their roles. */
async function clientRefusal(comm: Comm, options: ConnectOptions): Promise<string | undefined> {
  const { signal } = options;
  try {
    await using own = await connect(comm.peerAddress, { ...options, expect: "scheduler" });
    const client = `Client-check-${crypto.randomUUID()}`;
    await own.write({ op: "register-client", client, versions: {}, reply: false });
    const answer: unknown = await orAborted(own.read(), signal);
    const start: unknown = Array.isArray(answer) ? answer[0] : undefined;
    const error = isRecord(start) ? start["error"] : undefined;
    await own.write([{ op: "close-client" }]);
    return typeof error === "string" && error !== "" ? `A client would be refused: ${error}` : undefined;
  } catch (error) {
    return `A client would not get on: ${messageOf(error)}`;
  }
}

/** Finds the most exact reason why a link failed with `error`. */
async function whyFailed(
  address: string,
  context: TlsContext | undefined,
  error: unknown,
  signal: AbortSignal,
  lines: Line[],
): Promise<string> {
  if (lines.some(([what]) => what === "network")) return messageOf(error);
  try {
    await reach(address, signal);
  } catch (unreachable) {
    return messageOf(unreachable);
  }
  lines.push(["network", `${address} takes connections`]);
  if (context === undefined) return messageOf(error);
  const { host, port } = addressHostPort(address);
  const { chain, failure } = await probe(host, port, context, signal);
  if (failure !== undefined) {
    lines.push(["peer's certificate", `none: the TLS handshake failed (${failure})`]);
  }
  describeChain(chain, context.trust.cas, lines);
  const why = diagnose(chain, context.trust.cas, new Date(), "server");
  if (why !== undefined) return `This client refuses "${address}": its ${why}`;
  const own = faultsOf(context);
  return own.length === 0
    ? messageOf(error)
    : `${messageOf(error)}. Look at the own side first: ${own.join("; ")}`;
}

/** A bare TCP connection, to see whether anything listens. */
async function reach(address: string, signal: AbortSignal): Promise<void> {
  const { host, port } = addressHostPort(address);
  try {
    (await dialTcp({ hostname: host, port, signal })).abort();
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause; // its message says which flag to add
    throw new Error(
      `Nobody takes connections at "${address}": ${messageOf(cause)}; ` +
        `check that the role runs, its host and port, and firewalls between`,
      { cause },
    );
  }
}

function describeOwn(context: TlsContext, lines: Line[]): void {
  const { certificate, trust } = context;
  lines.push(["own certificate", certificateText(certificate)]);
  for (const why of faultsOf(context)) lines.push(["will be refused", why]);
  const grant = trust.rules?.grant(certificate);
  if (trust.rules !== undefined) lines.push(["own role", grantLine(grant)]);
  for (const ca of trust.cas) lines.push(["trusted CA", certificateText(ca)]);
}

/** Returns the reasons for which peers with the same security refuse the own certificate. */
function faultsOf({ chain, role, trust }: TlsContext): readonly string[] {
  const verdict = trust.keep(chain);
  const faults = ownFaults(chain, role, trust.cas, new Date());
  return "kind" in verdict && verdict.kind !== "handshake" ? [...faults, verdict.reason] : faults;
}

function grantLine(grant: Grant | undefined): string {
  return grant === undefined
    ? 'none: no rule of "authorization" fits its certificate'
    : `by "authorization" ${grantText(grant)}`;
}

/** Follows signatures, because CAs can have the same name. */
function describeChain(chain: readonly Certificate[], cas: readonly Certificate[], lines: Line[]): void {
  const [leaf, ...rest] = findPath(chain, cas) ?? chain;
  if (leaf !== undefined) lines.push(["peer's certificate", certificateText(leaf)]);
  for (const issuer of rest) lines.push(["signed by", certificateText(issuer)]);
}

function describeTls({ tls }: Comm, lines: Line[]): void {
  lines.push([
    "TLS",
    tls === undefined ? "no: plain text, anybody on the way can read it" : `${tls.protocol}, ${tls.cipher}`,
  ]);
  if (tls?.peer.grant !== undefined) lines.push(["peer's role", grantLine(tls.peer.grant)]);
}

async function roleOf(comm: Comm, signal: AbortSignal): Promise<{ type: unknown; text: string }> {
  const identity: unknown = await call(comm, untyped("identity"), {}, signal);
  if (!isRecord(identity)) {
    return { type: undefined, text: "speaks Dask's protocol, and does not say what it is" };
  }
  const { type, id, n_workers: workers } = identity;
  const more = typeof workers === "number" ? `, ${workers} workers` : "";
  return { type, text: `${String(type)} ${String(id)}${more}` };
}

/** A certificate on one line. */
export function certificateText(certificate: Certificate, now: number = Date.now()): string {
  const { issuer, version, validFrom, validTo, extensions, raw } = certificate;
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
    certificateName(certificate),
    `signed by ${nameText(issuer)}`,
    ...names.length > 0 ? [names.join(" ")] : [],
    `X.509 v${version}${version === 3 ? "" : ", which is refused"}`,
    validity,
    `SHA-256 ${fingerprint256(raw).slice(0, 23)}…`,
  ].join("; ");
}
