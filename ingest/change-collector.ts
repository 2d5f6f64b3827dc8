import { TierWindows } from "../lib/aggregate/window-set.ts";
import { setWindow } from "../lib/aggregate/window-table.ts";
import { type LiveFilter, matches } from "../lib/store/live-feed.ts";
import type { Revision, SeriesRow, WindowChanges } from "../lib/store/store.ts";
import type { Group } from "./admission.ts";
import type { DeviceState } from "./sessions.ts";

/** Picks the windows that some subscriber wants out of what was stored, and keeps the latest of each. */
export class ChangeCollector {
  #filters: readonly LiveFilter[] = [];
  #pending = new Map<number, TierWindows>();
  #series = new Map<number, SeriesRow>();
  #revision: Revision = 0;
  readonly #told = new Set<number>();
  /** The wanted series of a device, until the filters or the device's metrics change. */
  #wanted = new WeakMap<DeviceState, { metrics: number; rows: readonly SeriesRow[] }>();

  get interested(): boolean {
    return this.#filters.length > 0;
  }

  /** From now on, what passes any of the filters is gathered. */
  setFilters(filters: readonly LiveFilter[]): void {
    this.#filters = filters;
    this.#wanted = new WeakMap();
    if (filters.length === 0) this.#pending.clear();
  }

  /** Copies the wanted windows of a group that was merged, so that they are whole. */
  add(group: Group, revision: Revision): void {
    this.#revision = revision;
    const wanted = new Map<number, SeriesRow>();
    for (const state of group.devices) {
      for (const row of this.#wantedOf(state)) wanted.set(row.id, row);
    }
    if (wanted.size === 0) return;
    const widths = new Set(this.#filters.map((filter) => filter.widthMs));
    for (const { widthMs, table } of group.windows.tiers) {
      if (!widths.has(widthMs)) continue;
      let pending = this.#pending.get(widthMs);
      if (pending === undefined) {
        pending = new TierWindows(widthMs);
        this.#pending.set(widthMs, pending);
      }
      for (let i = 0; i < table.length; i += 1) {
        const row = wanted.get(table.series[i]);
        if (row === undefined || table.counts[i] === 0) continue;
        setWindow(pending.table, pending.indexOf(row.id, table.starts[i]), table, i);
        if (!this.#told.has(row.id)) this.#series.set(row.id, row);
      }
    }
  }

  /** What was gathered, per tier. It is the caller's, and gathering begins anew. */
  take(): WindowChanges[] {
    const series = [...this.#series.values()];
    for (const row of series) this.#told.add(row.id);
    const changes = [...this.#pending.values()].map(({ widthMs, table }, i) => ({
      revision: this.#revision,
      widthMs,
      windows: table,
      series: i === 0 ? series : [],
    }));
    if (changes.length > 0) this.#series.clear();
    this.#pending = new Map();
    return changes;
  }

  #wantedOf(state: DeviceState): readonly SeriesRow[] {
    const cached = this.#wanted.get(state);
    const metrics = state.seriesByName.size;
    if (cached?.metrics === metrics) return cached.rows;
    const { deviceId } = state.device;
    const rows = [...state.seriesByName.values()]
      .map((series) => ({ ...series, deviceId }))
      .filter((row) => this.#filters.some(({ selector }) => matches(selector, row)));
    this.#wanted.set(state, { metrics, rows });
    return rows;
  }
}
