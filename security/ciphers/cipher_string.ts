/**
 * OpenSSL's cipher strings, read as `ssl_create_cipher_list` in `ssl/ssl_ciph.c` reads them, for the suites
 * that Deno can negotiate. What a string does to other suites is of no effect here, so their words are passed
 * over.
 *
 * @module
 */

/** The words of a suite, as bits, so that `+` between words is a bitwise "and" as in OpenSSL. */
interface Traits {
  readonly exchange?: number;
  readonly authentication?: number;
  readonly encryption?: number;
  readonly version?: number;
  readonly strength?: number;
}

interface Suite extends Required<Traits> {
  readonly name: string;
  /** IANA's name, which OpenSSL understands as well. */
  readonly standard: string;
  readonly bits: number;
}

const ECDHE = 1;
const [RSA, ECDSA] = [1, 2];
const [AES128GCM, AES256GCM, CHACHA20] = [1, 2, 4];
const TLS12 = 1;
const [HIGH, FIPS] = [1, 2];

function suite(
  name: string,
  standard: string,
  authentication: number,
  encryption: number,
): Suite {
  return {
    name,
    standard,
    exchange: ECDHE,
    authentication,
    encryption,
    version: TLS12,
    strength: encryption === CHACHA20 ? HIGH : HIGH | FIPS,
    bits: encryption === AES128GCM ? 128 : 256,
  };
}

