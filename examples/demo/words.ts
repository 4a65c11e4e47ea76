/**
 * The tasks of the demo. Each is shipped to workers as source, so it uses its arguments and globals only.
 *
 * @module
 */

/** Statistics of one or many files. */
export interface WordStatistics {
  /** Files that were read. */
  files: number;
  /** Bytes of all. */
  bytes: number;
  /** Lines of all. */
  lines: number;
  /** Words of all. */
  words: number;
  /** How often each word occurs. */
  counts: Record<string, number>;
}

/** Reads a file on the worker and counts its words. */
export async function countWords(path: string): Promise<WordStatistics> {
  const bytes = await Deno.readFile(path);
  const text = new TextDecoder().decode(bytes);
  const counts = new Map<string, number>();
  let words = 0;
  for (const match of text.matchAll(/\p{L}[\p{L}\p{N}_']*/gu)) {
    const word = match[0].toLowerCase();
    counts.set(word, (counts.get(word) ?? 0) + 1);
    words++;
  }
  return {
    files: 1,
    bytes: bytes.byteLength,
    lines: text.split("\n").length,
    words,
    counts: Object.fromEntries(counts),
  };
}

/** Adds statistics up. */
export function mergeStatistics(parts: WordStatistics[]): WordStatistics {
  const counts = new Map<string, number>();
  const sum = { files: 0, bytes: 0, lines: 0, words: 0 };
  for (const part of parts) {
    sum.files += part.files;
    sum.bytes += part.bytes;
    sum.lines += part.lines;
    sum.words += part.words;
    for (const word in part.counts) counts.set(word, (counts.get(word) ?? 0) + (part.counts[word] ?? 0));
  }
  return { ...sum, counts: Object.fromEntries(counts) };
}
