/**
 * Roles and rights of peers.
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

/** Whether the access level `has` includes `needs`. */
export function includes(has: ClientAccess, needs: ClientAccess): boolean {
  return LEVELS[has] >= LEVELS[needs];
}

/** Whether `now` allows everything that `before` allowed. */
export function covers(now: Grant, before: Grant): boolean {
  return now.role === before.role && (now.role !== "client" || includes(now.access, before.access));
}

/** Returns a grant as text, such as `a client that may observe`. */
export function grantText({ role, access }: Grant): string {
  return role === "client" ? `a client that may ${access}` : `a ${role}`;
}
