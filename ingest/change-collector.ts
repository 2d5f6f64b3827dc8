import { type Tier, windowStart } from "../lib/aggregate/tiers.ts";
import { TierWindows } from "../lib/aggregate/window-set.ts";
import { mergeWindow, setWindow, type WindowTable } from "../lib/aggregate/window-table.ts";
import { type LiveFilter, matches } from "../lib/store/live-feed.ts";
import type { Revision, SeriesRow, WindowChanges } from "../lib/store/store.ts";
import type { Group } from "./admission.ts";
import type { DeviceState } from "./sessions.ts";

/** Where the whole values of windows are: `Flusher`. */
export interface WholeWindows {
  readonly tiers: readonly Tier[];
  /** By tier: its mark (`lib/aggregate/roll-up.ts`). */
  readonly rolledMs: readonly number[];
  readWindow(tier: number, series: number, startMs: number, into: WindowTable, at: number): boolean;
}

/** Picks the windows that some subscriber wants out of what was stored, and keeps the latest of each. */
export class ChangeCollector {
  readonly #whole: WholeWindows;
  #filters: readonly LiveFilter[] = [];
  /** By tier. */
  #pending = new Map<number, TierWindows>();
  /** By tier above the finest: the wanted windows that are not rolled up, whole, so that groups are merged into them. */
  #open = new Map<number, TierWindows>();
  #series = new Map<number, SeriesRow>();
  #revision: Revision = 0;
  readonly #told = new Set<number>();
  /** The wanted series of a device, until the filters or the device's metrics change. */
  #wanted = new WeakMap<DeviceState, { metrics: number; rows: readonly SeriesRow[] }>();

  constructor(whole: WholeWindows) {
    this.#whole = whole;
  }

  get interested(): boolean {
    return this.#filters.length > 0;
  }

  /** From now on, what passes any of the filters is gathered. */
  setFilters(filters: readonly LiveFilter[]): void {
    this.#filters = filters;
    this.#wanted = new WeakMap();
    this.#open.clear();
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
    const widthsMs = new Set(this.#filters.map((filter) => filter.widthMs));
    for (const [t, { widthMs }] of this.#whole.tiers.entries()) {
      if (widthsMs.has(widthMs)) this.#addTier(t, group.windows.tiers[0].table, wanted);
    }
  }

  /** @param finest what the group adds to the finest tier */
  #addTier(t: number, finest: WindowTable, wanted: ReadonlyMap<number, SeriesRow>): void {
    const pending = tierOf(this.#pending, t, this.#whole.tiers);
    const fresh = new Set<number>();
    for (let i = 0; i < finest.length; i += 1) {
      const row = wanted.get(finest.series[i]);
      if (row === undefined || finest.counts[i] === 0) continue;
      const startMs = windowStart(finest.starts[i], pending.widthMs);
      if (startMs < this.#whole.rolledMs[t]) this.#read(t, row.id, startMs, pending);
      else this.#merge(t, row.id, startMs, finest, i, fresh, pending);
      if (!this.#told.has(row.id)) this.#series.set(row.id, row);
    }
  }

  /** @returns where it is; undefined when its tier does not keep it any more */
  #read(t: number, series: number, startMs: number, into: TierWindows): number | undefined {
    const at = into.indexOf(series, startMs);
    if (this.#whole.readWindow(t, series, startMs, into.table, at) || into.table.counts[at] > 0) return at;
    into.remove(at);
    return undefined;
  }

  /** @param fresh windows that were read after the group was merged, and have all of it */
  #merge(
    t: number,
    series: number,
    startMs: number,
    finest: WindowTable,
    i: number,
    fresh: Set<number>,
    pending: TierWindows,
  ): void {
    const open = tierOf(this.#open, t, this.#whole.tiers);
    let at = open.find(series, startMs);
    if (at === undefined) {
      at = this.#read(t, series, startMs, open);
      if (at === undefined) return;
      fresh.add(at);
    } else if (!fresh.has(at)) mergeWindow(open.table, at, finest, i);
    setWindow(pending.table, pending.indexOf(series, startMs), open.table, at);
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
    this.#forgetRolledUp();
    return changes;
  }

  #forgetRolledUp(): void {
    for (const [t, { table, widthMs }] of this.#open) {
      const kept = new TierWindows(widthMs);
      for (let i = 0; i < table.length; i += 1) {
        if (table.starts[i] < this.#whole.rolledMs[t]) continue;
        setWindow(kept.table, kept.indexOf(table.series[i], table.starts[i]), table, i);
      }
      if (kept.table.length < table.length) this.#open.set(t, kept);
    }
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

function tierOf(byTier: Map<number, TierWindows>, t: number, tiers: readonly Tier[]): TierWindows {
  let windows = byTier.get(t);
  if (windows === undefined) {
    windows = new TierWindows(tiers[t].widthMs);
    byTier.set(t, windows);
  }
  return windows;
}
