/**
 * What is logged while a test does something.
 *
 * @module
 */

/** The lines that `act` logs. */
export function captureLog(act: () => void): string[] {
  const { writeSync } = Deno.stderr;
  let text = "";
  const decoder = new TextDecoder();
  Deno.stderr.writeSync = (bytes: Uint8Array): number => {
    text += decoder.decode(bytes);
    return bytes.length;
  };
  try {
    act();
  } finally {
    Deno.stderr.writeSync = writeSync;
  }
  return text.split("\n").filter((line) => line !== "");
}
