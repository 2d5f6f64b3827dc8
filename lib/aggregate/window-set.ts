import { fallBetween } from "./counter.ts";
import { saturate } from "./saturate.ts";
import { addToSketch } from "./sketch-table.ts";
import { windowStart } from "./tiers.ts";
import {
  appendWindow,
  clearWindow,
  createWindowTable,
  mergeMoments,
  mergeWindow,
  removeWindow,
  type WindowTable,
} from "./window-table.ts";

/** The windows of one tier, found by series and start. */
export class TierWindows {
  readonly widthMs: number;
  readonly table: WindowTable;
  readonly #byStart = new Map<number, Map<number, number>>();

  /** @param capacity windows that it can hold before it grows */
  constructor(widthMs: number, capacity?: number) {
    this.widthMs = widthMs;
    this.table = createWindowTable(capacity);
  }

  /** The starts that it has windows of, in no order. */
  get starts(): Iterable<number> {
    return this.#byStart.keys();
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

  /** The series that have a window of this start. */
  seriesAt(startMs: number): Iterable<number> {
    return this.#byStart.get(startMs)?.keys() ?? [];
  }

  /** Takes window `at` away; the last one takes its place. */
  remove(at: number): void {
    const { series, starts } = this.table;
    const bySeries = this.#byStart.get(starts[at]);
    bySeries?.delete(series[at]);
    if (bySeries?.size === 0) this.#byStart.delete(starts[at]);
    removeWindow(this.table, at);
    if (at < this.table.length) this.#byStart.get(starts[at])?.set(series[at], at);
  }
}

/** Some samples of one series, as columns that stay the caller's. */
export interface SampleRun {
  series: number;
  counter: boolean;
  /** Of the series' device, before these samples. */
  watermarkMs: number;
  timesMs: Float64Array;
  /** Times `timeStart..timeEnd`, in any order. */
  timeStart: number;
  timeEnd: number;
  /** Finite, or NaN where there is none. */
  values: Float64Array;
  /** The value of the first time; the others follow. */
  valueStart: number;
  /** No value is absent, and each time is later than the one before it: most runs are, and are added faster. */
  isPlain: boolean;
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

  /** Adds samples to the finest tier. @returns their number, without absent ones */
  add(run: SampleRun): number {
    const [tier] = this.tiers;
    return addRun(run, tier.widthMs, tier.table, (series, startMs) => tier.indexOf(series, startMs));
  }

