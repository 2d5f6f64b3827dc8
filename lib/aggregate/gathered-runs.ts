import type { SampleRun } from "./window-set.ts";

/** Short runs of one series and window, put together into one. */
export class GatheredRuns {
  /** All of them. */
  readonly run: SampleRun;
  startMs = 0;
  length = 0;

  /** @param capacity samples */
  constructor(capacity: number) {
    this.run = {
      series: 0,
      counter: false,
      watermarkMs: 0,
      timesMs: new Float64Array(capacity),
      timeStart: 0,
      timeEnd: 0,
      values: new Float64Array(capacity),
      valueStart: 0,
      isPlain: true,
    };
  }

  /** Whether a run of the window with this start can be added. */
  takes({ series, timeStart, timeEnd }: SampleRun, startMs: number): boolean {
    const fits = this.length + timeEnd - timeStart <= this.run.values.length;
    return this.length === 0 || (series === this.run.series && startMs === this.startMs && fits);
  }

  /** Adds a copy of a plain run of a gauge. */
  add({ series, watermarkMs, timesMs, timeStart, timeEnd, values, valueStart }: SampleRun, startMs: number): void {
    const { run, length } = this;
    if (length === 0) {
      this.startMs = startMs;
      run.series = series;
      run.watermarkMs = watermarkMs;
      run.isPlain = true;
    } else {
      if (watermarkMs > run.watermarkMs) run.watermarkMs = watermarkMs;
      if (timesMs[timeStart] <= run.timesMs[length - 1]) run.isPlain = false;
    }
    for (let i = 0; i < timeEnd - timeStart; i += 1) {
      run.timesMs[length + i] = timesMs[timeStart + i];
      run.values[length + i] = values[valueStart + i];
    }
    this.length = length + timeEnd - timeStart;
    run.timeEnd = this.length;
  }

  clear(): void {
    this.length = 0;
  }
}
