import { formatTime } from "../lib/base/time.ts";
import type { Window } from "../lib/wire/window-frame.ts";
import { formatTable, heading } from "./terminal.ts";

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
    if (known === undefined || window.startMs >= known.startMs) this.#latest.set(key, window);
  }

  /** At most `rowsMax` series, by device and metric, under a heading. */
  lines(rowsMax: number): string[] {
    const windows = [...this.#latest.values()].sort(
      (a, b) => a.deviceId.localeCompare(b.deviceId) || a.metric.localeCompare(b.metric),
    );
    const rows = windows.slice(0, rowsMax).map((window) => {
      const { deviceId, metric, startMs, state = "", count, sum, min, max, last, quantiles } = window;
      const p99 = quantiles.at(-1) ?? "";
      return [deviceId, metric, formatTime(startMs).slice(11), state, count, sum / count, min, max, p99, last];
    });
    const [head, ...body] = formatTable([
      ["device", "metric", "window", "state", "count", "mean", "min", "max", "p99", "last"],
      ...rows,
    ]);
    const more = windows.length - rows.length;
    return [heading(head), ...body, ...(more > 0 ? [`... and ${more} more`] : [])];
  }
}
