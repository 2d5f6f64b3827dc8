import type { Prng } from "./prng.ts";

const backoffMsMin = 100;
const backoffMsMax = 5_000;

/** How long to wait before trying again: twice as long each time, up to 5 s. */
export class Backoff {
  readonly #prng: Prng;
  #failures = 0;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  /** It has worked: the next wait is short again. */
  reset(): void {
    this.#failures = 0;
  }

  /** Milliseconds. With full jitter: those who were cut off together do not come back together. */
  nextMs(): number {
    this.#failures += 1;
    return this.#prng.uniform() * Math.min(backoffMsMax, backoffMsMin * 2 ** (this.#failures - 1));
  }
}
