import { type Tier, windowStart } from "../lib/aggregate/tiers.ts";
import { provisionalState, setState, watermarkOf } from "../lib/aggregate/watermark.ts";
import { TierWindows } from "../lib/aggregate/window-set.ts";
import {
  appendWindow,
  createWindowTable,
  mergeWindow,
  setWindow,
  type WindowTable,
} from "../lib/aggregate/window-table.ts";
import type { Clock } from "../lib/base/clock.ts";
import type { LiveFilter } from "../lib/store/live-feed.ts";
import { matches } from "../lib/store/selector.ts";
import type { Revision, SeriesRow, WindowChanges } from "../lib/store/store.ts";
import type { Group } from "./admission.ts";
import type { DeviceState } from "./device-states.ts";

/** Where the whole values of windows are: `Flusher`. */
export interface WholeWindows {
  readonly tiers: readonly Tier[];
  /** By tier: its mark (`lib/aggregate/roll-up.ts`). */
  readonly rolledMs: readonly number[];
  readWindow(tier: number, series: number, startMs: number, into: WindowTable, at: number): boolean;
}

interface WantedSeries {
  readonly metrics: number;
  readonly labels: SeriesRow["labels"];
  readonly rows: readonly SeriesRow[];
}

/**
 * Picks the windows that some subscriber wants out of what was stored, and keeps the latest of each. Those that were
 * handed on before they were final are handed on again when they are.
 */
export class ChangeCollector {
  readonly #whole: WholeWindows;
  readonly #clock: Clock;
  readonly #latenessMs: number;
  #filters: readonly LiveFilter[] = [];
  /** By tier. */
  #pending = new Map<number, TierWindows>();
  /** By tier above the finest: the wanted windows that are not rolled up, whole, so that groups are merged into them. */
  #open = new Map<number, TierWindows>();
  /** By tier: what was handed on and is not final. */
  #provisional = new Map<number, TierWindows>();
  /** Devices of the series that were handed on. */
  #devices = new Map<number, DeviceState>();
  #series = new Map<number, SeriesRow>();
  #revision: Revision = 0;
  /** By series: the labels with which it was told. */
  readonly #told = new Map<number, SeriesRow["labels"]>();
  /** The wanted series of a device, until the filters or the device's metrics or labels change. */
  #wanted = new WeakMap<DeviceState, WantedSeries>();

  /** @param latenessMs how late a sample may be before its window counts as final */
  constructor(whole: WholeWindows, clock: Clock, latenessMs: number) {
    this.#whole = whole;
    this.#clock = clock;
    this.#latenessMs = latenessMs;
  }

  get interested(): boolean {
    return this.#filters.length > 0;
  }

