/**
 * Makes damaged inputs from the corpus and feeds them to the targets. Repeatable: input `i` of a seed is
 * always the same.
 *
 * @module
 */

import { encodeFrames } from "../../protocol/frames.ts";
import { encodeMessage } from "../../protocol/message.ts";
import { Random } from "../random.ts";
import { type Corpus, flat, type Seed } from "./corpus.ts";
import { mutateBytes, mutateMessage } from "./mutate.ts";
import { STAGES, Targets } from "./targets.ts";

/** What a run saw. */
export interface FuzzReport {
  /** Inputs that were fed. */
  readonly inputs: number;
  /** How many inputs got how far, as {@linkcode STAGES}. */
  readonly reached: readonly number[];
}

/** An input was handled in a way that is a bug. */
export class FuzzFinding extends Error {
  /** Class name. */
  override readonly name = "FuzzFinding";
}

/** Input number `index` of a seed. */
export function inputOf(corpus: Corpus, seed: number, index: number): Uint8Array {
  const random = new Random((seed * 0x9e3779b1 + index) >>> 0);
  return damaged(random.pick(random.chance(0.5) ? corpus.own : corpus.captured), random);
}

/** A message as a peer may send it: damaged as a whole, in a frame, in what it says, or not at all. */
export function damaged({ wire, frames, message }: Seed, random: Random): Uint8Array {
  const road = random.next();
  if (road < 0.15) return mutateBytes(wire, random);
  if (road < 0.25) return wire; // what comes before and after damage is sound
  if (road < 0.5 || message === undefined) {
    const damaged = random.below(Math.max(frames.length, 1));
    return flat(encodeFrames(frames.map((frame, i) => i === damaged ? mutateBytes(frame, random) : frame)));
  }
  try {
    return flat(encodeFrames(encodeMessage(mutateMessage(message, random))));
  } catch {
    return mutateBytes(wire, random); // what was made can't be said
  }
}

/** Feeds `inputs` inputs. Targets live through all of them, as a role lives through its peers. */
export function fuzz(
  corpus: Corpus,
  seed: number,
  inputs: number,
  targets: Pick<Targets, "feed"> = new Targets(),
): FuzzReport {
  const reached = STAGES.map(() => 0);
  for (let index = 0; index < inputs; index++) {
    const input = inputOf(corpus, seed, index);
    try {
      const stage = targets.feed(input);
      reached[stage] = (reached[stage] ?? 0) + 1;
    } catch (cause) {
      const again = `deno task fuzz --seed ${seed} --inputs ${index + 1} --live 0`;
      throw new FuzzFinding(`Input ${index} of seed ${seed} met a bug; again with: ${again}`, { cause });
    }
  }
  return { inputs, reached };
}

/** Share of inputs that were well framed. */
export function pastFraming({ inputs, reached }: FuzzReport): number {
  return (inputs - (reached[0] ?? 0)) / inputs;
}

/** One line per stage. */
export function describeReport({ inputs, reached }: FuzzReport): string {
  return STAGES.map((stage, i) => {
    const count = reached[i] ?? 0;
    return `${stage.padEnd(22)} ${String(count).padStart(9)}  ${(100 * count / inputs).toFixed(1)} %`;
  }).join("\n");
}
