/**
 * Values of environment variables, which Dask reads as literals of Python (`dask.config.interpret_value`).
 *
 * @module
 */

/** A value of configuration. */
export type ConfigValue =
  | null
  | boolean
  | number
  | string
  | readonly ConfigValue[]
  | { readonly [key: string]: ConfigValue };

const WORDS: Readonly<Record<string, ConfigValue>> = { none: null, null: null, false: false, true: true };

/** What `text` means: a literal of Python if it is one, else itself. */
export function interpretValue(text: string): ConfigValue {
  try {
    return new Reader(text.trim()).whole();
  } catch (error) {
    if (!(error instanceof NoLiteral)) throw error;
  }
  const word = text.toLowerCase();
  return Object.hasOwn(WORDS, word) ? WORDS[word] ?? null : text;
}

/** Not for callers: the text is no literal. */
class NoLiteral extends Error {}

const NUMBER =
  /[+-]?(?:0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)/y;
const NAME = /[A-Za-z_]\w*/y;
const SPACE = /\s*/y;
const DEEPEST = 100;

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  "\\": "\\",
  "'": "'",
  '"': '"',
  "0": "\0",
};

class Reader {
  #at = 0;
  #depth = 0;

  constructor(readonly text: string) {}

  whole(): ConfigValue {
    const value = this.#value();
    this.#space();
    if (this.#at < this.text.length) throw new NoLiteral();
    return value;
  }

  #value(): ConfigValue {
    this.#space();
    const next = this.text[this.#at];
    if (next === undefined || ++this.#depth > DEEPEST) throw new NoLiteral();
    const value = next === "[" || next === "("
      ? this.#list(next === "[" ? "]" : ")")
      : next === "{"
      ? this.#mapping()
      : next === "'" || next === '"'
      ? this.#string(next)
      : this.#atom();
    this.#depth--;
    return value;
  }

  #atom(): ConfigValue {
    const name = this.#match(NAME);
    if (name === "None") return null;
    if (name === "True" || name === "False") return name === "True";
    const digits = name === undefined ? this.#match(NUMBER) : undefined;
    // Python has no whole numbers with zeros in front.
    if (digits === undefined || /^[+-]?0[\d_]*[1-9][\d_]*$/.test(digits)) throw new NoLiteral();
    const sign = digits.startsWith("-") ? -1 : 1;
    const number = sign * Number(digits.replace(/^[+-]/, "").replaceAll("_", ""));
    if (Number.isNaN(number)) throw new NoLiteral();
    return number;
  }

  #string(quote: string): string {
    let text = "";
    for (this.#at++;; this.#at++) {
      let char = this.text[this.#at];
      if (char === undefined || char === "\n") throw new NoLiteral();
      if (char === quote) break;
      if (char === "\\") {
        const escaped = this.text[++this.#at] ?? "";
        char = ESCAPES[escaped];
        if (char === undefined) throw new NoLiteral();
      }
      text += char;
    }
    this.#at++;
    return text;
  }

  /** A list or a tuple; what is in parentheses without a comma is only itself. */
  #list(end: string): ConfigValue {
    this.#at++;
    const values: ConfigValue[] = [];
    let commas = 0;
    while (!this.#take(end)) {
      if (values.length > commas) throw new NoLiteral();
      values.push(this.#value());
      if (this.#take(",")) commas++;
    }
    const [only] = values;
    return end === ")" && only !== undefined && commas === 0 ? only : values;
  }

  #mapping(): ConfigValue {
    this.#at++;
    const entries: [string, ConfigValue][] = [];
    let commas = 0;
    while (!this.#take("}")) {
      if (entries.length > commas) throw new NoLiteral();
      const key = this.#value();
      if (!this.#take(":") || (key !== null && typeof key === "object")) throw new NoLiteral();
      entries.push([String(key), this.#value()]);
      if (this.#take(",")) commas++;
    }
    return Object.fromEntries(entries);
  }

  #take(char: string): boolean {
    this.#space();
    if (this.text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    this.#match(SPACE);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }
}
