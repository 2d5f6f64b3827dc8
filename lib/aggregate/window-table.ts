import { mergeCounter } from "./counter.ts";
import { saturate } from "./saturate.ts";
import {
  clearSketch,
  createSketchTable,
  dropSketch,
  mergeSketch,
  type SketchTable,
  setSketch,
} from "./sketch-table.ts";

/**
 * Windows as columns: entry `i` of each column belongs to window `i`, of one series. Plain data, so
 * that it can be posted to another thread. Columns may be longer than `length`.
 */
export interface WindowTable {
  length: number;
  /** Series ids. */
  series: Int32Array;
  /** Starts of the windows, in milliseconds since 1970-01-01T00:00:00Z. */
  starts: Float64Array;
  counts: Float64Array;
  sums: Float64Array;
  /** Sums of the squared deviations from the mean ("M2"): the variance is m2 / count. */
  m2s: Float64Array;
  mins: Float64Array;
  maxs: Float64Array;
  /** Value at the earliest time; the smallest where several samples share it. */
  firsts: Float64Array;
  firstTimesMs: Float64Array;
  /** Value at the latest time; the largest where several samples share it. */
  lasts: Float64Array;
  lastTimesMs: Float64Array;
  /** Counters: what its resets took away, so that the increase is last - first + this (`counter.ts`). Gauges: NaN. */
  resetOffsets: Float64Array;
  /** 1: late samples overlap a span with a reset, and the increase is an estimate. */
  approximates: Uint8Array;
  /**
   * The highest watermark under which a sample of it came: at or after the window's end, it was corrected after it
   * had been final.
   */
  watermarksMs: Float64Array;
  /** Journal position of the latest group that it shows; 0 where none is known. */
  revisions: Float64Array;
  sketches: SketchTable;

  // Not stored: for those who read.

  /** Index of `windowStates` + 1; 0: not told. */
  states: Uint8Array;
  /** Counters: the last value before the window, and when it was; NaN: not known. */
  valuesBefore: Float64Array;
  timesBeforeMs: Float64Array;
}

const doubleColumns = [
  "starts",
  "counts",
  "sums",
  "m2s",
  "mins",
  "maxs",
  "firsts",
  "firstTimesMs",
  "lasts",
  "lastTimesMs",
  "resetOffsets",
  "watermarksMs",
  "revisions",
  "valuesBefore",
  "timesBeforeMs",
] as const satisfies readonly (keyof WindowTable)[];

export function createWindowTable(capacity = 64): WindowTable {
  return { length: 0, ...createColumns(capacity), sketches: createSketchTable(capacity) };
}

const bytesPerWindow = 8 * doubleColumns.length + 4 + 2;

type Columns = Omit<WindowTable, "length" | "sketches">;

/** All in one buffer: buffers are counted and collected one by one, and a fleet has thousands of tables. */
function createColumns(capacity: number): Columns {
  const buffer = new ArrayBuffer(capacity * bytesPerWindow);
  let at = 0;
  const place = (bytes: number) => {
    at += capacity * bytes;
    return at - capacity * bytes;
  };
  const doubles = () => new Float64Array(buffer, place(8), capacity);
  return {
    starts: doubles(),
    counts: doubles(),
    sums: doubles(),
    m2s: doubles(),
    mins: doubles(),
    maxs: doubles(),
    firsts: doubles(),
    firstTimesMs: doubles(),
    lasts: doubles(),
    lastTimesMs: doubles(),
    resetOffsets: doubles(),
    watermarksMs: doubles(),
    revisions: doubles(),
    valuesBefore: doubles(),
    timesBeforeMs: doubles(),
    series: new Int32Array(buffer, place(4), capacity),
    approximates: new Uint8Array(buffer, place(1), capacity),
    states: new Uint8Array(buffer, place(1), capacity),
  };
}

/** Adds a window without samples. @returns its index. */
export function appendWindow(table: WindowTable, series: number, startMs: number): number {
  const index = table.length;
  if (index === table.series.length) grow(table);
  table.length = index + 1;
  table.series[index] = series;
  table.starts[index] = startMs;
  clearWindow(table, index);
  return index;
}

/** Takes all samples out of window `at`. */
export function clearWindow(table: WindowTable, at: number): void {
  table.counts[at] = 0;
  table.sums[at] = 0;
  table.m2s[at] = 0;
  table.mins[at] = Number.POSITIVE_INFINITY;
  table.maxs[at] = Number.NEGATIVE_INFINITY;
  table.firstTimesMs[at] = Number.POSITIVE_INFINITY;
  table.lastTimesMs[at] = Number.NEGATIVE_INFINITY;
  table.resetOffsets[at] = Number.NaN;
  table.approximates[at] = 0;
  table.watermarksMs[at] = Number.NEGATIVE_INFINITY;
  table.revisions[at] = 0;
  table.states[at] = 0;
  table.valuesBefore[at] = Number.NaN;
  table.timesBeforeMs[at] = Number.NaN;
  clearSketch(table.sketches, at);
}

