/**
 * Replays a recording of `--record`: `deno task replay FILE`.
 *
 * @module
 */

import { replay, ReplayError } from "../scheduler/replay.ts";
import { say } from "./run.ts";

/** Yields the lines of a file. */
async function* linesOf(path: string): AsyncIterableIterator<string> {
  using file = await Deno.open(path);
  let rest = "";
  for await (const text of file.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  // An incomplete last line was cut off when the scheduler died.
  if (rest !== "") say(`The last line is incomplete and left out: ${rest.slice(0, 60)}…`);
}

async function main(args: readonly string[]): Promise<number> {
  const [path] = args;
  if (path === undefined || args.length > 1 || path.startsWith("-")) {
    say("usage: deno task replay FILE");
    return 2;
  }
  try {
    const { stimuli, digests, transitions } = await replay({
      [Symbol.asyncIterator]: () => linesOf(path),
    });
    say(`${stimuli} stimuli, ${transitions} transitions, ${digests} digests equal: every invariant held`);
    return 0;
  } catch (error) {
    if (!(error instanceof ReplayError) && !(error instanceof Deno.errors.NotFound)) throw error;
    say(error.message);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
