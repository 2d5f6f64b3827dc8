import type { Window } from "../../../../lib/wire/frame-reader.ts";

/** Windows of a series that are kept: half a day of 10 s. */
export const windowsPerSeriesMax = 5_000;

/** Quantiles that are asked for with every window. */
export const quantilesAsked = [0.5, 0.99] as const;

/** The windows of one series by their start, as columns: entry `i` of each belongs to window `i`. */
export class SeriesColumns {
  readonly metricKind: "gauge" | "counter";
  readonly starts: number[] = [];
  readonly counts: number[] = [];
  readonly means: number[] = [];
  readonly mins: number[] = [];
  readonly maxs: number[] = [];
  readonly lasts: number[] = [];
  readonly p50s: number[] = [];
  readonly p99s: number[] = [];
  /** Per second; NaN where it is not known. */
  readonly rates: number[] = [];
  readonly isProvisional: boolean[] = [];
  readonly #revisions: number[] = [];
  /** Grows with each change. */
  version = 0;

  constructor(metricKind: "gauge" | "counter") {
    this.metricKind = metricKind;
  }

  get length(): number {
    return this.starts.length;
  }

  /**
   * Adds a window, or puts it in place of what was known of it. History and changes come on calls of their own, so an
   * older value may come after a newer one: it is left out.
   * @param revision of its frame
   */
  put(window: Window, revision: number): void {
    const at = this.indexFrom(window.startMs);
    if (this.starts[at] === window.startMs) {
      if (revision < this.#revisions[at]) return;
    } else {
      // Older than all that is kept, and there is no room: it would be the next to go.
      if (at === 0 && this.length >= windowsPerSeriesMax) return;
      for (const column of this.#columns) (column as unknown[]).splice(at, 0, undefined);
    }
    this.starts[at] = window.startMs;
    this.counts[at] = window.count;
    this.means[at] = window.sum / window.count;
    this.mins[at] = window.min;
    this.maxs[at] = window.max;
    this.lasts[at] = window.last;
    this.p50s[at] = window.quantiles[0] ?? Number.NaN;
    this.p99s[at] = window.quantiles[1] ?? Number.NaN;
    this.rates[at] = rateOf(window);
    this.isProvisional[at] = window.state === "provisional";
    this.#revisions[at] = revision;
    if (this.length > windowsPerSeriesMax) for (const column of this.#columns) column.shift();
    this.version += 1;
  }

  /** The first window that starts at or after a time. */
  indexFrom(startMs: number): number {
    // New windows come at the end.
    let low = 0;
    let high = this.length;
    if (high > 0 && this.starts[high - 1] < startMs) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.starts[middle] < startMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  get #columns() {
    const { starts, counts, means, mins, maxs, lasts, p50s, p99s, rates, isProvisional } = this;
    return [starts, counts, means, mins, maxs, lasts, p50s, p99s, rates, isProvisional, this.#revisions];
  }
}

/** Growth per second of a counter, over the time from sample to sample; NaN where one sample tells nothing. */
export function rateOf({ increase, increaseDurationMs }: Pick<Window, "increase" | "increaseDurationMs">): number {
  return increaseDurationMs > 0 ? (increase / increaseDurationMs) * 1_000 : Number.NaN;
}
