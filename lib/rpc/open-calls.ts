import { TelemetryError } from "../base/errors.ts";
import { openCallsRetryMs } from "../base/limits.ts";

/** Counts the calls of a kind that stay open. Where anybody may make them, so many are open at once and no more. */
export class OpenCalls {
  readonly #kind: string;
  readonly #max: number;
  #open = 0;

  /** @param kind what they are, in the plural: `health watches` */
  constructor(kind: string, max: number) {
    this.#kind = kind;
    this.#max = max;
  }

  /**
   * A call begins.
   * @returns to be called once, when it is over
   * @throws TelemetryError when there are as many as may be
   */
  enter(): () => void {
    if (this.#open >= this.#max) {
      throw new TelemetryError(
        "RESOURCE_EXHAUSTED",
        "TOO_MANY_OPEN_CALLS",
        `${this.#open} ${this.#kind} are open, the limit is ${this.#max}; end those that nobody reads, or try again later`,
        { quota: `server:${this.#kind}`, retryAfterMs: openCallsRetryMs },
      );
    }
    this.#open += 1;
    return () => {
      this.#open -= 1;
    };
  }
}
