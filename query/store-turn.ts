import { subscriberReadMsMax } from "../lib/base/limits.ts";
import type { ReadingPages } from "./reader.ts";

/**
 * One subscriber's turn to read the store. It is lost when the subscriber does not take what was read and others wait:
 * what is read from holds a connection.
 */
export class StoreTurn {
  readonly #giveBack: () => void;
  readonly #isWanted: () => boolean;
  #reading: ReadingPages | undefined;
  #state: "open" | "lost" | "over" = "open";

  /**
   * @param giveBack called once
   * @param isWanted whether others wait
   */
  constructor(giveBack: () => void, isWanted: () => boolean) {
    this.#giveBack = giveBack;
    this.#isWanted = isWanted;
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
    const timer = setInterval(() => {
      if (this.#isWanted()) this.#close("lost");
    }, subscriberReadMsMax);
    return () => clearInterval(timer);
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
