/**
 * Keeps a role's certificates up to date while it runs: looks after the files, takes new ones over, warns
 * before they end, and tells what there is to know.
 *
 * Files are polled: that needs no more than the permission to read them, and sees what mounted secrets do (a
 * link that points elsewhere), which notifications of the file system do not.
 *
 * @module
 */

import { getLogger } from "../../config/logging.ts";
import type { TlsContext } from "./context.ts";
import { daysLeft, ExpiryWarnings } from "./expiry.ts";
import { SecurityError } from "../material/errors.ts";
import { digest, stamp } from "../material/files.ts";
import { asksForTls, type Security } from "../security.ts";
import { type Certificate, certificateName, fingerprint256, nameText } from "../x509/certificate.ts";

const logger = getLogger("distributed.security");

/** Milliseconds between looks at the files. */
const POLL_MS = 5000;

/** A certificate in words. */
export interface CertificateFacts {
  /** Name in logs: `subject`; if that has no common name, a URI or DNS name, or the fingerprint. */
  readonly name: string;
  /** Distinguished name; may be empty. */
  readonly subject: string;
  /** SHA-256, upper-case hexadecimal with colons. */
  readonly fingerprint256: string;
  /** When it ends. */
  readonly valid_to: string;
  /** Whole days until then; negative afterwards. */
  readonly days_left: number;
}

/** A role's certificate, its peers' certificates, and its refusals. Spelled as in `identity`. */
export interface CredentialFacts {
  /** Own certificate. */
  readonly certificate: CertificateFacts;
  /** Trusted CAs. */
  readonly ca: readonly CertificateFacts[];
  /** Certificates at the other ends of open links, each once. */
  readonly peers: readonly CertificateFacts[];
  /** Revocation lists by issuer: days until the next one is due. */
  readonly crl_days_left: Readonly<Record<string, number>>;
  /** Refusals since the start. */
  readonly refused: {
    readonly handshake: number;
    readonly revoked: number;
    readonly unauthorized: number;
    readonly operation: number;
    readonly ended: number;
    readonly kept_out: number;
  };
  /** Number of times that certificates, keys or lists were reloaded. */
  readonly reloads: number;
}

/** Looks after the credentials of one role until it is closed. A role without TLS has none to look after. */
export class Credentials {
  readonly #context: TlsContext | undefined;
  readonly #expiry: ExpiryWarnings = new ExpiryWarnings();
  #timer: ReturnType<typeof setInterval> | undefined;
  /** What the files looked like from outside at the last look. */
  #stamp = "";
  /** What the files held when they were refused, and for which reason. */
  #refused = { held: "", why: "" };
  #reloading: Promise<void> = Promise.resolve();
  #isChecking = false;
  #closed = false;

  /** Begins to look after `context`. `pollMs`: milliseconds between looks. */
  constructor(context: TlsContext | undefined, pollMs: number = POLL_MS) {
    this.#context = context;
    if (context === undefined) return;
    this.#warn(context);
    this.#timer = setInterval(() => void this.check().catch(() => {}), pollMs); // `reload` logs
  }

  /**
   * Reads the files again, whether they changed or not. New links use what they hold now; links whose peer is
   * not trusted any more are ended. If a file can't be used, everything stays as it is.
   *
   * @param security Takes the place of the record that the program gave at first.
   * @throws {SecurityError} If a file can't be read or used; it was logged as well.
   */
  reload(security?: Security): Promise<void> {
    const context = this.#context;
    if (context === undefined) {
      if (security === undefined || !asksForTls(security)) return Promise.resolve();
      return Promise.reject(
        new SecurityError("A role without TLS can't get certificates while it runs: start it again"),
      );
    }
    return this.#queue(context, security, false);
  }

