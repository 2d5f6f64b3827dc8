import { TierWindows } from "../lib/aggregate/window-set.ts";
import { copyWindow, createWindowTable, setWindow, type WindowTable } from "../lib/aggregate/window-table.ts";
import { frameWindowsMax, subscriberWindowsMax } from "../lib/base/limits.ts";
import type { LiveFeed, LiveFilter } from "../lib/store/live-feed.ts";
import { matches } from "../lib/store/selector.ts";
import type { Revision, SeriesRow, WindowChanges } from "../lib/store/store.ts";

/** Changes for one subscriber. */
export interface ChangePage {
  readonly revision: Revision;
  readonly windows: WindowTable;
  readonly series: readonly SeriesRow[];
}

/**
 * What one subscriber has not been sent yet: the latest value of each changed window. A slow one is sent
 * less, never older.
 */
export class PendingChanges {
  readonly #filter: LiveFilter;
  readonly #feed: LiveFeed;
  readonly #told = new Set<number>();
  /** By series, until its device has other labels. */
  readonly #wanted = new Map<number, { readonly row: SeriesRow | undefined; readonly wanted: boolean }>();
  #windows: TierWindows;
  #revision: Revision = 0;
  /** Called at the next change that is wanted. */
  onChanged: (() => void) | undefined;

  constructor(filter: LiveFilter, feed: LiveFeed) {
    this.#filter = filter;
    this.#feed = feed;
    this.#windows = new TierWindows(filter.widthMs);
  }

  /** The latest commit whose changes have come. */
  get revision(): Revision {
    return this.#revision;
  }

  /** Windows that wait. */
  get length(): number {
    return this.#windows.table.length;
  }

  /** More windows wait than may: the subscriber does not read. */
  get overflowing(): boolean {
    return this.length > subscriberWindowsMax;
  }

  add(changes: WindowChanges): void {
    this.#revision = changes.revision;
    if (this.overflowing) return;
    const { windows } = changes;
    let added = false;
    for (let i = 0; i < windows.length; i += 1) {
      const series = windows.series[i];
      if (!this.#wants(series)) continue;
      setWindow(this.#windows.table, this.#windows.indexOf(series, windows.starts[i]), windows, i);
      added = true;
    }
    if (added) this.onChanged?.();
  }

  /** The snapshot told these series. */
  tell(series: readonly SeriesRow[]): void {
    for (const row of series) this.#told.add(row.id);
  }

  /** The snapshot shows these windows: what waits of them and is not newer need not be sent. */
  drop(shown: WindowTable): void {
    const { table } = this.#windows;
    if (table.length === 0) return;
    const stale = new Set<number>();
    for (let i = 0; i < shown.length; i += 1) {
      const at = this.#windows.find(shown.series[i], shown.starts[i]);
      if (at !== undefined && !isLater(table, at, shown, i)) stale.add(at);
    }
    if (stale.size === 0) return;
    const kept = new TierWindows(this.#filter.widthMs);
    for (let i = 0; i < table.length; i += 1) {
      if (!stale.has(i)) setWindow(kept.table, kept.indexOf(table.series[i], table.starts[i]), table, i);
    }
    this.#windows = kept;
  }

  /** Takes out everything that waits, in pages. */
  *take(): Generator<ChangePage> {
    const { table } = this.#windows;
    this.#windows = new TierWindows(this.#filter.widthMs);
    for (let from = 0; from < table.length; from += frameWindowsMax) {
      const windows = createWindowTable(Math.min(frameWindowsMax, table.length - from));
      const series: SeriesRow[] = [];
      for (let i = from; i < Math.min(from + frameWindowsMax, table.length); i += 1) {
        copyWindow(table, i, windows);
        const row = this.#untold(table.series[i]);
        if (row !== undefined) series.push(row);
      }
      yield { revision: this.#revision, windows, series };
    }
  }

  #untold(series: number): SeriesRow | undefined {
    if (this.#told.has(series)) return undefined;
    this.#told.add(series);
    return this.#feed.seriesOf(series);
  }

  #wants(series: number): boolean {
    const row = this.#feed.seriesOf(series);
    let known = this.#wanted.get(series);
    if (known === undefined || known.row !== row) {
      known = { row, wanted: row !== undefined && matches(this.#filter.selector, row) };
      this.#wanted.set(series, known);
    }
    return known.wanted;
  }
}

/** Samples are only ever added, and states follow each other. */
function isLater(a: WindowTable, aAt: number, b: WindowTable, bAt: number): boolean {
  const more = a.counts[aAt] - b.counts[bAt];
  return more > 0 || (more === 0 && a.states[aAt] > b.states[bAt]);
}
