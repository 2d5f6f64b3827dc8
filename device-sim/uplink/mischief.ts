import type { Prng } from "../../lib/base/prng.ts";

export interface MischiefOptions {
  /** Share of the batches that are sent again, 0 to 1. */
  readonly resendRate: number;
  /** Chance per second that the connection is cut, 0 to 1. */
  readonly cutRate: number;
  readonly prng: Prng;
}

/** Batches that wait to be sent again, at most; the bound on what is kept for it. */
const repeatsMax = 64;

/** What networks and careless senders do, on purpose: a server must not be moved by it. */
export class Mischief {
  readonly #options: MischiefOptions;
  #repeats: Uint8Array[] = [];

  constructor(options: MischiefOptions) {
    this.#options = options;
  }

  /** A batch goes out: it may come again behind later ones. */
  mayRepeat(batch: Uint8Array): boolean {
    const { prng, resendRate } = this.#options;
    const repeats = resendRate > 0 && prng.uniform() < resendRate && this.#repeats.length < repeatsMax;
    if (repeats) this.#repeats.push(batch);
    return repeats;
  }

  /** Each with an even chance, so that some come much later than others. */
  takeRepeats(): Uint8Array[] {
    if (this.#repeats.length === 0) return [];
    const now = this.#repeats.filter(() => this.#options.prng.uniform() < 0.5);
    this.#repeats = this.#repeats.filter((batch) => !now.includes(batch));
    return now;
  }

  /** Repeats belong to a call: on another one their devices may not be registered yet. */
  forget(): void {
    this.#repeats = [];
  }

  /** Asked once per second. */
  get cuts(): boolean {
    const { prng, cutRate } = this.#options;
    return cutRate > 0 && prng.uniform() < cutRate;
  }

  /** Whether connections are cut at all. */
  get everCuts(): boolean {
    return this.#options.cutRate > 0;
  }
}
