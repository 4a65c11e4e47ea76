/**
 * The cases of the matrix: their product, what is expected of each, and a pairwise choice.
 *
 * @module
 */

import { HEARD, KINDS, LINKS, PARTIES, VERSIONS } from "./expected.ts";
import { type End, type Holding, isOurs, type Kind, type Party } from "./kind.ts";
import { KEY_TYPES, type KeyType } from "./pki.ts";

/** One case. */
export interface Case {
  /** What the odd end holds. */
  readonly kind: Kind;
  /** Which end that is. */
  readonly odd: End;
  /** Who is at each end. */
  readonly parties: Readonly<Record<End, Party>>;
  /** What each end is. */
  readonly roles: Readonly<Record<End, "client" | "scheduler" | "worker">>;
  /** TLS version of both ends. */
  readonly version: "1.2" | "1.3";
  /** Kind of all keys. */
  readonly key: KeyType;
}

/** What must become of one end. */
export interface Expected {
  /** `idle`: nobody came, since the other end did not start. */
  readonly how: "linked" | "refused" | "start" | "idle";
  /** What it says. */
  readonly text: RegExp;
}

/** Both ends. */
export const ENDS: readonly End[] = ["dialler", "listener"];

/** The whole product, without what can't be. */
export function allCases(python: boolean): readonly Case[] {
  const cases: Case[] = [];
  for (const kind of KINDS) {
    for (const [dialler, listener] of PARTIES) {
      if (!python && (dialler === "python" || listener === "python")) continue;
      for (const odd of ENDS) {
        for (const [dials, listens] of LINKS) {
          for (const version of VERSIONS) {
            for (const key of KEY_TYPES) {
              const parties = { dialler, listener };
              const party = parties[odd];
              const other = parties[odd === "dialler" ? "listener" : "dialler"];
              if (kind.not?.({ party, other, end: odd, key }) === true) continue;
              const one = { kind, odd, parties, roles: { dialler: dials, listener: listens }, version, key };
              if (isLibrary(one) || isForPrograms(one)) cases.push(one);
            }
          }
        }
      }
    }
  }
  return cases;
}

/** Whether programs are at the ends. */
export function isProgram({ parties }: Case): boolean {
  return parties.dialler === "program";
}

/** Whether the ends are anything but programs. */
export function isLibrary(one: Case): boolean {
  return !isProgram(one);
}

/** A program takes a moment to start: not every combination is worth it. */
function isForPrograms({ kind, odd, roles, version, key }: Case): boolean {
  if (roles.listener !== "scheduler" || version !== "1.3" || key !== "ec") return false;
  // Nobody dials a scheduler that does not start.
  return kind.start === undefined || odd === "dialler" || roles.dialler === "client";
}

/** What must happen, by the table of facts. */
export function expectedOf({ kind, odd, parties, version }: Case): Readonly<Record<End, Expected>> {
  const judge: End = odd === "dialler" ? "listener" : "dialler";
  const [holder, verifier] = [parties[odd], parties[judge]];
  const both = (ofOdd: Expected, ofJudge: Expected): Readonly<Record<End, Expected>> =>
    odd === "dialler" ? { dialler: ofOdd, listener: ofJudge } : { dialler: ofJudge, listener: ofOdd };
  const start = (holder === "program" ? kind.usage : undefined) ?? kind.start;
  if (start !== undefined && isOurs(holder)) {
    return both({ how: "start", text: start }, { how: "idle", text: /^$/ });
  }
  if (kind.refused === undefined) {
    const text = (party: Party): RegExp => {
      if (party === "program") {
        return /^TLSv1\.3$|^This link +TLSv1\.3, |^Register|^Registered to: +tls:\/\//m;
      }
      return party === "ours" || party === "python" ? new RegExp(`^TLSv${version}$`) : /./;
    };
    return both({ how: "linked", text: text(holder) }, { how: "linked", text: text(verifier) });
  }
  return both(
    { how: "refused", text: holder === "ours" || holder === "program" ? kind.refused.told : HEARD[holder] },
    { how: "refused", text: wordsOf(kind, verifier, odd) },
  );
}

function wordsOf({ refused }: Kind, verifier: Party, odd: End): RegExp {
  if (refused === undefined) return /never/;
  if (verifier === "deno") return refused.deno;
  if (!isOurs(verifier)) return refused.openssl;
  return refused.ours instanceof RegExp ? refused.ours : refused.ours[odd];
}

/** What the odd end holds. */
export function holdingOf({ holds }: Kind, odd: End): Holding {
  return "dialler" in holds ? holds[odd] : holds;
}

/** In words. */
export function titleOf({ kind, odd, parties, roles, version, key }: Case): string {
  const end = (which: End): string =>
    `${parties[which]} ${roles[which]}${which === odd ? ` (${kind.name})` : ""}`;
  return `${end("dialler")} -> ${end("listener")}, TLS ${version}, ${key}`;
}

/** A choice in which every two values that occur together in a case occur together. */
export function pairwise(cases: readonly Case[]): readonly Case[] {
  const pairs = new Map(cases.map((one) => [one, pairsOf(one)]));
  const missing = new Set([...pairs.values()].flat());
  const chosen: Case[] = [];
  while (missing.size > 0) {
    let [best, most] = [cases[0], 0];
    for (const [one, its] of pairs) {
      let news = 0;
      for (const pair of its) if (missing.has(pair)) news++;
      if (news > most) [best, most] = [one, news];
    }
    if (best === undefined) break;
    chosen.push(best);
    for (const pair of pairs.get(best) ?? []) missing.delete(pair);
    pairs.delete(best);
  }
  return chosen;
}

function pairsOf({ kind, odd, parties, roles, version, key }: Case): readonly string[] {
  const values = [
    kind.name,
    `odd ${odd}`,
    `${parties.dialler}-${parties.listener}`,
    `${roles.dialler}>${roles.listener}`,
    version,
    key,
  ];
  return values.flatMap((one, at) => values.slice(at + 1).map((other) => `${one}|${other}`));
}
