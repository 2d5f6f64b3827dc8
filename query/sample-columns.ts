import type { SampleRun } from "../lib/aggregate/window-set.ts";
import type { SampleSink } from "../lib/journal/batch-intake.ts";

/** Which samples are wanted. */
export interface SampleFilter {
  readonly fromMs: number;
  readonly toMs: number;
  isWanted(series: number): boolean;
}

/** The samples of a page, as columns. Those for which there is no room are counted, so that the next page has them. */
export class SampleColumns implements SampleSink {
  length = 0;
  readonly series: Int32Array<ArrayBuffer>;
  readonly timesMs: Float64Array<ArrayBuffer>;
  readonly values: Float64Array<ArrayBuffer>;
  readonly #filter: SampleFilter;
  /** Samples of the batch that this page and earlier ones have. */
  #skip = 0;
  /** Samples of the batch that are wanted. */
  #found = 0;

  constructor(filter: SampleFilter, samplesMax: number) {
    this.#filter = filter;
    this.series = new Int32Array(samplesMax);
    this.timesMs = new Float64Array(samplesMax);
    this.values = new Float64Array(samplesMax);
  }

  get isFull(): boolean {
    return this.length === this.series.length;
  }

  /** A batch follows. @param skip samples of it that earlier pages have */
  begin(skip: number): void {
    this.#skip = skip;
    this.#found = 0;
  }

  /** How many samples of the batch this page and earlier ones have; undefined: all. */
  get taken(): number | undefined {
    return this.#found > this.#skip ? this.#skip : undefined;
  }

  add({ series, timesMs, timeStart, timeEnd, values, valueStart }: SampleRun): number {
    const { fromMs, toMs } = this.#filter;
    if (!this.#filter.isWanted(series)) return 0;
    const before = this.length;
    for (let i = timeStart; i < timeEnd; i += 1) {
      const value = values[valueStart + i - timeStart];
      if (Number.isNaN(value) || timesMs[i] < fromMs || timesMs[i] >= toMs) continue;
      this.#found += 1;
      if (this.#found <= this.#skip || this.length === this.series.length) continue;
      this.series[this.length] = series;
      this.timesMs[this.length] = timesMs[i];
      this.values[this.length] = value;
      this.length += 1;
      this.#skip += 1;
    }
    return this.length - before;
  }

  /** Takes the samples of some series out again. */
  remove(series: ReadonlySet<number>): void {
    if (series.size === 0) return;
    let to = 0;
    for (let i = 0; i < this.length; i += 1) {
      if (series.has(this.series[i])) continue;
      this.series[to] = this.series[i];
      this.timesMs[to] = this.timesMs[i];
      this.values[to] = this.values[i];
      to += 1;
    }
    this.length = to;
  }
}
