import { clearSketch } from "../lib/aggregate/sketch-table.ts";
import { TierWindows } from "../lib/aggregate/window-set.ts";
import { copyWindow, createWindowTable, setWindow, type WindowTable } from "../lib/aggregate/window-table.ts";
import { quantileAt } from "../lib/wire/window-frame.ts";

/** Some changed windows, the longest unchanged first. */
export interface ChangedPage {
  /** Without their sketches. */
  readonly windows: WindowTable;
  /** Quantiles of the first window, then of the next. */
  readonly quantileValues: Float64Array;
  /** The number of the latest change among them. */
  readonly lastChange: number;
}

/** The latest value of each window that has changed, with the number of its latest change. */
export class LiveWindows {
  readonly #quantiles: readonly number[];
  readonly #widthMs: number;
  #windows: TierWindows;
  /** By window: number of its latest change, and its quantiles. */
  #changes = new Float64Array();
  #quantileValues = new Float64Array();

  constructor(widthMs: number, quantiles: readonly number[]) {
    this.#widthMs = widthMs;
    this.#quantiles = quantiles;
    this.#windows = new TierWindows(widthMs, initialCapacity);
  }

  get length(): number {
    return this.#windows.table.length;
  }

  /** Window `i` of a table is the latest value now. */
  put(from: WindowTable, i: number, change: number): void {
    const at = this.#windows.indexOf(from.series[i], from.starts[i]);
    const { table } = this.#windows;
    this.#changes = grown(this.#changes, table.series.length);
    this.#quantileValues = grown(this.#quantileValues, table.series.length * this.#quantiles.length);
    setWindow(table, at, from, i);
    // Of its sketch only the quantiles are sent: they take less memory, and it is bounded.
    clearSketch(table.sketches, at);
    const first = at * this.#quantiles.length;
    for (const [q, quantile] of this.#quantiles.entries()) {
      this.#quantileValues[first + q] = quantileAt(from, i, quantile);
    }
    this.#changes[at] = change;
  }

  /** The first windows that changed after a change. @returns undefined when there is none */
  after(change: number, windowsMax: number): ChangedPage | undefined {
    const rows: number[] = [];
    for (let at = 0; at < this.length; at += 1) if (this.#changes[at] > change) rows.push(at);
    if (rows.length === 0) return undefined;
    rows.sort((a, b) => this.#changes[a] - this.#changes[b]);
    rows.length = Math.min(rows.length, windowsMax);
    const perWindow = this.#quantiles.length;
    const windows = createWindowTable(rows.length);
    const quantileValues = new Float64Array(rows.length * perWindow);
    for (const [i, at] of rows.entries()) {
      copyWindow(this.#windows.table, at, windows);
      quantileValues.set(this.#quantileValues.subarray(at * perWindow, (at + 1) * perWindow), i * perWindow);
    }
    return { windows, quantileValues, lastChange: this.#changes[rows[rows.length - 1]] };
  }

  /** Takes away the windows of a series. */
  drop(series: number): void {
    const { table } = this.#windows;
    for (let at = this.length - 1; at >= 0; at -= 1) if (table.series[at] === series) this.#remove(at);
  }

  /** Takes away the windows that did not change after a change. */
  dropThrough(change: number): void {
    for (let at = this.length - 1; at >= 0; at -= 1) if (this.#changes[at] <= change) this.#remove(at);
    const { table } = this.#windows;
    // Gives back the memory of a burst.
    if (table.length === 0 && table.series.length > 8 * initialCapacity) {
      this.#windows = new TierWindows(this.#widthMs, initialCapacity);
      this.#changes = new Float64Array();
      this.#quantileValues = new Float64Array();
    }
  }

  /** The change through which `dropThrough` takes away so many of the longest unchanged windows. */
  changeOfOldest(count: number): number {
    const changes = this.#changes.slice(0, this.length).sort();
    return changes[count - 1];
  }

  #remove(at: number): void {
    const last = this.length - 1;
    const perWindow = this.#quantiles.length;
    this.#changes[at] = this.#changes[last];
    this.#quantileValues.copyWithin(at * perWindow, last * perWindow, (last + 1) * perWindow);
    this.#windows.remove(at);
  }
}

/** Most selections are of few series, and very many of them may be watched. */
const initialCapacity = 16;

function grown(column: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  if (column.length >= length) return column;
  const larger = new Float64Array(length);
  larger.set(column);
  return larger;
}
