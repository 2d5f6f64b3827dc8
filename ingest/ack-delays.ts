import { DurationHistogram, type HistogramCounts } from "../lib/base/duration-histogram.ts";
import { RecentQuantiles } from "./recent-quantiles.ts";

/**
 * How long a slab waits for its acks, from its first message to the moment when they can be sent: what a device waits for,
 * but for the network. A slab is told by its slowest message, and counts once, however many messages it has.
 */
export class AckDelays {
  /** Slabs that are not settled, in the order in which they will be. */
  readonly #slabs: { bytes: number; sinceMs: number }[] = [];
  readonly #sinceStart = new DurationHistogram();
  readonly #recent = new RecentQuantiles();

  /** @param sinceMs when its first message came; all times are elapsed time */
  onSubmit(bytes: number, sinceMs: number): void {
    if (bytes > 0) this.#slabs.push({ bytes, sinceMs });
  }

  /** @param bytes of the slabs that were settled together */
  onSettled(bytes: number, nowMs: number): void {
    let left = bytes;
    let settled = 0;
    for (; settled < this.#slabs.length && left > 0; settled += 1) {
      const slab = this.#slabs[settled];
      left -= slab.bytes;
      this.#sinceStart.record(nowMs - slab.sinceMs);
      this.#recent.record(nowMs - slab.sinceMs, nowMs);
    }
    this.#slabs.splice(0, settled);
  }

  /** Of the last ten seconds, in milliseconds. @param quantiles 0 to 1 @returns NaN for each when nothing was acked */
  recent(quantiles: readonly number[], nowMs: number): number[] {
    return this.#recent.read(quantiles, nowMs);
  }

  /** Since the start. */
  read(): HistogramCounts {
    return this.#sinceStart.read();
  }
}
