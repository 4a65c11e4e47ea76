/**
 * Certificates and keys of one role: read, checked, ready for handshakes. A mistake ends the start with a
 * sentence instead of a link that fails later.
 *
 * @module
 */

import { getLogger } from "../../config/logging.ts";
import { grantText } from "../../messages/grant.ts";
import {
  forbiddenPreference,
  parseCiphers,
  type TlsVersion,
  unknownCipherWords,
} from "../ciphers/ciphers.ts";
import { SecurityError } from "../material/errors.ts";
import { isText, readPems, type Source } from "../material/pem.ts";
import { Rules } from "../authorization.ts";
import { diagnose } from "../x509/diagnosis.ts";
import { digest } from "../material/files.ts";
import type { Purpose } from "../x509/path.ts";
import { canAsk } from "../x509/webpki.ts";
import { LivingLinks, Refusals } from "./living_links.ts";
import { checkLists, readLists, Revocation } from "../revocation.ts";
import type { TlsContextOptions } from "../policy.ts";
import { Trust } from "../trust.ts";
import { asksForTls, checkSecurity, requiresEncryption, type Security } from "../security.ts";
import type { TlsRole } from "../roles.ts";
import { type Certificate, certificateName, isSame, parseCertificate } from "../x509/certificate.ts";
import { isRsa, keyBelongsTo, keyProblem, normalKey } from "../material/keys.ts";

const logger = getLogger("distributed.security");

/** What the TLS implementation needs. */
export interface TlsMaterial {
  /** The trusted certificates, PEM. */
  readonly ca: readonly string[];
  /** Own certificate and the chain behind it, PEM. */
  readonly cert: string;
  /** Own private key, PEM. */
  readonly key: string;
}

/** What {@linkcode TlsContext} is made of, read and checked at one time. */
export interface LoadedContext {
  /** What is no secret. */
  readonly options: TlsContextOptions;
  /** What is. */
  readonly material: TlsMaterial;
  /** Whom to let in. */
  readonly trust: Trust;
  /** Files that were read, or that say what is read. */
  readonly files: readonly string[];
  /** Of what the files held. */
  readonly digest: string;
}

/** Where a record comes from, again and again. */
export interface SecuritySource {
  /** The record; `given` takes the place of what a program gave at first. */
  readonly read: (given?: Security) => Security;
  /** Files that decide what `read` gives. */
  readonly files: readonly string[];
}

/** One role's side of every handshake. Opaque: inspecting it shows no key. */
export class TlsContext implements TlsContextOptions {
  /** The links that are up. */
  readonly links: LivingLinks = new LivingLinks();
  /** Who was refused. */
  readonly refusals: Refusals = new Refusals();
  readonly #onChange = new Set<() => void>();
  readonly #source: SecuritySource;
  #given: Security | undefined;
  #loaded: LoadedContext;
  #generation = 0;

  /** Made by {@linkcode loadTlsContext}. */
  constructor(loaded: LoadedContext, source: SecuritySource) {
    this.#loaded = loaded;
    this.#source = source;
  }

  /** Which certificate is shown. */
  get role(): TlsRole {
    return this.#loaded.options.role;
  }

  /** Whether plain text is forbidden beside it. */
  get requireEncryption(): boolean {
    return this.#loaded.options.requireEncryption;
  }

  /** Lowest TLS version. */
  get minVersion(): "1.2" | "1.3" {
    return this.#loaded.options.minVersion;
  }

  /** Highest TLS version. */
  get maxVersion(): "1.2" | "1.3" {
    return this.#loaded.options.maxVersion;
  }

  /** Allowed suites; absent: all. */
  get ciphers(): ReadonlySet<string> | undefined {
    return this.#loaded.options.ciphers;
  }

  /** TCP keep-alive probes. */
  get keepAlive(): boolean {
    return this.#loaded.options.keepAlive;
  }

  /** Send small messages at once. */
  get noDelay(): boolean {
    return this.#loaded.options.noDelay;
  }

  /** Own certificate. */
  get certificate(): Certificate {
    return this.#loaded.options.certificate;
  }

  /** Own certificate, and what is sent behind it. */
  get chain(): readonly Certificate[] {
    return this.#loaded.options.chain;
  }

  /** Whom to let in. */
  get trust(): Trust {
    return this.#loaded.trust;
  }

  /** How often {@linkcode TlsContext.reload} did its work. */
  get generation(): number {
    return this.#generation;
  }

