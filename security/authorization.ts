/**
 * Who may speak as what, by what its certificate says.
 *
 * Pure: rules and a certificate in, a grant or nothing out.
 *
 * @module
 */

import type { ClientAccess, Grant } from "../messages/grant.ts";
import { SecurityError } from "./material/errors.ts";
import { nearest } from "../internal/nearest.ts";
import type { TlsRole } from "./roles.ts";
import { fingerprints } from "./x509/twins.ts";
import { type Certificate, hexOf } from "./x509/certificate.ts";

/**
 * A rule that matches certificates and gives them a role. All fields that are set must match; a rule without
 * fields matches every certificate. `*` matches one or more characters: in a URI within one part of the path,
 * in a DNS name between two dots, in OU and CN anywhere.
 */
export interface CertificateRule {
  /** URI in the subject alternative names, such as `spiffe://acme/worker/*`. */
  readonly uri?: string;
  /** DNS name in the subject alternative names; case does not matter. */
  readonly dns?: string;
  /** Organizational unit of the subject. */
  readonly ou?: string;
  /** Common name of the subject. */
  readonly cn?: string;
  /** SHA-256 of the certificate, hexadecimal, with or without colons. */
  readonly fingerprint?: string;
  /** Role of the certificate. */
  readonly role: TlsRole;
  /** What a client may do. @default {"submit"} */
  readonly access?: ClientAccess;
}

/**
 * Which certificates may play which role. The first rule that matches decides; a certificate that matches no
 * rule is refused.
 */
export interface Authorization {
  /** In order. */
  readonly rules: readonly CertificateRule[];
}

const ROLES: readonly unknown[] = ["scheduler", "worker", "client"];
const ACCESS: readonly unknown[] = ["observe", "submit", "administer"];
const PATTERNS = ["uri", "dns", "ou", "cn", "fingerprint"] as const;
const FIELDS: readonly string[] = [...PATTERNS, "role", "access"];

/** {@linkcode Authorization}, ready to be asked. */
export class Rules {
  readonly #rules: readonly CompiledRule[];

  /** Compiles rules that {@linkcode checkAuthorization} took. */
  constructor(authorization: Authorization) {
    this.#rules = authorization.rules.map((rule) => new CompiledRule(rule));
  }

  /** What the owner of `certificate` may be; nothing if no rule matches. */
  grant(certificate: Certificate): Grant | undefined {
    return this.#rules.find((rule) => rule.matches(certificate))?.grant;
  }
}

/**
 * Checks rules from outside.
 *
 * @throws {SecurityError} If one can't be used; the message has its position and field.
 */
export function checkAuthorization(value: unknown): Authorization {
  if (!isPlain(value) || !Array.isArray(value["rules"])) {
    throw new SecurityError('Security option "authorization" must be a record { rules: [{ role, … }, …] }');
  }
  for (const field of Object.keys(value)) {
    if (field !== "rules") throw new SecurityError(`Unknown option "authorization.${field}": known is rules`);
  }
  const rules: readonly unknown[] = value["rules"];
  if (rules.length === 0) {
    throw new SecurityError(
      '"authorization.rules" is empty, which would refuse everybody: leave "authorization" out, or add rules',
    );
  }
  for (const [at, rule] of rules.entries()) checkRule(rule, `authorization.rules[${at}]`);
  return { rules: rules.map((rule) => ({ ...rule as CertificateRule })) };
}

function checkRule(rule: unknown, path: string): void {
  if (!isPlain(rule)) {
    throw new SecurityError(`"${path}" must be a record such as { cn: "worker-*", role: "worker" }`);
  }
  for (const [field, value] of Object.entries(rule)) {
    if (!FIELDS.includes(field)) {
      const guess = nearest(field, FIELDS);
      throw new SecurityError(
        `Unknown option "${path}.${field}": ${
          guess === undefined ? `known are ${FIELDS.join(", ")}` : `did you mean "${guess}"?`
        }`,
      );
    }
    // A field that is there and undefined was meant to narrow the rule: without it, it might fit everybody.
    if (typeof value !== "string" || value === "") {
      throw new SecurityError(`"${path}.${field}" must be text that is not empty`);
    }
  }
  const { role, access, fingerprint } = rule as Partial<Record<string, string>>;
  if (!ROLES.includes(role)) {
    throw new SecurityError(`"${path}.role" must be "scheduler", "worker" or "client", not ${shown(role)}`);
  }
  if (access !== undefined && !ACCESS.includes(access)) {
    throw new SecurityError(
      `"${path}.access" must be "observe", "submit" or "administer", not ${shown(access)}`,
    );
  }
  if (access !== undefined && role !== "client") {
    throw new SecurityError(
      `"${path}.access" is for clients, and the rule's role is "${role}": leave it out`,
    );
  }
  if (fingerprint !== undefined && !/^[0-9a-f]{64}$/i.test(hexOf(fingerprint))) {
    throw new SecurityError(
      `"${path}.fingerprint" must be a SHA-256 in hexadecimal (64 digits), as ` +
        '"openssl x509 -noout -fingerprint -sha256 -in CERT" prints it',
    );
  }
}

class CompiledRule {
  readonly grant: Grant;
  readonly #uri: RegExp | undefined;
  readonly #dns: RegExp | undefined;
  readonly #ou: RegExp | undefined;
  readonly #cn: RegExp | undefined;
  readonly #fingerprint: string | undefined;

  constructor(rule: CertificateRule) {
    this.grant = { role: rule.role, access: rule.access ?? "submit" };
    this.#uri = pattern(rule.uri, "[^/]+", "");
    this.#dns = pattern(rule.dns, "[^.]+", "i");
    this.#ou = pattern(rule.ou, "[^]+", "");
    this.#cn = pattern(rule.cn, "[^]+", "");
    this.#fingerprint = rule.fingerprint === undefined ? undefined : hexOf(rule.fingerprint);
  }

  matches(certificate: Certificate): boolean {
    const { uris, dnsNames } = certificate.extensions;
    return fits(this.#uri, uris) && fits(this.#dns, dnsNames) &&
      fits(this.#ou, named(certificate, "OU")) && fits(this.#cn, named(certificate, "CN")) &&
      (this.#fingerprint === undefined ||
        fingerprints(certificate.raw).some((one) => hexOf(one) === this.#fingerprint));
  }
}

function fits(pattern: RegExp | undefined, values: readonly string[]): boolean {
  return pattern === undefined || values.some((value) => pattern.test(value));
}

function named({ subject }: Certificate, type: string): string[] {
  return subject.filter(([name]) => name === type).map(([, value]) => value);
}

function pattern(text: string | undefined, star: string, flags: string): RegExp | undefined {
  if (text === undefined) return undefined;
  return new RegExp(`^${text.split("*").map(RegExp.escape).join(star)}$`, flags);
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(value: string | undefined): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}
