/**
 * The rules behind `deno task arch`, without files: sources in, findings out.
 *
 * @module
 */

import { type Comment, parse, type Token, tokenizer } from "acorn";

/** One file. */
export interface SourceFile {
  /** Path from the root, with slashes. */
  readonly path: string;
  /** What is in it. */
  readonly text: string;
}

/** An import against the layers that is meant. */
export interface AllowedImport {
  /** Folder that imports. */
  readonly from: string;
  /** File or folder that is imported. */
  readonly to: string;
  /** Whether only types may be. */
  readonly typesOnly: boolean;
  /** Why. */
  readonly why: string;
}

/** What holds for the whole checkout. */
export interface Rules {
  /** Top folders from the top down, those of a row side by side; `.` is the root's files. */
  readonly layers: readonly (readonly string[])[];
  /** Exceptions. */
  readonly allowed: readonly AllowedImport[];
  /** Folders and files that name no runtime, clock or randomness. */
  readonly pure: readonly string[];
  /** Folders that nothing published may import. */
  readonly private: readonly string[];
  /** Most lines of a file. */
  readonly mostLines: number;
}
