/**
 * Running commands for the tools: output is passed on as it comes, and kept.
 *
 * @module
 */

/** How a command ended. */
export interface Ran {
  /** Exit code. */
  readonly code: number;
  /** Both streams, in the order in which they came. */
  readonly output: string;
}

/** How a command is run. */
export interface RunOptions {
  /** Working directory. */
  readonly cwd?: URL;
  /** Environment on top of the inherited one. */
  readonly env?: Readonly<Record<string, string>>;
  /** Keep the output instead of passing it on as well. */
  readonly quiet?: boolean;
  /** Minutes after which it is killed. */
  readonly limit?: number;
}

/** Prints a line to stdout. */
export function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** Runs a command to its end. */
export async function run(command: readonly [string, ...string[]], options: RunOptions = {}): Promise<Ran> {
  const [program, ...args] = command;
  const child = new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: { ...options.env } }),
  }).spawn();
  const pieces: string[] = [];
  const pass = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      pieces.push(text);
      if (options.quiet !== true) Deno.stdout.writeSync(new TextEncoder().encode(text));
    }
  };
  const kill = (): void => {
    say(`"${command.join(" ")}" did not end within ${options.limit} minutes`);
    child.kill("SIGKILL");
  };
  const timer = options.limit === undefined ? undefined : setTimeout(kill, options.limit * 60_000);
  try {
    const [status] = await Promise.all([child.status, pass(child.stdout), pass(child.stderr)]);
    return { code: status.code, output: pieces.join("") };
  } finally {
    clearTimeout(timer);
  }
}