  /** Windows in memory. */
  get length(): number {
    const byTiers = [this.#pending, this.#open, this.#provisional];
    return byTiers.flatMap((byTier) => [...byTier.values()]).reduce((sum, { table }) => sum + table.length, 0);
  }

  /** From now on, what passes any of the filters is gathered. */
  setFilters(filters: readonly LiveFilter[]): void {
    this.#filters = filters;
    this.#wanted = new WeakMap();
    this.#open.clear();
    this.#forgetUnwanted();
  }

  /** Keeps what some filter still wants: its subscriber was shown it as provisional, and waits for it to be final. */
  #forgetUnwanted(): void {
    const wanted = new Set<number>();
    for (const state of new Set(this.#devices.values())) for (const { id } of this.#wantedOf(state)) wanted.add(id);
    for (const series of this.#devices.keys()) if (!wanted.has(series)) this.#devices.delete(series);
    for (const byTier of [this.#pending, this.#provisional]) {
      for (const [t, windows] of byTier) {
        if (!this.#wantsTier(windows.widthMs)) byTier.delete(t);
        const { series } = windows.table;
        for (let i = windows.table.length - 1; i >= 0; i -= 1) if (!wanted.has(series[i])) windows.remove(i);
      }
    }
  }

  /** A device is deleted: nothing of it is handed on any more. */
  forget(state: DeviceState): void {
    const gone = new Set([...state.seriesByName.values()].map(({ id }) => id));
    for (const series of gone) {
      this.#devices.delete(series);
      this.#series.delete(series);
    }
    for (const byTier of [this.#pending, this.#provisional, this.#open]) {
      for (const windows of byTier.values()) {
        const { series } = windows.table;
        for (let i = windows.table.length - 1; i >= 0; i -= 1) if (gone.has(series[i])) windows.remove(i);
      }
    }
  }

  #wantsTier(widthMs: number): boolean {
    return this.#filters.some((filter) => filter.widthMs === widthMs);
  }

  /** Copies the wanted windows of a group that was merged, so that they are whole. */
  add(group: Group, revision: Revision): void {
    this.#revision = revision;
    const wanted = new Map<number, SeriesRow>();
    for (const state of group.devices) {
      for (const row of this.#wantedOf(state)) {
        wanted.set(row.id, row);
        this.#devices.set(row.id, state);
      }
    }
    if (wanted.size === 0) return;
    for (const [t, { widthMs }] of this.#whole.tiers.entries()) {
      if (this.#wantsTier(widthMs)) this.#addTier(t, group.windows.tiers[0].table, wanted);
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
      if (this.#told.get(row.id) !== row.labels) this.#series.set(row.id, row);
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
    for (const t of this.#whole.tiers.keys()) this.#addFinal(t);
    for (const [t, windows] of this.#pending) this.#derive(t, windows);
    const series = [...this.#series.values()];
    for (const row of series) this.#told.set(row.id, row.labels);
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

  /** What was handed on as provisional, and has become final without a further sample. */
  #addFinal(t: number): void {
    const provisional = this.#provisional.get(t);
    if (provisional === undefined) return;
    const { table, widthMs } = provisional;
    for (let i = table.length - 1; i >= 0; i -= 1) {
      if (this.#watermarkOf(table.series[i]) < table.starts[i] + widthMs) continue;
      const pending = tierOf(this.#pending, t, this.#whole.tiers);
      const isNew = pending.find(table.series[i], table.starts[i]) === undefined;
      if (isNew) setWindow(pending.table, pending.indexOf(table.series[i], table.starts[i]), table, i);
      provisional.remove(i);
    }
  }

  #derive(t: number, { table, widthMs }: TierWindows): void {
    const provisional = tierOf(this.#provisional, t, this.#whole.tiers);
    for (let i = 0; i < table.length; i += 1) {
      const series = table.series[i];
      setState(table, i, widthMs, this.#watermarkOf(series));
      if (!Number.isNaN(table.resetOffsets[i])) this.#readBefore(t, table, i, widthMs);
      if (table.states[i] === provisionalState) {
        setWindow(provisional.table, provisional.indexOf(series, table.starts[i]), table, i);
        continue;
      }
      const before = provisional.find(series, table.starts[i]);
      if (before !== undefined) provisional.remove(before);
    }
  }

  /** The last sample of a counter in the window just before. */
  #readBefore(t: number, table: WindowTable, i: number, widthMs: number): void {
    const before = createWindowTable(1);
    appendWindow(before, 0, 0);
    if (!this.#whole.readWindow(t, table.series[i], table.starts[i] - widthMs, before, 0)) return;
    table.valuesBefore[i] = before.lasts[0];
    table.timesBeforeMs[i] = before.lastTimesMs[0];
  }

  #watermarkOf(series: number): number {
    const state = this.#devices.get(series);
    return state === undefined
      ? Number.NEGATIVE_INFINITY
      : watermarkOf(state.session, this.#clock.nowMs(), this.#latenessMs);
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
    const { deviceId, labels } = state.device;
    if (cached?.metrics === metrics && cached.labels === labels) return cached.rows;
    const rows = [...state.seriesByName.values()]
      .map((series) => ({ ...series, deviceId, labels }))
      .filter((row) => this.#filters.some(({ selector }) => matches(selector, row)));
    this.#wanted.set(state, { metrics, labels, rows });
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