/** Takes window `at` away; the last one takes its place. */
export function removeWindow(table: WindowTable, at: number): void {
  const last = table.length - 1;
  if (at !== last) setWindow(table, at, table, last);
  dropSketch(table.sketches);
  table.length = last;
}

/** Adds a copy of window `index` of another table. @returns its index */
export function copyWindow(from: WindowTable, index: number, to: WindowTable): number {
  const at = appendWindow(to, from.series[index], from.starts[index]);
  setWindow(to, at, from, index);
  return at;
}

/** Gives window `at` the values of window `index` of another table. */
export function setWindow(to: WindowTable, at: number, from: WindowTable, index: number): void {
  to.series[at] = from.series[index];
  to.starts[at] = from.starts[index];
  to.counts[at] = from.counts[index];
  to.sums[at] = from.sums[index];
  to.m2s[at] = from.m2s[index];
  to.mins[at] = from.mins[index];
  to.maxs[at] = from.maxs[index];
  to.firsts[at] = from.firsts[index];
  to.firstTimesMs[at] = from.firstTimesMs[index];
  to.lasts[at] = from.lasts[index];
  to.lastTimesMs[at] = from.lastTimesMs[index];
  to.resetOffsets[at] = from.resetOffsets[index];
  to.approximates[at] = from.approximates[index];
  to.watermarksMs[at] = from.watermarksMs[index];
  to.revisions[at] = from.revisions[index];
  setSketch(to.sketches, at, from.sketches, index);
  to.states[at] = from.states[index];
  to.valuesBefore[at] = from.valuesBefore[index];
  to.timesBeforeMs[at] = from.timesBeforeMs[index];
}

/**
 * Merges window `index` of another table into window `at`: the result is that of all their samples together.
 * Associative and commutative but for the rounding of sum and M2, and for counters but for what `counter.ts` says.
 */
export function mergeWindow(to: WindowTable, at: number, from: WindowTable, index: number): void {
  const count = from.counts[index];
  if (count === 0) return;
  mergeCounter(to, at, from, index);
  mergeMoments(to, at, count, from.sums[index], from.m2s[index]);
  to.mins[at] = Math.min(to.mins[at], from.mins[index]);
  to.maxs[at] = Math.max(to.maxs[at], from.maxs[index]);
  to.watermarksMs[at] = Math.max(to.watermarksMs[at], from.watermarksMs[index]);
  to.revisions[at] = Math.max(to.revisions[at], from.revisions[index]);
  mergeSketch(to.sketches, at, from.sketches, index);

  const firstTimeMs = from.firstTimesMs[index];
  const first = from.firsts[index];
  if (firstTimeMs < to.firstTimesMs[at] || (firstTimeMs === to.firstTimesMs[at] && first < to.firsts[at])) {
    to.firstTimesMs[at] = firstTimeMs;
    to.firsts[at] = first;
  }
  const lastTimeMs = from.lastTimesMs[index];
  const last = from.lasts[index];
  if (lastTimeMs > to.lastTimesMs[at] || (lastTimeMs === to.lastTimesMs[at] && last > to.lasts[at])) {
    to.lastTimesMs[at] = lastTimeMs;
    to.lasts[at] = last;
  }
}

/**
 * Adds the count, sum and M2 of other samples to those of window `at`: Chan, Golub and LeVeque, "Updating Formulae and
 * a Pairwise Algorithm for Computing Sample Variances" (1979).
 */
export function mergeMoments(to: WindowTable, at: number, count: number, sum: number, m2: number): void {
  const countBefore = to.counts[at];
  const sumBefore = to.sums[at];
  if (countBefore === 0) to.m2s[at] = m2;
  else {
    const delta = sum / count - sumBefore / countBefore;
    to.m2s[at] = saturate(to.m2s[at] + m2 + delta * delta * ((countBefore * count) / (countBefore + count)));
  }
  to.counts[at] = countBefore + count;
  to.sums[at] = saturate(sumBefore + sum);
}

function grow(table: WindowTable): void {
  const larger = createColumns(table.series.length * 2);
  for (const name of doubleColumns) larger[name].set(table[name]);
  larger.series.set(table.series);
  larger.approximates.set(table.approximates);
  larger.states.set(table.states);
  Object.assign(table, larger);
}
