/**
 * From a {@linkcode Security} record to the options that links take.
 *
 * @module
 */

import { loadTlsContext } from "../security/context.ts";
import {
  asksForTls,
  checkSecurity,
  requiresEncryption,
  type Security,
  type TlsRole,
} from "../security/security.ts";
import type { LinkOptions } from "./link_options.ts";

/**
 * Reads and checks what `security` names for `role`.
 *
 * @throws {SecurityError} If the record, or a file that it names, can't be used.
 */
export async function linkOptions(security: Security | undefined, role: TlsRole): Promise<LinkOptions> {
  if (security === undefined) return {};
  const checked = checkSecurity(security);
  return {
    context: asksForTls(checked) ? await loadTlsContext(checked, role) : undefined,
    requireEncryption: requiresEncryption(checked),
  };
}
