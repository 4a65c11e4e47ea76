/**
 * A cluster's certificates with `authorization`, for tests: who is who by its organizational unit.
 *
 * @module
 */

import type { Authorization } from "../../security/authorization.ts";
import type { Security } from "../../security/security.ts";
import { TestCa, type TestPair } from "./pki.ts";

/** Units and what they may be. */
export const RULES: Authorization = {
  rules: [
    { ou: "schedulers", role: "scheduler" },
    { ou: "workers", role: "worker" },
    { ou: "admins", role: "client", access: "administer" },
    { ou: "users", role: "client" },
    { ou: "watchers", role: "client", access: "observe" },
  ],
};

/** Hands out certificates of one CA. */
export class RuledPki {
  /** The CA. */
  readonly ca: TestCa;

  private constructor(ca: TestCa) {
    this.ca = ca;
  }

  /** Makes one. */
  static async make(): Promise<RuledPki> {
    return new RuledPki(await TestCa.make());
  }

  /** A pair for somebody in `unit`. */
  async pair(unit: string, name: string = unit): Promise<TestPair> {
    return await this.ca.issue(name, { subject: [["O", "test"], ["OU", unit], ["CN", name]] });
  }

  /** A record of somebody in `unit`, who shows the same certificate in every role, and goes by the rules. */
  async security(unit: string, name?: string): Promise<Security> {
    return { ...await this.lenient(unit, name), authorization: RULES };
  }

  /** The same for somebody who has no rules, and so may try what the others refuse. */
  async lenient(unit: string, name?: string): Promise<Security> {
    const { cert, key } = await this.pair(unit, name);
    return {
      tlsCaFile: this.ca.pem,
      tlsClientCert: cert,
      tlsClientKey: key,
      tlsSchedulerCert: cert,
      tlsSchedulerKey: key,
      tlsWorkerCert: cert,
      tlsWorkerKey: key,
    };
  }
}
