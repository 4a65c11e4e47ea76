/**
 * What a peer may be and do.
 *
 * @module
 */

/**
 * What a client may do, each including the one before: look at the cluster, but at no result (`observe`); run
 * tasks and have their results (`submit`); close, restart and move things (`administer`).
 */
export type ClientAccess = "observe" | "submit" | "administer";

/** What a peer may be and do, by its certificate. */
export interface Grant {
  /** What it may speak as. */
  readonly role: "client" | "scheduler" | "worker";
  /** What it may do; counts for clients only. */
  readonly access: ClientAccess;
}

const LEVELS: Readonly<Record<ClientAccess, number>> = { observe: 0, submit: 1, administer: 2 };

/** Whether access `has` includes `needs`. */
export function includes(has: ClientAccess, needs: ClientAccess): boolean {
  return LEVELS[has] >= LEVELS[needs];
}

/** Whether who had `before` still may all that it did. */
export function covers(now: Grant, before: Grant): boolean {
  return now.role === before.role && (now.role !== "client" || includes(now.access, before.access));
}

/** A grant in words, such as `a client that may observe`. */
export function grantText({ role, access }: Grant): string {
  return role === "client" ? `a client that may ${access}` : `a ${role}`;
}
