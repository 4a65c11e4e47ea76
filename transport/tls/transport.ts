/**
 * The TLS transport that links use. Replacing it, the day Deno's own TLS can do it, is one line here.
 *
 * @module
 */

import { nodeTls } from "./node_tls.ts";
import type { TlsTransport } from "./tls_transport.ts";

/** Makes mutually authenticated links; nothing in `comm/` gets a TLS socket by another way. */
export const tlsTransport: TlsTransport = nodeTls;
