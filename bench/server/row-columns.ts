import { invalidField } from "../../lib/base/errors.ts";
import type { NamedTable } from "./named-batch.ts";

const offsetMsMax = 0xffff_ffff;

/**
 * Turns rows into columns: a pass over the rows, which gives each its metric, and one over the numbers. Its memory is used
 * again for the next batch.
 */
export class RowColumns {
  #length = 0;
  /** Metric of each row, its time and its value, in the order in which they came. */
  #metricOf = new Int32Array(0);
  #timesMs = new Float64Array(0);
  #values = new Float64Array(0);
  /** Times and values, metric by metric. */
  #sortedTimesMs = new Float64Array(0);
  #sortedValues = new Float64Array(0);
  readonly #metricIndex = new Map<string, number>();
  readonly #rowsOf: number[] = [];

  /** Begins a batch of at most so many rows. */
  begin(rows: number): void {
    this.#length = 0;
    this.#metricIndex.clear();
    this.#rowsOf.length = 0;
    if (rows <= this.#values.length) return;
    this.#metricOf = new Int32Array(rows);
    this.#timesMs = new Float64Array(rows);
    this.#values = new Float64Array(rows);
    this.#sortedTimesMs = new Float64Array(rows);
    this.#sortedValues = new Float64Array(rows);
  }

  /** @param timeMs a whole number */
  add(metric: string, timeMs: number, value: number): void {
    let index = this.#metricIndex.get(metric);
    if (index === undefined) {
      index = this.#rowsOf.length;
      this.#metricIndex.set(metric, index);
      this.#rowsOf.push(0);
    }
    this.#rowsOf[index] += 1;
    const at = this.#length++;
    this.#metricOf[at] = index;
    this.#timesMs[at] = timeMs;
    this.#values[at] = value;
  }

  /**
   * The rows as tables, metrics by their first row, the rows of each in their order. Metrics that follow each other and
   * have the same times share a table: usually there is one.
   * @returns tables whose values are valid until the next `begin`
   * @throws TelemetryError when times are too far apart for one table
   */
  tables(): NamedTable[] {
    const starts = this.#sortByMetric();
    const metrics = [...this.#metricIndex.keys()];
    const tables: NamedTable[] = [];
    for (let first = 0; first < metrics.length; ) {
      let next = first + 1;
      while (next < metrics.length && this.#haveSameTimes(starts, first, next)) next += 1;
      tables.push({
        metrics: metrics.slice(first, next),
        ...this.#times(starts[first], starts[first + 1]),
        values: this.#sortedValues.subarray(starts[first], starts[next]),
      });
      first = next;
    }
    return tables;
  }

  /** @returns where the rows of each metric start, and the end of the last */
  #sortByMetric(): Int32Array {
    const starts = new Int32Array(this.#rowsOf.length + 1);
    for (let i = 0; i < this.#rowsOf.length; i += 1) starts[i + 1] = starts[i] + this.#rowsOf[i];
    const next = starts.slice();
    for (let at = 0; at < this.#length; at += 1) {
      const to = next[this.#metricOf[at]]++;
      this.#sortedTimesMs[to] = this.#timesMs[at];
      this.#sortedValues[to] = this.#values[at];
    }
    return starts;
  }

  #haveSameTimes(starts: Int32Array, a: number, b: number): boolean {
    const rows = this.#rowsOf[a];
    if (this.#rowsOf[b] !== rows) return false;
    const times = this.#sortedTimesMs;
    for (let i = 0; i < rows; i += 1) if (times[starts[a] + i] !== times[starts[b] + i]) return false;
    return true;
  }

  #times(start: number, end: number): Pick<NamedTable, "baseTimeMs" | "offsetsMs"> {
    const times = this.#sortedTimesMs;
    let baseTimeMs = times[start];
    let latestMs = baseTimeMs;
    for (let i = start + 1; i < end; i += 1) {
      if (times[i] < baseTimeMs) baseTimeMs = times[i];
      else if (times[i] > latestMs) latestMs = times[i];
    }
    if (latestMs - baseTimeMs > offsetMsMax) {
      throw invalidField(
        "samples",
        `of one metric are ${latestMs - baseTimeMs} ms apart, the limit is ${offsetMsMax}`,
        "send them in several batches",
      );
    }
    const offsetsMs = new Uint32Array(end - start);
    for (let i = start; i < end; i += 1) offsetsMs[i - start] = times[i] - baseTimeMs;
    return { baseTimeMs, offsetsMs };
  }
}
