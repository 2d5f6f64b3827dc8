import { errorMessage } from "../lib/base/errors.ts";
import type { Log } from "../lib/base/log.ts";

/** How often files are read again: what they say takes no restart. */
export const filesCheckMs = 1_000;

export interface FollowedFiles<T> {
  /** What is in them. Throws Error when they cannot be read. */
  readonly read: () => string;
  /** Throws Error when it cannot be used. */
  readonly parse: (text: string) => T;
  readonly apply: (value: T) => void;
  /** What is said when something new was applied, and when it could not be. */
  readonly applied: string;
  readonly kept: string;
  readonly log: Log;
}

/** Hands on what files have become. What cannot be used is told, once, and what there was stays. */
export class FileFollower<T> {
  readonly #files: FollowedFiles<T>;
  #seen: string;

  /** @param first what was read of the files, and is in use */
  constructor(files: FollowedFiles<T>, first: string) {
    this.#files = files;
    this.#seen = first;
  }

  /** Reads the files again. */
  check(): void {
    const { read, parse, apply, applied, kept, log } = this.#files;
    let seen = "";
    try {
      seen = read();
      if (seen === this.#seen) return;
      apply(parse(seen));
      log.info(applied);
    } catch (error) {
      if (seen === this.#seen) return;
      log.warn(`${errorMessage(error)}; ${kept}`);
    }
    this.#seen = seen;
  }
}
