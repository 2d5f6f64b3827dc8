import { Prng } from "../lib/base/prng.ts";
import type { DisorderOptions } from "./disorder.ts";

/** The shortest time offline, of the longest. */
const shortest = 0.2;

/**
 * When a device is offline, in event time: it begins online, and then one period follows the other. While it is
 * offline it goes on sealing batches, and sends them when it is online again.
 */
export class OfflineTimes {
  readonly #prng: Prng;
  readonly #offlineMsMax: number;
  /** Twice the mean, which gives the share of time that was asked for. */
  readonly #onlineMsMax: number;
  #offline = false;
  #untilMs: number;

  /** @param intervalMs times offline shorter than a reading would not show */
  constructor(
    { offlineRate, offlineMsMax }: DisorderOptions,
    { seed, startMs, intervalMs }: { readonly seed: number; readonly startMs: number; readonly intervalMs: number },
    device: number,
  ) {
    this.#prng = new Prng(seed, `device ${device} offline`);
    this.#offlineMsMax = Math.max(offlineMsMax, intervalMs / shortest);
    const offlineMsMean = (this.#offlineMsMax * (1 + shortest)) / 2;
    this.#onlineMsMax = (2 * offlineMsMean * (1 - offlineRate)) / offlineRate;
    this.#untilMs = startMs + this.#onlineMs();
  }

  /** @param timeMs never smaller than the one before */
  isOffline(timeMs: number): boolean {
    while (timeMs >= this.#untilMs) {
      this.#offline = !this.#offline;
      this.#untilMs += this.#offline ? this.#offlineMs() : this.#onlineMs();
    }
    return this.#offline;
  }

  #offlineMs(): number {
    return (shortest + (1 - shortest) * this.#prng.uniform()) * this.#offlineMsMax;
  }

  #onlineMs(): number {
    return (1 - this.#prng.uniform()) * this.#onlineMsMax;
  }
}
