import { subscriberReadMsMax } from "../lib/base/limits.ts";
import type { ReadingPages } from "./reader.ts";

/**
 * One subscriber's turn to read the store. It is lost when the subscriber does not take what was read: what is read
 * from holds a snapshot of the tables and a connection, for which others wait.
 */
export class StoreTurn {
  readonly #giveBack: () => void;
  #reading: ReadingPages | undefined;
  #state: "open" | "lost" | "over" = "open";

  /** @param giveBack called once */
  constructor(giveBack: () => void) {
    this.#giveBack = giveBack;
  }

  get isLost(): boolean {
    return this.#state === "lost";
  }

  /** Reads from here on; closes what it has read from before. */
  read(reading: ReadingPages): void {
    this.#reading?.close();
    this.#reading = reading;
  }

  /** @returns undefined when everything has been read, or the turn is lost */
  async nextPage(windowsMax: number) {
    return this.#state === "open" ? await this.#reading?.nextPage(windowsMax) : undefined;
  }

  /** The subscriber has a page now. @returns what to call when it has taken it */
  waitFor(): () => void {
    const timer = setTimeout(() => this.#close("lost"), subscriberReadMsMax);
    return () => clearTimeout(timer);
  }

  end(): void {
    this.#close("over");
  }

  #close(state: "lost" | "over"): void {
    if (this.#state !== "open") return;
    this.#state = state;
    this.#reading?.close();
    this.#giveBack();
  }
}
