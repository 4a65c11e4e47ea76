/**
 * The three kinds of endpoints.
 *
 * @module
 */

/** What a link is used as. Decides which certificate is shown; any certificate of the CA may play any role. */
export type TlsRole = "client" | "scheduler" | "worker";
