import type { Table } from "../lib/wire/batch-encoder.ts";

/** What becomes one batch. */
export interface SealedRows {
  readonly tables: readonly Table[];
  /** Samples in the tables; absent values (NaN) do not count. */
  readonly samples: number;
}

/** Offsets are 32 bits of milliseconds: 49 days. */
const spanMsMax = 0xffff_ffff;

/**
 * Cuts rows (one value per metric, at one time) into batches of exactly `batchSamples` values, in the
 * order of the rows and of the metrics: a batch may begin and end inside a row.
 */
export class Batcher {
  readonly #metrics: number;
  readonly #batchSamples: number;
  #times: number[] = [];
  #rows: Float64Array[] = [];
  /** Values of the first row that are already sealed. */
  #taken = 0;
  #earliestMs = Number.POSITIVE_INFINITY;
  #latestMs = Number.NEGATIVE_INFINITY;

  /** @param metrics values per row; metric `i` has the handle `i + 1` */
  constructor(metrics: number, batchSamples: number) {
    this.#metrics = metrics;
    this.#batchSamples = batchSamples;
  }

  /** @returns the batches that the row completes: several when a row is larger than a batch */
  *add(timeMs: number, row: Float64Array): Generator<SealedRows> {
    const earliestMs = Math.min(this.#earliestMs, timeMs);
    const latestMs = Math.max(this.#latestMs, timeMs);
    if (latestMs - earliestMs > spanMsMax) yield* this.flush();
    this.#times.push(timeMs);
    this.#rows.push(row);
    this.#earliestMs = Math.min(this.#earliestMs, timeMs);
    this.#latestMs = Math.max(this.#latestMs, timeMs);
    while (this.#waiting >= this.#batchSamples) yield this.#seal(this.#batchSamples);
  }

  /** @returns what is left, as a smaller batch, if anything is */
  *flush(): Generator<SealedRows> {
    if (this.#waiting > 0) yield this.#seal(this.#waiting);
  }

  get #waiting(): number {
    return this.#rows.length * this.#metrics - this.#taken;
  }

  #seal(values: number): SealedRows {
    const from = this.#taken;
    const to = from + values;
    const metrics = this.#metrics;
    // The rows that are whole, between a part of a row before them and one behind them.
    const wholeFrom = Math.ceil(from / metrics);
    const wholeTo = Math.floor(to / metrics);
    const tables: Table[] = [];
    if (wholeFrom > wholeTo) tables.push(this.#table(wholeTo, wholeTo + 1, from % metrics, to % metrics));
    else {
      if (from % metrics > 0) tables.push(this.#table(wholeFrom - 1, wholeFrom, from % metrics, metrics));
      if (wholeTo > wholeFrom) tables.push(this.#table(wholeFrom, wholeTo, 0, metrics));
      if (to % metrics > 0) tables.push(this.#table(wholeTo, wholeTo + 1, 0, to % metrics));
    }
    this.#times = this.#times.slice(wholeTo);
    this.#rows = this.#rows.slice(wholeTo);
    this.#taken = to - wholeTo * metrics;
    this.#earliestMs = this.#times.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
    this.#latestMs = this.#times.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    return { tables, samples: tables.reduce((sum, table) => sum + countPresent(table.values), 0) };
  }

  #table(rowFrom: number, rowTo: number, metricFrom: number, metricTo: number): Table {
    const times = this.#times.slice(rowFrom, rowTo);
    const baseTimeMs = times.reduce((earliest, timeMs) => Math.min(earliest, timeMs), times[0]);
    const values = new Float64Array((metricTo - metricFrom) * times.length);
    let at = 0;
    for (let metric = metricFrom; metric < metricTo; metric += 1) {
      for (let row = rowFrom; row < rowTo; row += 1) values[at++] = this.#rows[row][metric];
    }
    return {
      metricHandles: Array.from({ length: metricTo - metricFrom }, (_, i) => metricFrom + i + 1),
      baseTimeMs,
      offsetsMs: times.map((timeMs) => timeMs - baseTimeMs),
      values,
    };
  }
}

function countPresent(values: Float64Array): number {
  let count = 0;
  for (const value of values) if (!Number.isNaN(value)) count += 1;
  return count;
}
