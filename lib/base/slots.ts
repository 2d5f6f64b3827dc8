import { callOver } from "./errors.ts";

/** A bounded number of things at once; others wait in their order, and they are bounded too. */
export class Slots {
  readonly #waitingMax: number;
  readonly #tooMany: () => Error;
  readonly #waiting = new Set<() => void>();
  #free: number;

  /** @param tooMany what is thrown at those who come when `waitingMax` wait */
  constructor(slots: number, waitingMax: number, tooMany: () => Error) {
    this.#free = slots;
    this.#waitingMax = waitingMax;
    this.#tooMany = tooMany;
  }

  /** Whether somebody waits. */
  get contended(): boolean {
    return this.#waiting.size > 0;
  }

  /**
   * @returns how to give the slot back: call it once
   * @throws TelemetryError when too many wait, or CANCELLED when the signal is aborted
   */
  async take(signal: AbortSignal): Promise<() => void> {
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait(signal);
    return () => this.#giveBack();
  }

  async #wait(signal: AbortSignal): Promise<void> {
    if (this.#waiting.size >= this.#waitingMax) throw this.#tooMany();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const cancel = () => {
      this.#waiting.delete(resolve);
      reject(callOver());
    };
    if (signal.aborted) cancel();
    else this.#waiting.add(resolve);
    signal.addEventListener("abort", cancel, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", cancel);
    }
  }

  #giveBack(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#free += 1;
    else {
      this.#waiting.delete(next);
      next();
    }
  }
}
