/**
 * The function part of a key (`dask/utils.py`, `key_split`).
 *
 * @module
 */

const ALPHABETIC = /^\p{L}+$/u;
const STARTS_ALPHABETIC = /^\p{L}/u;
const STARTS_HEXADECIMAL = /^[a-f]/; // Dask checks only this
const TOKEN = /^[a-f0-9]{32}$/;

/**
 * `"inc"` of `"inc-1f3a-17"`, `"add-all"` of `"add-all-2"`, `"x"` of `"('x-2', 1)"`, `"data"` of a bare
 * token.
 */
export function keySplit(key: string): string {
  const words = key.split("-");
  const first = words[0] ?? "";
  if (first === "") return "Other";
  let result = STARTS_ALPHABETIC.test(first) ? first : strip(first.split(",")[0] ?? "", "_'()\"");
  for (let i = 1; i < words.length; i++) {
    const word = words[i] ?? "";
    if (!ALPHABETIC.test(word) || (word.length === 8 && STARTS_HEXADECIMAL.test(word))) break;
    result += `-${word}`;
  }
  if (TOKEN.test(result)) return "data";
  if (result.startsWith("<")) {
    result = strip(result, "<>").split(/\s+/)[0]?.split(".").at(-1) ?? result;
  }
  return result;
}

function strip(text: string, characters: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && characters.includes(text.charAt(start))) start++;
  while (end > start && characters.includes(text.charAt(end - 1))) end--;
  return text.slice(start, end);
}
