/**
 * The three kinds of endpoints.
 *
 * @module
 */

/**
 * The role in which a program uses a link. It decides which certificate is shown. Without `authorization`,
 * any certificate of the CA can play any role.
 */
export type TlsRole = "client" | "scheduler" | "worker";
