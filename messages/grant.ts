/**
 * What a peer may be and do.
 *
 * @module
 */

/**
 * What a client may do. Each level includes the one before. `observe`: look at the cluster, but not at
 * results. `submit`: run tasks and fetch results. `administer`: retire workers, end the cluster.
 */
export type ClientAccess = "observe" | "submit" | "administer";

/** What a peer's certificate allows it to be and do. */
export interface Grant {
  /** Role that the peer may play. */
  readonly role: "client" | "scheduler" | "worker";
  /** What a client may do; ignored for other roles. */
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
