/**
 * Runs commands for the tools. Output is printed at once, and kept.
 *
 * @module
 */

/** Result of a command. */
export interface Ran {
  /** Exit code. */
  readonly code: number;
  /** Both streams, in the order of arrival. */
  readonly output: string;
}

/** Options of a command. */
export interface RunOptions {
  /** Working directory. */
  readonly cwd?: URL;
  /** Environment variables in addition to the inherited ones. */
  readonly env?: Readonly<Record<string, string>>;
  /** Keep the output without printing it. */
  readonly quiet?: boolean;
  /** Minutes after which it is killed. */
  readonly limit?: number;
}

/** Prints a line to stdout. */
export function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** Runs a command until it ends. */
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
