/**
 * Requests to every role that answers requests.
 *
 * @module
 */

import { isRecord, isText, listOf } from "./common.ts";
import type { LinkFacts } from "./facts.ts";
import { EVERYBODY, expecting, OBSERVE, plain } from "./operations.ts";

/** Ends the link. */
export const CLOSE = {
  access: EVERYBODY,
  answer: "small",
  request: plain("close"),
  reply: expecting("a text", isText),
  endsLink: true,
} as const;

/** Not in Dask: asks for the open links of a role. */
export const LINKS = {
  access: OBSERVE,
  answer: "question",
  request: plain("links"),
  reply: expecting("a list of links", listOf((link): link is LinkFacts => isRecord(link))),
} as const;
