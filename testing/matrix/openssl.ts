/**
 * The `openssl` command.
 *
 * @module
 */

import { runToEnd } from "../processes.ts";

/** Runs the `openssl` command to its end. */
export async function openssl(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runToEnd({ command: ["openssl", ...args] });
  if (code !== 0) throw new Error(`openssl ${args.join(" ")} ended with ${code}: ${stderr}`);
  return stdout;
}