  #queue(context: TlsContext, security: Security | undefined, isRegular: boolean): Promise<void> {
    const done = this.#reloading.then(() => this.#reload(context, security, isRegular));
    this.#reloading = done.catch(() => {});
    return done;
  }

  async #reload(
    context: TlsContext,
    security: Security | undefined,
    isRegular: boolean,
  ): Promise<void> {
    if (this.#closed) return;
    const held = await digest(context.files); // before: what is written meanwhile is seen at the next look
    try {
      await context.reload(security);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const isNews = held !== this.#refused.held || withoutTimes(why) !== withoutTimes(this.#refused.why);
      this.#refused = { held, why };
      if (isNews || !isRegular) {
        logger.error(
          `Cannot take over new certificates, so that the ${context.role} goes on with the old: ${why}`,
        );
      }
      throw error;
    }
    this.#refused = { held: "", why: "" };
    const { role, certificate } = context;
    const until = certificate.validTo.toISOString();
    logger.info(
      `Certificates of the ${role} were read again: "${certificateName(certificate)}", until ${until}`,
    );
    this.#warn(context);
  }

  /** Reloads if a file changed, and warns of what ends soon. Called regularly. */
  async check(): Promise<void> {
    const context = this.#context;
    if (context === undefined || this.#isChecking || this.#closed) return;
    this.#isChecking = true;
    try {
      this.#warn(context);
      if (await this.#hasChanged(context)) await this.#queue(context, undefined, true);
    } finally {
      this.#isChecking = false;
    }
  }

  async #hasChanged(context: TlsContext): Promise<boolean> {
    const looks = await stamp(context.files);
    // What was refused is tried again: it may have been for its time.
    if (looks === this.#stamp && this.#refused.held === "") return false;
    this.#stamp = looks;
    return await digest(context.files) !== context.digest;
  }

  #warn(context: TlsContext): void {
    const { certificate, trust, links, role } = context;
    const now = Date.now();
    this.#expiry.look(`The ${role}'s own certificate "${certificateName(certificate)}"`, certificate, now);
    for (const ca of trust.cas) {
      this.#expiry.look(`The certificate of the CA "${certificateName(ca)}"`, ca, now);
    }
    for (const peer of links.peers()) {
      this.#expiry.look(`The certificate of the peer "${certificateName(peer)}"`, peer, now);
    }
    for (const { issuer, nextUpdate } of trust.revocation.lists) {
      if (nextUpdate === undefined) continue;
      const what = `The revocation list of "${nameText(issuer)}"`;
      this.#expiry.look(what, { validTo: nextUpdate }, now, [1]);
    }
  }

  /** Counts an operation of a peer that may not use it. */
  countRefusal(): void {
    if (this.#context !== undefined) this.#context.refusals.operation++;
  }

  /** What there is to know; nothing for a role without TLS. */
  facts(): CredentialFacts | undefined {
    const context = this.#context;
    if (context === undefined) return undefined;
    const now = Date.now();
    const { handshake, revoked, unauthorized, operation, ended, keptOut } = context.refusals;
    const peers = new Map<string, CertificateFacts>();
    for (const peer of context.links.peers()) {
      const facts = factsOf(peer, now);
      peers.set(facts.fingerprint256, facts);
    }
    const lists: Record<string, number> = {};
    for (const { issuer, nextUpdate } of context.trust.revocation.lists) {
      if (nextUpdate !== undefined) lists[nameText(issuer)] = daysLeft(nextUpdate, now);
    }
    return {
      certificate: factsOf(context.certificate, now),
      ca: context.trust.cas.map((ca) => factsOf(ca, now)),
      peers: [...peers.values()],
      crl_days_left: lists,
      refused: { handshake, revoked, unauthorized, operation, ended, kept_out: keptOut },
      reloads: context.generation,
    };
  }

  /** What belongs into the metrics that a worker tells; empty without TLS. */
  metrics(): { readonly certificate_days_left?: number } {
    if (this.#context === undefined) return {};
    return { certificate_days_left: daysLeft(this.#context.certificate.validTo, Date.now()) };
  }

  /** Looks no more. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#reloading;
  }

  /** As {@linkcode close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** A reason that differs by the time alone is no news. */
function withoutTimes(text: string): string {
  return text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "");
}

function factsOf(certificate: Certificate, now: number): CertificateFacts {
  return {
    name: certificateName(certificate),
    subject: nameText(certificate.subject),
    fingerprint256: fingerprint256(certificate.raw),
    valid_to: certificate.validTo.toISOString(),
    days_left: daysLeft(certificate.validTo, now),
  };
}
