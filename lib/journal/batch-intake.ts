import type { SampleRun } from "../aggregate/window-set.ts";
import { BatchDecoder } from "../wire/batch-decoder.ts";
import { noSeries, SampleCheck, type SampleRefusal, type TimeBounds } from "./sample-check.ts";

/** Where the samples of a batch go. */
export interface SampleSink {
  /** @returns how many it has taken */
  add(run: SampleRun): number;
}

/** What of a batch counts. */
export interface Added {
  readonly added: number;
  /** The times of the first and the last of them; infinity and -infinity when there is none. */
  readonly earliestMs: number;
  readonly latestMs: number;
}

/**
 * Takes a batch from its bytes into windows, or wherever its samples go: the same way when it comes in, when the journal
 * is replayed, and when its samples are read back.
 */
export class BatchIntake {
  readonly #decoder = new BatchDecoder();
  readonly #check = new SampleCheck();
  readonly #counters: ReadonlySet<number>;
  readonly #run: SampleRun;
  /** Where `addTo` adds, and what looks at the times on the way there: readers of samples need not pay for it. */
  #sink: SampleSink | undefined;
  readonly #timed: SampleSink = {
    add: (run) => {
      this.#seeTimes(run);
      return this.#sink?.add(run) ?? 0;
    },
  };
  #earliestMs = Number.POSITIVE_INFINITY;
  #latestMs = Number.NEGATIVE_INFINITY;

  /** @param counters ids of the series that are counters */
  constructor(counters: ReadonlySet<number>) {
    this.#counters = counters;
    const { timesMs, values } = this.#decoder;
    this.#run = {
      series: 0,
      counter: false,
      watermarkMs: 0,
      timesMs,
      timeStart: 0,
      timeEnd: 0,
      values,
      valueStart: 0,
      isPlain: false,
    };
  }

  setBounds(bounds: TimeBounds): void {
    this.#check.setBounds(bounds);
  }

  /**
   * Decodes and checks `bytes[start..end]`; it then waits for `addTo`.
   * @param handles series ids by metric handle
   * @returns what of it does not count
   * @throws BatchRefused when none of it can be used
   */
  read(bytes: Uint8Array, start: number, end: number, handles: ReadonlyMap<number, number>): readonly SampleRefusal[] {
    this.#decoder.decode(bytes, start, end);
    return this.#check.check(this.#decoder, handles);
  }

  /**
   * Adds the batch that was read.
   * @param watermarkMs of the device, before the batch
   */
  addTo(sink: SampleSink, watermarkMs: number): Added {
    this.#run.watermarkMs = watermarkMs;
    this.#earliestMs = Number.POSITIVE_INFINITY;
    this.#latestMs = Number.NEGATIVE_INFINITY;
    this.#sink = sink;
    const added = this.runsTo(this.#timed);
    return { added, earliestMs: this.#earliestMs, latestMs: this.#latestMs };
  }

  /** Hands on the batch that was read, a run of each metric and table. @returns how many samples were taken */
  runsTo(sink: SampleSink): number {
    const { metricStart, timeStart, valueStart, tableCount } = this.#decoder;
    const { seriesOfMetric } = this.#check;
    const run = this.#run;
    let added = 0;
    for (let table = 0; table < tableCount; table += 1) {
      run.timeStart = timeStart[table];
      run.timeEnd = timeStart[table + 1];
      run.valueStart = valueStart[table];
      run.isPlain = this.#check.isWhole && isAscending(run);
      for (let metric = metricStart[table]; metric < metricStart[table + 1]; metric += 1) {
        run.series = seriesOfMetric[metric];
        run.counter = this.#counters.has(run.series);
        if (run.series !== noSeries) added += sink.add(run);
        run.valueStart += run.timeEnd - run.timeStart;
      }
    }
    return added;
  }

  #seeTimes({ timesMs, timeStart, timeEnd, values, valueStart, isPlain }: SampleRun): void {
    if (isPlain) {
      this.#earliestMs = Math.min(this.#earliestMs, timesMs[timeStart]);
      this.#latestMs = Math.max(this.#latestMs, timesMs[timeEnd - 1]);
      return;
    }
    for (let i = timeStart, v = valueStart; i < timeEnd; i += 1, v += 1) {
      if (Number.isNaN(values[v])) continue;
      if (timesMs[i] < this.#earliestMs) this.#earliestMs = timesMs[i];
      if (timesMs[i] > this.#latestMs) this.#latestMs = timesMs[i];
    }
  }
}

/** Whether there are samples, each later than the one before it. */
function isAscending({ timesMs, timeStart, timeEnd }: SampleRun): boolean {
  for (let i = timeStart + 1; i < timeEnd; i += 1) if (timesMs[i] <= timesMs[i - 1]) return false;
  return timeEnd > timeStart;
}
