/** Subscribers who come this late still send with the others: they wait for the same timer. */
const slackMs = 5;

/**
 * When subscribers of one selection and interval send: together, so that they send the same. One who sends alone need
 * not wait; one who comes while others send waits for their next time, an interval at most.
 */
export class SendTimes {
  readonly #intervalMs: number;
  #latestMs = Number.NEGATIVE_INFINITY;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** @param sentMs when the subscriber has sent before */
  nextMs(sentMs: number, nowMs: number): number {
    const earliestMs = Math.max(sentMs + this.#intervalMs, nowMs);
    const sinceMs = earliestMs - this.#latestMs;
    return sinceMs >= this.#intervalMs || sinceMs <= slackMs ? earliestMs : this.#latestMs + this.#intervalMs;
  }

  sent(nowMs: number): void {
    if (nowMs - this.#latestMs > slackMs) this.#latestMs = nowMs;
  }
}
