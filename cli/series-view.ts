import { formatTime } from "../lib/base/time.ts";
import type { Window } from "../lib/wire/window-frame.ts";
import { fitTable, heading } from "./terminal.ts";
import { rateOf } from "./window-row.ts";

/** Columns that a narrow terminal does without, the first one first. */
const dispensable = ["min", "max", "count", "p99", "last"];

/** Samples are only ever added to a window. */
function isNewer(a: Window, b: Window): boolean {
  return a.startMs > b.startMs || (a.startMs === b.startMs && a.count >= b.count);
}

/** The current window of each series, as a table for a terminal. */
export class SeriesView {
  readonly #latest = new Map<string, Window>();

  get size(): number {
    return this.#latest.size;
  }

  /** A later window of a series takes the place of an earlier one. */
  add(window: Window): void {
    const key = `${window.deviceId}\n${window.metric}`;
    const known = this.#latest.get(key);
    if (known === undefined || isNewer(window, known)) this.#latest.set(key, window);
  }

  /** Shows nothing of what was added. */
  clear(): void {
    this.#latest.clear();
  }

  /** At most `rowsMax` series, by device and metric, under a heading. */
  lines(rowsMax: number, widthMax = Number.POSITIVE_INFINITY): string[] {
    const windows = [...this.#latest.values()].sort(
      (a, b) => a.deviceId.localeCompare(b.deviceId) || a.metric.localeCompare(b.metric),
    );
    const shown = windows.slice(0, rowsMax);
    const hasCounters = shown.some(({ metricKind }) => metricKind === "counter");
    const rows = shown.map((window) => {
      const { deviceId, metric, startMs, state = "", count, sum, min, max, last, quantiles } = window;
      const p99 = quantiles.at(-1) ?? "";
      const row = [deviceId, metric, formatTime(startMs).slice(11), state, count, sum / count, min, max, p99, last];
      return hasCounters ? [...row, rateOf(window) ?? ""] : row;
    });
    const heads = ["device", "metric", "window", "state", "count", "mean", "min", "max", "p99", "last"];
    const all = [hasCounters ? [...heads, "rate/s"] : heads, ...rows];
    const [head, ...body] = fitTable(all, widthMax, dispensable).lines;
    const more = windows.length - rows.length;
    return [heading(head), ...body, ...(more > 0 ? [`... and ${more} more`] : [])];
  }
}
