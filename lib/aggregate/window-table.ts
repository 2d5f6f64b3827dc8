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
  mins: Float64Array;
  maxs: Float64Array;
  /** Value at the earliest time; the smallest where several samples share it. */
  firsts: Float64Array;
  firstTimesMs: Float64Array;
  /** Value at the latest time; the largest where several samples share it. */
  lasts: Float64Array;
  lastTimesMs: Float64Array;
}

const doubleColumns = [
  "starts",
  "counts",
  "sums",
  "mins",
  "maxs",
  "firsts",
  "firstTimesMs",
  "lasts",
  "lastTimesMs",
] as const satisfies readonly (keyof WindowTable)[];

export function createWindowTable(capacity = 64): WindowTable {
  const column = () => new Float64Array(capacity);
  return {
    length: 0,
    series: new Int32Array(capacity),
    starts: column(),
    counts: column(),
    sums: column(),
    mins: column(),
    maxs: column(),
    firsts: column(),
    firstTimesMs: column(),
    lasts: column(),
    lastTimesMs: column(),
  };
}

/** Adds a window without samples. @returns its index. */
export function appendWindow(table: WindowTable, series: number, startMs: number): number {
  const index = table.length;
  if (index === table.series.length) grow(table);
  table.length = index + 1;
  table.series[index] = series;
  table.starts[index] = startMs;
  table.counts[index] = 0;
  table.sums[index] = 0;
  table.mins[index] = Number.POSITIVE_INFINITY;
  table.maxs[index] = Number.NEGATIVE_INFINITY;
  table.firstTimesMs[index] = Number.POSITIVE_INFINITY;
  table.lastTimesMs[index] = Number.NEGATIVE_INFINITY;
  return index;
}

/** Adds a copy of window `index` of another table. */
export function copyWindow(from: WindowTable, index: number, to: WindowTable): void {
  const at = appendWindow(to, from.series[index], from.starts[index]);
  setWindow(to, at, from, index);
}

/** Gives window `at` the values of window `index` of another table. */
export function setWindow(to: WindowTable, at: number, from: WindowTable, index: number): void {
  to.series[at] = from.series[index];
  for (const name of doubleColumns) to[name][at] = from[name][index];
}

/**
 * Merges window `index` of another table into window `at`: the result is that of all their samples
 * together. Associative and commutative but for the rounding of the sum, and exact for whole numbers.
 */
export function mergeWindow(to: WindowTable, at: number, from: WindowTable, index: number): void {
  to.counts[at] += from.counts[index];
  to.sums[at] = saturate(to.sums[at] + from.sums[index]);
  to.mins[at] = Math.min(to.mins[at], from.mins[index]);
  to.maxs[at] = Math.max(to.maxs[at], from.maxs[index]);

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
 * Keeps a sum inside the doubles. Infinity would become NaN at the next merge, which SQLite stores as
 * NULL; a sum this large has lost its meaning anyway, its window's other values have not.
 */
export function saturate(sum: number): number {
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, sum));
}

function grow(table: WindowTable): void {
  const capacity = table.series.length * 2;
  const series = new Int32Array(capacity);
  series.set(table.series);
  table.series = series;
  for (const name of doubleColumns) {
    const column = new Float64Array(capacity);
    column.set(table[name]);
    table[name] = column;
  }
}
