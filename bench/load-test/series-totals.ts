/** What the samples of each series come to. */
export class SeriesTotals {
  readonly counts: Float64Array;
  readonly sums: Float64Array;
  readonly mins: Float64Array;
  readonly maxs: Float64Array;

  constructor(series: number) {
    this.counts = new Float64Array(series);
    this.sums = new Float64Array(series);
    this.mins = new Float64Array(series).fill(Number.POSITIVE_INFINITY);
    this.maxs = new Float64Array(series).fill(Number.NEGATIVE_INFINITY);
  }

  /** Adds one sample. */
  add(series: number, value: number): void {
    this.merge(series, 1, value, value, value);
  }

  /** Adds what some samples come to. */
  merge(series: number, count: number, sum: number, min: number, max: number): void {
    this.counts[series] += count;
    this.sums[series] += sum;
    if (min < this.mins[series]) this.mins[series] = min;
    if (max > this.maxs[series]) this.maxs[series] = max;
  }
}
