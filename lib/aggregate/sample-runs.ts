import type { SampleRun } from "./window-set.ts";

/**
 * The samples of a group as columns, a run for each metric of each table: what is kept of them between their admission
 * and the journal's commit, when they are added to windows. Its memory is used again for the next group.
 */
export class SampleRuns {
  length = 0;
  #series = new Int32Array(64);
  #counters = new Uint8Array(64);
  #plains = new Uint8Array(64);
  #watermarksMs = new Float64Array(64);
  #timeStarts = new Int32Array(64);
  #timeEnds = new Int32Array(64);
  #valueStarts = new Int32Array(64);
  #timesMs = new Float64Array(1_024);
  #values = new Float64Array(1_024);
  #timeCount = 0;
  #valueCount = 0;
  /** Where the times lie in the batch that the latest run came from: runs of one table share them. */
  #from = { start: -1, end: -1 };
  readonly #run: SampleRun = {
    series: 0,
    counter: false,
    watermarkMs: 0,
    timesMs: this.#timesMs,
    timeStart: 0,
    timeEnd: 0,
    values: this.#values,
    valueStart: 0,
    isPlain: false,
  };

  /** The runs that come next are of another batch. */
  beginBatch(): void {
    this.#from.start = -1;
  }

  /** Keeps a copy of a run. @returns its samples, without absent ones */
  add(run: SampleRun): number {
    const { series, counter, watermarkMs, timesMs, timeStart, timeEnd, values, valueStart, isPlain } = run;
    const length = timeEnd - timeStart;
    const count = isPlain ? length : countPresent(values, valueStart, valueStart + length);
    if (count === 0) return 0;
    if (this.#from.start !== timeStart || this.#from.end !== timeEnd) {
      this.#timesMs = withRoom(this.#timesMs, this.#timeCount, length);
      copy(timesMs, timeStart, timeEnd, this.#timesMs, this.#timeCount);
      this.#timeCount += length;
      this.#from = { start: timeStart, end: timeEnd };
    }
    this.#values = withRoom(this.#values, this.#valueCount, length);
    copy(values, valueStart, valueStart + length, this.#values, this.#valueCount);
    if (this.length === this.#series.length) this.#grow();
    const at = this.length++;
    this.#series[at] = series;
    this.#counters[at] = counter ? 1 : 0;
    this.#plains[at] = isPlain ? 1 : 0;
    this.#watermarksMs[at] = watermarkMs;
    this.#timeStarts[at] = this.#timeCount - length;
    this.#timeEnds[at] = this.#timeCount;
    this.#valueStarts[at] = this.#valueCount;
    this.#valueCount += length;
    return count;
  }

  /** Run `i`: one object for all, which the next call changes. */
  at(i: number): SampleRun {
    const run = this.#run;
    run.series = this.#series[i];
    run.counter = this.#counters[i] === 1;
    run.isPlain = this.#plains[i] === 1;
    run.watermarkMs = this.#watermarksMs[i];
    run.timesMs = this.#timesMs;
    run.timeStart = this.#timeStarts[i];
    run.timeEnd = this.#timeEnds[i];
    run.values = this.#values;
    run.valueStart = this.#valueStarts[i];
    return run;
  }

  clear(): void {
    this.length = 0;
    this.#timeCount = 0;
    this.#valueCount = 0;
    this.#from.start = -1;
  }

  #grow(): void {
    const capacity = this.length * 2;
    const grown = <T extends Int32Array | Uint8Array | Float64Array>(column: T, larger: T): T => {
      larger.set(column);
      return larger;
    };
    this.#series = grown(this.#series, new Int32Array(capacity));
    this.#counters = grown(this.#counters, new Uint8Array(capacity));
    this.#plains = grown(this.#plains, new Uint8Array(capacity));
    this.#watermarksMs = grown(this.#watermarksMs, new Float64Array(capacity));
    this.#timeStarts = grown(this.#timeStarts, new Int32Array(capacity));
    this.#timeEnds = grown(this.#timeEnds, new Int32Array(capacity));
    this.#valueStarts = grown(this.#valueStarts, new Int32Array(capacity));
  }
}

function countPresent(values: Float64Array, start: number, end: number): number {
  let count = 0;
  for (let i = start; i < end; i += 1) if (!Number.isNaN(values[i])) count += 1;
  return count;
}

function withRoom(column: Float64Array<ArrayBuffer>, used: number, more: number): Float64Array<ArrayBuffer> {
  if (used + more <= column.length) return column;
  const larger = new Float64Array(Math.max(column.length * 2, used + more));
  larger.set(column.subarray(0, used));
  return larger;
}

/** Few are copied one by one: a view costs more than ten of them. */
function copy(from: Float64Array, start: number, end: number, to: Float64Array, at: number): void {
  if (end - start > 16) to.set(from.subarray(start, end), at);
  else for (let i = start; i < end; i += 1) to[at + i - start] = from[i];
}