  /**
   * Fills tiers above the finest from the one below. Call once, when all samples are added.
   * @param wants whether a window of a tier (by its index) is needed; one that is not is not needed further up either
   */
  rollUp(wants: (tier: number, series: number, startMs: number) => boolean = () => true): void {
    for (let t = 1; t < this.tiers.length; t += 1) {
      const below = this.tiers[t - 1].table;
      const tier = this.tiers[t];
      for (const i of byStart(below)) {
        if (below.counts[i] === 0) continue;
        const startMs = windowStart(below.starts[i], tier.widthMs);
        if (!wants(t, below.series[i], startMs)) continue;
        mergeWindow(tier.table, tier.indexOf(below.series[i], startMs), below, i);
      }
    }
  }
}

/**
 * Adds samples to the windows of a tier.
 * @param indexOf of the window of a start, which the table then has; -1: its samples are left out
 * @returns how many were added, without absent ones
 */
export function addRun(
  run: SampleRun,
  widthMs: number,
  table: WindowTable,
  indexOf: (series: number, startMs: number) => number,
): number {
  if (run.counter && !run.isPlain && !isInOrder(run)) return addRun(inOrder(run), widthMs, table, indexOf);
  const { series, timesMs, timeEnd, values, isPlain } = run;
  const valueOffset = run.valueStart - run.timeStart;
  let added = 0;
  let i = run.timeStart;
  while (i < timeEnd) {
    // Samples of one batch are nearly always of one window: look the window up once per stretch of them.
    const startMs = windowStart(timesMs[i], widthMs);
    const endMs = startMs + widthMs;
    const from = i;
    if (isPlain && timesMs[timeEnd - 1] < endMs) i = timeEnd;
    else {
      let hasValues = false;
      do {
        hasValues ||= !Number.isNaN(values[i + valueOffset]);
        i += 1;
      } while (i < timeEnd && timesMs[i] >= startMs && timesMs[i] < endMs);
      if (!hasValues) continue;
    }
    const at = indexOf(series, startMs);
    if (at === -1) continue;
    added += run.counter
      ? addCounter(table, at, timesMs, from, i, values, valueOffset)
      : isPlain
        ? addPlainGauge(table, at, timesMs, from, i, values, valueOffset)
        : addGauge(table, at, timesMs, from, i, values, valueOffset);
    if (run.watermarkMs > table.watermarksMs[at]) table.watermarksMs[at] = run.watermarkMs;
  }
  return added;
}

/** As `addGauge`, for a single sample: what small batches consist of. */
function addOne(table: WindowTable, at: number, timeMs: number, value: number): number {
  if (value < table.mins[at]) table.mins[at] = value;
  if (value > table.maxs[at]) table.maxs[at] = value;
  seeFirst(table, at, timeMs, value);
  seeLast(table, at, timeMs, value);
  addToSketch(table.sketches, at, value);
  mergeMoments(table, at, 1, value, 0);
  return 1;
}

/** As `addGauge`, where no value is absent and the first sample is the earliest: half of its time. */
function addPlainGauge(
  table: WindowTable,
  at: number,
  timesMs: Float64Array,
  from: number,
  to: number,
  values: Float64Array,
  valueOffset: number,
): number {
  if (to - from === 1) return addOne(table, at, timesMs[from], values[from + valueOffset]);
  const { sketches } = table;
  let sum = 0;
  let min = table.mins[at];
  let max = table.maxs[at];
  for (let i = from + valueOffset; i < to + valueOffset; i += 1) {
    const value = values[i];
    sum += value;
    if (value < min) min = value;
    if (value > max) max = value;
    addToSketch(sketches, at, value);
  }
  table.mins[at] = min;
  table.maxs[at] = max;
  seeFirst(table, at, timesMs[from], values[from + valueOffset]);
  seeLast(table, at, timesMs[to - 1], values[to - 1 + valueOffset]);
  addMoments(table, at, to - from, sum, from, to, values, valueOffset);
  return to - from;
}

function seeFirst(table: WindowTable, at: number, timeMs: number, value: number): void {
  const firstMs = table.firstTimesMs[at];
  if (timeMs > firstMs || (timeMs === firstMs && value >= table.firsts[at])) return;
  table.firstTimesMs[at] = timeMs;
  table.firsts[at] = value;
}

function seeLast(table: WindowTable, at: number, timeMs: number, value: number): void {
  const lastMs = table.lastTimesMs[at];
  if (timeMs < lastMs || (timeMs === lastMs && value <= table.lasts[at])) return;
  table.lastTimesMs[at] = timeMs;
  table.lasts[at] = value;
}

function addGauge(
  table: WindowTable,
  at: number,
  timesMs: Float64Array,
  from: number,
  to: number,
  values: Float64Array,
  valueOffset: number,
): number {
  const { sketches } = table;
  let count = 0;
  let sum = 0;
  let min = table.mins[at];
  let max = table.maxs[at];
  for (let i = from; i < to; i += 1) {
    const value = values[i + valueOffset];
    if (Number.isNaN(value)) continue;
    const timeMs = timesMs[i];
    count += 1;
    sum += value;
    if (value < min) min = value;
    if (value > max) max = value;
    seeFirst(table, at, timeMs, value);
    seeLast(table, at, timeMs, value);
    addToSketch(sketches, at, value);
  }
  if (count === 0) return 0;
  table.mins[at] = min;
  table.maxs[at] = max;
  addMoments(table, at, count, sum, from, to, values, valueOffset);
  return count;
}

/** Made apart, then merged: what was added before may lie anywhere in time. */
const stretch = createWindowTable(1);
appendWindow(stretch, 0, 0);

/** The samples must be in order. */
function addCounter(
  table: WindowTable,
  at: number,
  timesMs: Float64Array,
  from: number,
  to: number,
  values: Float64Array,
  valueOffset: number,
): number {
  clearWindow(stretch, 0);
  let offset = 0;
  let last = Number.NaN;
  for (let i = from; i < to; i += 1) {
    const value = values[i + valueOffset];
    if (Number.isNaN(value)) continue;
    // Samples of one time lie in the order of their values, and are no reset.
    if (timesMs[i] > stretch.lastTimesMs[0]) offset += fallBetween(last, value);
    addGauge(stretch, 0, timesMs, i, i + 1, values, valueOffset);
    last = stretch.lasts[0];
  }
  stretch.resetOffsets[0] = saturate(offset);
  mergeWindow(table, at, stretch, 0);
  return stretch.counts[0];
}

/** Mean and deviations of the stretch first, then merged: exact where one pass would cancel. */
function addMoments(
  table: WindowTable,
  at: number,
  count: number,
  sum: number,
  from: number,
  to: number,
  values: Float64Array,
  valueOffset: number,
): void {
  let m2 = 0;
  if (count > 1) {
    const mean = sum / count;
    for (let i = from; i < to; i += 1) {
      const deviation = values[i + valueOffset] - mean;
      if (!Number.isNaN(deviation)) m2 += deviation * deviation;
    }
  }
  mergeMoments(table, at, count, saturate(sum), saturate(m2));
}

/** By time, then value: as a counter grows. */
function isInOrder({ timesMs, timeStart, timeEnd, values, valueStart }: SampleRun): boolean {
  for (let i = timeStart + 1, v = valueStart + 1; i < timeEnd; i += 1, v += 1) {
    if (timesMs[i] < timesMs[i - 1] || (timesMs[i] === timesMs[i - 1] && !(values[v] >= values[v - 1]))) return false;
  }
  return true;
}

/** A copy in order, without absent samples. */
function inOrder(run: SampleRun): SampleRun {
  const { timesMs, timeStart, timeEnd, values, valueStart } = run;
  const timeOf = (i: number) => timesMs[timeStart + i];
  const valueAt = (i: number) => values[valueStart + i];
  const order = Array.from({ length: timeEnd - timeStart }, (_, i) => i).filter((i) => !Number.isNaN(valueAt(i)));
  order.sort((a, b) => timeOf(a) - timeOf(b) || valueAt(a) - valueAt(b));
  return {
    ...run,
    timesMs: Float64Array.from(order, timeOf),
    timeStart: 0,
    timeEnd: order.length,
    values: Float64Array.from(order, valueAt),
    valueStart: 0,
  };
}

/** The windows of a table, the earliest first: counters merge exactly in this order. */
function byStart({ starts, length }: WindowTable): readonly number[] {
  const order = Array.from({ length }, (_, i) => i);
  return starts.subarray(0, length).every((start, i) => i === 0 || start >= starts[i - 1])
    ? order
    : order.sort((a, b) => starts[a] - starts[b]);
}
