/**
 * Programs and commands in Markdown files, run as a reader would run them.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { runToEnd, TestProcess } from "../processes.ts";

/** A fenced block. */
export interface Block {
  /** Word after the fence. */
  readonly language: string;
  /** What is inside, with its last newline. */
  readonly text: string;
}

/** The fenced blocks of a file, in order; those of a list are indented. */
export function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^( *)```(\w+)[^\n]*\n(.*?)^\1```$/gms)]
    .map(([, indent = "", language = "", text = ""]) => ({
      language,
      text: text.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
    }));
}

/** Words of a `deno run` of one or more lines, with this Deno for `deno`, and no prompt. */
export function denoCommand(command: string): [string, ...string[]] {
  const [program, run, ...rest] = command.replaceAll("\\\n", " ").trim().split(/\s+/);
  assertEquals([program, run], ["deno", "run"]);
  return [Deno.execPath(), "run", "--no-prompt", ...rest];
}

/** Address in the text for the scheduler that the reader starts. */
const WRITTEN_ADDRESS = "tls://127.0.0.1:8786";

/** A reader at a terminal: one folder, and roles that go on running. */
export class Reader implements AsyncDisposable {
  readonly #cwd: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #roles = new AsyncDisposableStack();
  #address: string | undefined;

  /** Works in `cwd`, with `env` added to the environment. */
  constructor(cwd: string, env: Readonly<Record<string, string>>) {
    this.#cwd = cwd;
    this.#env = env;
  }

  /**
   * Does what a block says, and checks that it does what it promises. Returns whether there was something to
   * do.
   */
  async follow(block: Block): Promise<boolean> {
    if (block.language === "ts") await this.#runProgram(block.text);
    else if (block.language === "sh") await this.#runCommand(block.text);
    else return false;
    return true;
  }

  /** A program; `// name: deno run …` says how it is started; `// name: …` that it is a module of another. */
  async #runProgram(text: string): Promise<void> {
    const [, name = "main.ts", said = `deno run --allow-net --allow-read ${name}`] =
      /^\/\/ (\S+\.ts): (.*)$/m.exec(text) ?? [];
    await Deno.writeTextFile(`${this.#cwd}/${name}`, this.#here(text));
    if (!said.startsWith("deno run ")) return; // a module of the next one
    const command = denoCommand(said);
    const { code, stdout, stderr } = await this.#run(command);
    assertEquals(code, 0, `${text}\n${stderr.slice(-4000)}`);
    checkOutput(stdout, text, stderr.slice(-4000));
  }

  async #runCommand(text: string): Promise<void> {
    const role = /^deno run .*@dask\/distributed\/(scheduler|worker)\b/.exec(text)?.[1];
    if (role !== undefined) return await this.#startRole(role, this.#here(text));
    const command: [string, ...string[]] = text.startsWith("deno run ")
      ? denoCommand(this.#here(text))
      : ["sh", "-ec", text];
    const { code, stdout, stderr } = await this.#run(command);
    assertEquals(code, 0, `${text}\n${stdout}\n${stderr.slice(-4000)}`);
  }

  async #startRole(role: string, text: string): Promise<void> {
    const anywhere = role === "scheduler" ? ["--host", "127.0.0.1", "--port", "0"] : [];
    const command: [string, ...string[]] = [...denoCommand(text), ...anywhere];
    const process = this.#roles.use(
      new TestProcess({ command, cwd: this.#cwd, env: this.#env, name: role }),
    );
    if (role === "worker") return void await process.line(/Registered to:\s+t/, { deadline: 120 });
    [, this.#address] = await process.line(/Scheduler at:\s+(\w+:\S+)/, { deadline: 120 });
  }

  async #run(command: [string, ...string[]]): Promise<{ code: number; stdout: string; stderr: string }> {
    return await runToEnd({ command, cwd: this.#cwd, env: this.#env });
  }

  /** The text with the address of the scheduler that runs. */
  #here(text: string): string {
    return this.#address === undefined ? text : text.replaceAll(WRITTEN_ADDRESS, this.#address);
  }

  /** Ends the roles. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#roles.disposeAsync();
  }
}

/**
 * Each `console.log(…); // text` must print `text`, in order; `…` at its end stands for anything. Programs
 * that print without saying what are not checked.
 */
export function checkOutput(printed: string, program: string, stderr = ""): void {
  const expected = [...program.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text]) => text ?? "");
  const lines = printed.split("\n");
  for (const text of expected) {
    const line = lines.shift() ?? "";
    const matches = text.endsWith("…") ? line.startsWith(text.slice(0, -1).trimEnd()) : line === text;
    assert(matches, `printed "${line}" for "${text}"\n${stderr}`);
  }
}