/** What Deno has for TLS 1.2. */
const TLS12_SUITES: readonly Suite[] = [
  suite("ECDHE-ECDSA-AES256-GCM-SHA384", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", ECDSA, AES256GCM),
  suite("ECDHE-ECDSA-AES128-GCM-SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", ECDSA, AES128GCM),
  suite("ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", ECDSA, CHACHA20),
  suite("ECDHE-RSA-AES256-GCM-SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", RSA, AES256GCM),
  suite("ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", RSA, AES128GCM),
  suite("ECDHE-RSA-CHACHA20-POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", RSA, CHACHA20),
];

/** What Deno has for TLS 1.3, and the bits of each. */
const TLS13_SUITES: ReadonlyMap<string, number> = new Map([
  ["TLS_AES_256_GCM_SHA384", 256],
  ["TLS_AES_128_GCM_SHA256", 128],
  ["TLS_CHACHA20_POLY1305_SHA256", 256],
]);

/** All of TLS 1.3's suites; those without Deno's can be named too. */
const TLS13_NAME = /^TLS_(?:AES_(?:128|256)_(?:GCM|CCM|CCM_8)|CHACHA20_POLY1305)_SHA(?:256|384)$/;

/** Words that some of Deno's suites answer to. */
const WORDS: Readonly<Record<string, Traits>> = {
  ALL: {},
  kEECDH: { exchange: ECDHE },
  kECDHE: { exchange: ECDHE },
  ECDH: { exchange: ECDHE },
  EECDH: { exchange: ECDHE, authentication: RSA | ECDSA },
  ECDHE: { exchange: ECDHE, authentication: RSA | ECDSA },
  aRSA: { authentication: RSA },
  aECDSA: { authentication: ECDSA },
  ECDSA: { authentication: ECDSA },
  AES128: { encryption: AES128GCM },
  AES256: { encryption: AES256GCM },
  AES: { encryption: AES128GCM | AES256GCM },
  AESGCM: { encryption: AES128GCM | AES256GCM },
  CHACHA20: { encryption: CHACHA20 },
  "TLSv1.2": { version: TLS12 },
  HIGH: { strength: HIGH },
  FIPS: { strength: FIPS },
};

/** OpenSSL's words for suites that Deno has not: legal, and without effect here. */
const OTHER_WORDS: ReadonlySet<string> = new Set(
  ("COMPLEMENTOFALL COMPLEMENTOFDEFAULT kRSA kEDH kDHE DH kDHr kDHd kDH kECDHr kECDHe kECDH kPSK kRSAPSK kECDHEPSK " +
    "kDHEPSK kSRP kGOST kGOST18 aDSS DSS aNULL aPSK aGOST aGOST01 aGOST12 aSRP aDH aECDH EDH DHE NULL eNULL RSA ADH " +
    "AECDH PSK SRP 3DES DES RC4 RC2 IDEA SEED GOST89 GOST94 GOST89MAC GOST12 AESCCM AESCCM8 CAMELLIA CAMELLIA128 " +
    "CAMELLIA256 ARIA ARIAGCM ARIA128 ARIA256 CBC MD5 SHA SHA1 SHA256 SHA384 SSLv2 SSLv3 TLSv1 TLSv1.0 LOW MEDIUM " +
    "EXP EXP40 EXP56 EXPORT EXPORT40 EXPORT56").split(" "),
);

/** Suite B (RFC 6460) stands for a whole string, whatever comes behind it. The longest words first. */
const SUITE_B: readonly (readonly [word: string, string: string])[] = [
  ["SUITEB128ONLY", "ECDHE-ECDSA-AES128-GCM-SHA256"],
  ["SUITEB128C2", "ECDHE-ECDSA-AES256-GCM-SHA384"],
  ["SUITEB128", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"],
  ["SUITEB192", "ECDHE-ECDSA-AES256-GCM-SHA384"],
];

/** Fewest bits of a suite, by security level. */
const LEVEL_BITS: readonly number[] = [0, 80, 112, 128, 192, 256];

const ITEM = /([-+!@]?)([A-Za-z0-9\-_.=]*)/y;
const SEPARATORS = /[: ;,]*/y;
const WORD = /[A-Za-z0-9\-_.=]+/y;
const REST_OF_ITEM = /[^: ;,]*/y;

/** What a cipher string lets through. */
export interface CipherString {
  /** Suites of TLS 1.2, OpenSSL's names. */
  readonly tls12: ReadonlySet<string>;
  /** Suites of TLS 1.3. */
  readonly tls13: ReadonlySet<string>;
  /** Whether it names suites of TLS 1.3; if not, it leaves them all. */
  readonly namesTls13: boolean;
  /** Words that OpenSSL does not know, and passes over. */
  readonly unknown: readonly string[];
}

/**
 * Expands a cipher string.
 *
 * @throws {SyntaxError} Where OpenSSL does too; the message is the part that can't be read.
 */
export function expandCipherString(text: string): CipherString {
  const suiteB = SUITE_B.find(([word]) => text.startsWith(word));
  if (suiteB !== undefined) return new Expansion(suiteB[1]).result();
  return new Expansion(text).result();
}

/** One string being read. */
class Expansion {
  readonly #text: string;
  readonly #active = new Set<Suite>();
  readonly #killed = new Set<Suite>();
  readonly #named13 = new Set<string>();
  readonly #without13 = new Set<string>();
  readonly #unknown: string[] = [];
  #namesTls13 = false;
  #level = 0;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  result(): CipherString {
    if (this.#text.startsWith("DEFAULT")) {
      for (const one of TLS12_SUITES) this.#active.add(one);
      this.#at = "DEFAULT".length;
    }
    this.#skip(SEPARATORS);
    while (this.#at < this.#text.length) {
      this.#item();
      this.#skip(SEPARATORS);
    }
    const least = LEVEL_BITS[this.#level] ?? 0;
    const tls13 = [...TLS13_SUITES].filter(([name, bits]) =>
      bits >= least && !this.#without13.has(name) && (!this.#namesTls13 || this.#named13.has(name))
    );
    return {
      tls12: new Set([...this.#active].filter(({ bits }) => bits >= least).map(({ name }) => name)),
      tls13: new Set(tls13.map(([name]) => name)),
      namesTls13: this.#namesTls13,
      unknown: this.#unknown,
    };
  }

  /** One part of the string: a sign, and words with `+` between. */
  #item(): void {
    const start = this.#at;
    const [, sign = "", first = ""] = this.#match(ITEM);
    if (first === "") throw new SyntaxError(this.#text.slice(start));
    if (sign === "@") return this.#command(first);
    const words = [first];
    while (this.#text[this.#at] === "+") {
      this.#at++;
      const [word = ""] = this.#match(WORD);
      if (word === "") throw new SyntaxError(this.#text.slice(start));
      words.push(word);
    }
    if (words.length === 1 && TLS13_NAME.test(first)) return this.#tls13(sign, first);
    const found = this.#select(words);
    if (found === undefined) this.#skip(REST_OF_ITEM);
    else this.#apply(sign, found);
  }

  #command(word: string): void {
    const level = /^SECLEVEL=([0-5])$/.exec(word)?.[1];
    if (level !== undefined) this.#level = Number(level);
    else if (word !== "STRENGTH") throw new SyntaxError(`@${word}`);
    this.#skip(REST_OF_ITEM);
  }

  /** OpenSSL has a list of their own for these; here they are named in the same string. */
  #tls13(sign: string, name: string): void {
    if (sign === "!" || sign === "-") {
      this.#without13.add(name);
    } else if (sign === "") {
      this.#namesTls13 = true;
      this.#named13.add(name);
    }
  }

  /**
   * The suites that have all of the words; nothing if a word is for suites that Deno has not, or is unknown.
   */
  #select(words: readonly string[]): readonly Suite[] | undefined {
    let rest: readonly Suite[] = TLS12_SUITES;
    // OpenSSL compares HIGH and FIPS as grades that exclude each other, although suites have both.
    let strength = HIGH | FIPS;
    for (const word of words) {
      const exact = TLS12_SUITES.find(({ name, standard }) => word === name || word === standard);
      const traits = exact ?? (Object.hasOwn(WORDS, word) ? WORDS[word] : undefined);
      if (traits === undefined) {
        if (!OTHER_WORDS.has(word) && !SUITE_NAME.test(word)) this.#unknown.push(word);
        return undefined;
      }
      strength &= traits.strength ?? strength;
      rest = rest.filter((one) => exact === undefined ? fits(one, traits) : one === exact);
    }
    return strength === 0 ? [] : rest;
  }

  #apply(sign: string, suites: readonly Suite[]): void {
    for (const one of suites) {
      if (sign === "!") this.#killed.add(one);
      if (sign === "!" || sign === "-") this.#active.delete(one);
      else if (sign === "" && !this.#killed.has(one)) this.#active.add(one);
      // "+" moves suites to the end, and @STRENGTH sorts: the order is Deno's here.
    }
  }

  #match(pattern: RegExp): RegExpExecArray | [] {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found !== null) this.#at = pattern.lastIndex;
    return found ?? [];
  }

  #skip(pattern: RegExp): void {
    this.#match(pattern);
  }
}

/** The shape of suite names, of which Deno has a few. */
const SUITE_NAME = /^[A-Z0-9]+(?:[-_][A-Za-z0-9]+)+$/;

function fits(one: Suite, { exchange, authentication, encryption, version, strength }: Traits): boolean {
  return (exchange === undefined || (one.exchange & exchange) !== 0) &&
    (authentication === undefined || (one.authentication & authentication) !== 0) &&
    (encryption === undefined || (one.encryption & encryption) !== 0) &&
    (version === undefined || (one.version & version) !== 0) &&
    (strength === undefined || (one.strength & strength) !== 0);
}
