import { build, type Histogram } from "hdr-histogram-js";
import type { Quantiles } from "../results.ts";

/** Times of one kind, in an HDR histogram: three digits of each, from 1 microsecond to an hour. */
export class Latencies {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 3_600_000_000,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  });

  /** @param ms not negative; what is longer than an hour counts as one */
  record(ms: number): void {
    this.#histogram.recordValue(Math.min(Math.max(1, Math.round(ms * 1_000)), 3_600_000_000));
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  reset(): void {
    this.#histogram.reset();
  }

  /** In milliseconds; zeros when there is none. */
  quantiles(): Quantiles {
    const max = this.count === 0 ? 0 : this.#histogram.maxValue / 1_000;
    // A bucket's upper end, which the largest value need not have reached.
    const at = (percentile: number) =>
      this.count === 0 ? 0 : Math.min(max, this.#histogram.getValueAtPercentile(percentile) / 1_000);
    return { p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max };
  }
}
