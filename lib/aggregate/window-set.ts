import { windowStart } from "./tiers.ts";
import { appendWindow, createWindowTable, mergeWindow, saturate, type WindowTable } from "./window-table.ts";

/** The windows of one tier, found by series and start. */
export class TierWindows {
  readonly widthMs: number;
  readonly table: WindowTable = createWindowTable();
  readonly #byStart = new Map<number, Map<number, number>>();

  constructor(widthMs: number) {
    this.widthMs = widthMs;
  }

  /** The index of a window in the table, if it is there. */
  find(series: number, startMs: number): number | undefined {
    return this.#byStart.get(startMs)?.get(series);
  }

  /** The index of a window in the table; adds it without samples if it is not there. */
  indexOf(series: number, startMs: number): number {
    let bySeries = this.#byStart.get(startMs);
    if (bySeries === undefined) {
      bySeries = new Map();
      this.#byStart.set(startMs, bySeries);
    }
    let index = bySeries.get(series);
    if (index === undefined) {
      index = appendWindow(this.table, series, startMs);
      bySeries.set(series, index);
    }
    return index;
  }
}

/**
 * The effect of some samples on the windows of every tier. Samples are added to the finest tier;
 * `rollUp` then makes the tiers above by merging the one below.
 */
export class WindowSet {
  readonly tiers: readonly TierWindows[];

  /** @param widthsMs finest first, each dividing the next. */
  constructor(widthsMs: readonly number[]) {
    this.tiers = widthsMs.map((widthMs) => new TierWindows(widthMs));
  }

  /**
   * Adds samples of one series. Values must be finite and NaN only where there is none.
   * @param timesMs times `timeStart..timeEnd`, in any order
   * @param values one value per time, from `valueStart`
   * @returns the number of samples added
   */
  add(
    series: number,
    timesMs: Float64Array,
    timeStart: number,
    timeEnd: number,
    values: Float64Array,
    valueStart: number,
  ): number {
    const tier = this.tiers[0];
    const { widthMs, table } = tier;
    const valueOffset = valueStart - timeStart;
    let added = 0;
    let i = timeStart;
    while (i < timeEnd) {
      const startMs = windowStart(timesMs[i], widthMs);
      const endMs = startMs + widthMs;
      const at = tier.indexOf(series, startMs);
      const before = added;
      let sum = table.sums[at];
      let min = table.mins[at];
      let max = table.maxs[at];
      // Samples of one batch are nearly always of one window: look the window up once per run of them.
      for (; i < timeEnd; i += 1) {
        const timeMs = timesMs[i];
        if (timeMs < startMs || timeMs >= endMs) break;
        const value = values[i + valueOffset];
        if (Number.isNaN(value)) continue;
        added += 1;
        sum += value;
        if (value < min) min = value;
        if (value > max) max = value;
        if (timeMs < table.firstTimesMs[at] || (timeMs === table.firstTimesMs[at] && value < table.firsts[at])) {
          table.firstTimesMs[at] = timeMs;
          table.firsts[at] = value;
        }
        if (timeMs > table.lastTimesMs[at] || (timeMs === table.lastTimesMs[at] && value > table.lasts[at])) {
          table.lastTimesMs[at] = timeMs;
          table.lasts[at] = value;
        }
      }
      table.counts[at] += added - before;
      table.sums[at] = saturate(sum);
      table.mins[at] = min;
      table.maxs[at] = max;
    }
    return added;
  }

  /** Fills every tier above the finest from the one below it. Call once, when all samples are added. */
  rollUp(): void {
    for (let t = 1; t < this.tiers.length; t += 1) {
      const below = this.tiers[t - 1].table;
      const tier = this.tiers[t];
      for (let i = 0; i < below.length; i += 1) {
        if (below.counts[i] === 0) continue;
        const at = tier.indexOf(below.series[i], windowStart(below.starts[i], tier.widthMs));
        mergeWindow(tier.table, at, below, i);
      }
    }
  }
}