  /** Files whose change makes a reload worth while. */
  get files(): readonly string[] {
    return [...this.#loaded.files, ...this.#source.files];
  }

  /** Of what {@linkcode TlsContext.files} held when they were read. */
  get digest(): string {
    return this.#loaded.digest;
  }

  /**
   * Reads everything again. New links use what is there now; links whose peer is not trusted any more are
   * ended. All or nothing: if something can't be used, everything stays as it is.
   *
   * @param given Takes the place of the record that the program gave at first.
   * @throws {SecurityError} If a file can't be read or used.
   */
  async reload(given?: Security): Promise<void> {
    const record = given ?? this.#given;
    const wanted = this.#source.read(record);
    if (this.requireEncryption !== requiresEncryption(wanted)) {
      throw new SecurityError(
        `"requireEncryption" can't be ${
          this.requireEncryption ? "taken back" : "turned on, links may be plain"
        } while a role runs: start it again`,
      );
    }
    if (this.trust.rules !== undefined && wanted.authorization === undefined) {
      throw new SecurityError(
        '"authorization" can\'t be taken back while a role runs, since every certificate of the CA might do anything then: ' +
          "start it again",
      );
    }
    this.#loaded = await load(wanted, this.role, this.#source.files, this.trust.revocation);
    this.#given = record;
    this.#generation++;
    for (const changed of this.#onChange) changed();
    this.refusals.ended += this.links.judge(this.trust);
  }

  /** Calls `changed` after every reload, until the returned function is called. */
  onChange(changed: () => void): () => void {
    this.#onChange.add(changed);
    return () => void this.#onChange.delete(changed);
  }

  /** The secrets of `context`, for the TLS implementation. */
  static material(context: TlsContext): TlsMaterial {
    return context.#loaded.material;
  }
}

const FIELDS = {
  client: { cert: "tlsClientCert", key: "tlsClientKey" },
  scheduler: { cert: "tlsSchedulerCert", key: "tlsSchedulerKey" },
  worker: { cert: "tlsWorkerCert", key: "tlsWorkerKey" },
} as const;

/** How to make an X.509 v3 certificate in place of a v1 one. */
const MAKE_V3 = "openssl x509 -req -in ROLE.csr -CA ca.pem -CAkey ca-key.pem -days 365 -out ROLE.pem " +
  '-extfile <(printf "basicConstraints=critical,CA:FALSE\\nkeyUsage=critical,digitalSignature,keyEncipherment\\n' +
  'extendedKeyUsage=serverAuth,clientAuth\\n")';

/**
 * Reads and checks what `security` names for `role`.
 *
 * @param source What says more at a reload. Default: the same record.
 * @throws {SecurityError} If a field is missing, or a file can't be read or used.
 */
export async function loadTlsContext(
  security: Security,
  role: TlsRole,
  source: SecuritySource = { read: (given) => given ?? security, files: [] },
): Promise<TlsContext> {
  return new TlsContext(await load(security, role, source.files), source);
}

/**
 * @param held What is revoked now. A list in it that has expired must not keep a leaked key from being
 * revoked.
 */
async function load(
  security: Security,
  role: TlsRole,
  sources: readonly string[],
  held?: Revocation,
): Promise<LoadedContext> {
  const checked = checkSecurity(security);
  const fields = FIELDS[role];
  const files = filesOf(checked, role);
  const digested = await digest([...files, ...sources]);
  const ca = await loadCa(required(checked, "tlsCaFile", role));
  const certValue = required(checked, fields.cert, role);
  const keyValue = checked[fields.key];
  const certFile = await readPems(fields.cert, certValue);
  const keyFile = keyValue === undefined ? certFile : await readPems(fields.key, keyValue);
  const own = ownCertificate(certFile);
  const key = ownKey(keyFile, keyValue === undefined ? fields.key : undefined);
  checkOwn(own, certFile, key, keyFile, ca.certificates);
  const chain = certFile.certificates.map((pem) => parse(pem, certFile));
  warnOfRefusals(chain, role, certFile, ca.certificates);
  if (!canAsk(own)) {
    logger.warning(
      "Deno's own reader of certificates can't be asked whether it reads those of peers: is DENO_CERT or --cert a file that " +
        "is not there? Our reading of them stands alone (decision 0018)",
    );
  }
  const trust = await loadTrust(checked, role, ca.certificates, chain, held);
  const { tlsMinVersion: minVersion = "1.2", tlsMaxVersion: maxVersion = "1.3" } = checked;
  const settings = {
    role,
    requireEncryption: requiresEncryption(checked),
    minVersion,
    maxVersion,
    ciphers: loadCiphers(checked.tlsCiphers, minVersion, maxVersion, isRsa(own)),
    keepAlive: checked.extraConnArgs?.keepAlive ?? true,
    noDelay: checked.extraConnArgs?.noDelay ?? true,
    certificate: own,
    chain,
  };
  const material = { ca: ca.pems, cert: certFile.certificates.join("\n"), key };
  return { options: settings, material, trust, files, digest: digested };
}

/** Values of the record that are paths. */
function filesOf(security: Security, role: TlsRole): string[] {
  const { cert, key } = FIELDS[role];
  return (["tlsCaFile", cert, key, "tlsCrlFile"] as const).flatMap((field) => {
    const value = security[field];
    return value === undefined || isText(value) ? [] : [value];
  });
}

/**
 * @param chain The own certificate and what stands behind it: one of them may have signed a revocation list.
 */
async function loadTrust(
  security: Security,
  role: TlsRole,
  cas: readonly Certificate[],
  chain: readonly Certificate[],
  held: Revocation | undefined,
): Promise<Trust> {
  const { tlsCrlFile, tlsRevoked = [], authorization } = security;
  const lists = tlsCrlFile === undefined ? [] : await readLists(tlsCrlFile);
  checkLists(lists, [...cas, ...chain.slice(1)], new Date(), (list) => held?.has(list) ?? false);
  const trust = new Trust(
    cas,
    new Revocation(lists, tlsRevoked),
    authorization === undefined ? undefined : new Rules(authorization),
  );
  const [own] = chain;
  const verdict = trust.keep(chain);
  if ("kind" in verdict && verdict.kind !== "handshake") {
    logger.warning(`Peers with the same security will refuse this ${role}: ${verdict.reason}`);
  } else if ("grant" in verdict && verdict.grant !== undefined && verdict.grant.role !== role) {
    logger.warning(
      `Peers with the same security will refuse this ${role}: by "authorization" its certificate "${
        own === undefined ? "" : certificateName(own)
      }" is ${grantText(verdict.grant)}`,
    );
  }
  return trust;
}

function required(security: Security, field: keyof Security, role: TlsRole): string {
  const value = security[field];
  if (typeof value === "string") return value;
  const given = Object.keys(security).filter((name) => name !== "requireEncryption");
  throw new SecurityError(
    `Security for a ${role} has no "${field}"${asksForTls(security) ? `, only ${given.join(", ")}` : ""}: ` +
      `a ${role} needs "tlsCaFile" and "${FIELDS[role].cert}"`,
  );
}

async function loadCa(
  value: string,
): Promise<{ pems: readonly string[]; certificates: readonly Certificate[] }> {
  const source = await readPems("tlsCaFile", value);
  if (source.certificates.length === 0) {
    throw new SecurityError(
      `${source.label} holds no certificate: it must be the PEM text of the trusted CA`,
    );
  }
  const certificates = source.certificates.map((pem) => parse(pem, source));
  const now = Date.now();
  const live = certificates.filter((certificate) => certificate.validTo.getTime() >= now);
  if (live.length === 0) {
    throw new SecurityError(`${source.label} holds no CA that is still valid: ${validity(certificates[0])}`);
  }
  const problems = live.map((ca) => ({ ca, problem: keyProblem(ca) })).filter(({ problem }) =>
    problem !== undefined
  );
  for (const { ca, problem } of problems) {
    const text = `${source.label} holds the CA "${certificateName(ca)}" with ${problem}`;
    if (problems.length === live.length) throw new SecurityError(text);
    logger.warning(`${text}: what it signed is refused`);
  }
  return { pems: source.certificates, certificates };
}

function ownCertificate(source: Source): Certificate {
  const [first] = source.certificates;
  if (first === undefined) {
    throw new SecurityError(
      `${source.label} holds no certificate: it must be PEM text ("-----BEGIN CERTIFICATE-----")`,
    );
  }
  return parse(first, source);
}

/** @param absent The option that would name the key, if the certificate's file must hold it. */
function ownKey(source: Source, absent: string | undefined): string {
  const [first, second] = source.keys;
  if (first === undefined) {
    const hint = absent === undefined ? "" : `: set "${absent}", or add the key to that file`;
    throw new SecurityError(`${source.label} holds no private key${hint}`);
  }
  if (second !== undefined) throw new SecurityError(`${source.label} holds several private keys: leave one`);
  if (first.includes("ENCRYPTED")) {
    throw new SecurityError(
      `${source.label} holds an encrypted private key: decrypt it with "openssl pkey -in KEY -out PLAIN-KEY", ` +
        "and let nobody else read the result",
    );
  }
  return normalKey(first, source.label);
}

function checkOwn(
  own: Certificate,
  certFile: Source,
  key: string,
  keyFile: Source,
  cas: readonly Certificate[],
): void {
  if (own.version !== 3) {
    throw new SecurityError(
      `${certFile.label} is an X.509 v${own.version} certificate, which is refused: Deno does not check that its ` +
        `owner has the private key. Make a v3 one: ${MAKE_V3}`,
    );
  }
  const now = Date.now();
  if (own.validTo.getTime() < now || own.validFrom.getTime() > now) {
    throw new SecurityError(`${certFile.label} is not valid now: ${validity(own)}`);
  }
  const problem = keyProblem(own);
  if (problem !== undefined) throw new SecurityError(`${certFile.label} certifies ${problem}`);
  if (!keyBelongsTo(key, own)) {
    throw new SecurityError(
      `The private key of ${keyFile.label} does not belong to the certificate of ${certFile.label}` +
        (certFile.certificates.length > 1 ? ", whose first certificate must be the role's own" : ""),
    );
  }
  const old = certFile.certificates.slice(1).map((pem) => parse(pem, certFile))
    .find((one) => one.version !== 3 && !cas.some((ca) => isSame(ca, one)));
  if (old !== undefined) {
    throw new SecurityError(
      `${certFile.label} has "${certificateName(old)}" behind the role's own certificate, which is X.509 ` +
        `v${old.version} and refused: nothing in it says that it may sign for others. Make a v3 one, with the ` +
        'extension "basicConstraints=critical,CA:TRUE"',
    );
  }
}

/** As what a role's certificate is shown: to those that it dials, and to those that dial it. */
const PURPOSES: Readonly<Record<TlsRole, readonly Purpose[]>> = {
  client: ["client"],
  scheduler: ["server", "client"],
  worker: ["server", "client"],
};

function warnOfRefusals(
  chain: readonly Certificate[],
  role: TlsRole,
  source: Source,
  cas: readonly Certificate[],
): void {
  for (const why of ownFaults(chain, role, cas, new Date())) {
    logger.warning(`${source.label}: peers that trust the same CA will refuse this ${role}: ${why}`);
  }
}

/** Why peers that trust `cas` will refuse a role that shows `chain`, once per reason; empty if they won't. */
export function ownFaults(
  chain: readonly Certificate[],
  role: TlsRole,
  cas: readonly Certificate[],
  now: Date,
): readonly string[] {
  const found = PURPOSES[role].map((purpose) => diagnose(chain, cas, now, purpose));
  return [...new Set(found.filter((why) => why !== undefined))];
}

/** Allowed suites. What is legal, but hardly what was meant, is warned about. */
function loadCiphers(
  text: string | undefined,
  minVersion: TlsVersion,
  maxVersion: TlsVersion,
  rsa: boolean,
): ReadonlySet<string> | undefined {
  if (text === undefined) return undefined;
  const ciphers = parseCiphers(text, minVersion, maxVersion);
  for (const word of unknownCipherWords(text)) {
    logger.warning(
      `"tlsCiphers" has "${word}", which OpenSSL would pass over as well: nothing is called that`,
    );
  }
  const preferred = forbiddenPreference({ ciphers, minVersion, maxVersion, rsa });
  if (preferred !== undefined) {
    logger.warning(
      `"tlsCiphers" leaves out ${preferred}, which Deno prefers and can't be told not to: a link between two roles ` +
        "of this package will be refused",
    );
  }
  return ciphers;
}

function parse(pem: string, source: Source): Certificate {
  try {
    return parseCertificate(pem);
  } catch (cause) {
    throw new SecurityError(`${source.label} holds a certificate that can't be read`, { cause });
  }
}

function validity(certificate: Certificate | undefined): string {
  if (certificate === undefined) return "no certificate";
  const { validFrom, validTo } = certificate;
  return `it holds from ${validFrom.toISOString()} to ${validTo.toISOString()}, and now is ${
    new Date().toISOString()
  }`;
}
