import { type Tier, windowStart } from "../lib/aggregate/tiers.ts";
import { provisionalState, setState, watermarkOf } from "../lib/aggregate/watermark.ts";
import { TierWindows, WindowSet } from "../lib/aggregate/window-set.ts";
import {
  appendWindow,
  createWindowTable,
  mergeWindow,
  setWindow,
  type WindowTable,
} from "../lib/aggregate/window-table.ts";
import type { Clock } from "../lib/base/clock.ts";
import type { LiveFilter, LiveUpdate } from "../lib/store/live-feed.ts";
import type { Revision, SeriesRow, WindowChanges } from "../lib/store/store.ts";
import type { Group } from "./admission.ts";
import type { DeviceState } from "./device-states.ts";
import { WantedSeriesIndex } from "./wanted-series.ts";

/** Where the whole values of windows are: `Flusher`. */
export interface WholeWindows {
  readonly tiers: readonly Tier[];
  /** By tier: its mark (`lib/aggregate/roll-up.ts`). */
  readonly rolledMs: readonly number[];
  readWindow(tier: number, series: number, startMs: number, into: WindowTable, at: number): boolean;
}

/** The windows of one tier that the collector has in memory. */
interface CollectedTier {
  readonly widthMs: number;
  /** What has changed since it was last handed on. */
  pending: TierWindows;
  /**
   * Above the finest: wanted windows that are not rolled up, whole, so that groups are merged into them. They are whole
   * only while their series is wanted without a break.
   */
  open: TierWindows;
  /** What was handed on and is not final, whole like the open ones. */
  readonly provisional: TierWindows;
}

/**
 * Picks the windows that some subscriber wants out of what was stored, and keeps the latest of each. Those that were
 * handed on before they were final are handed on again when they are.
 */
export class ChangeCollector {
  readonly #whole: WholeWindows;
  readonly #clock: Clock;
  readonly #latenessMs: number;
  readonly #wanted: WantedSeriesIndex;
  #tiers: readonly CollectedTier[];
  #series = new Map<number, SeriesRow>();
  readonly #gone: number[] = [];
  #revision: Revision = 0;
  /** The latest server's time that it has seen: no watermark is further ahead than this, less the lateness. */
  #latestMs = Number.NEGATIVE_INFINITY;
  /** By series: the labels with which it was told. */
  readonly #told = new Map<number, SeriesRow["labels"]>();

  /** @param latenessMs how late a sample may be before its window counts as final */
  constructor(whole: WholeWindows, clock: Clock, latenessMs: number) {
    this.#whole = whole;
    this.#clock = clock;
    this.#latenessMs = latenessMs;
    this.#wanted = new WantedSeriesIndex(whole.tiers, (series, t) => this.#forget(series, t));
    this.#tiers = whole.tiers.map(collectedTier);
  }

  get interested(): boolean {
    return this.#wanted.size > 0;
  }

  /** Windows in memory. */
  get length(): number {
    return this.#tiers.reduce(
      (sum, tier) => sum + collectedIn(tier).reduce((of, { table }) => of + table.length, 0),
      0,
    );
  }

  /** A device is deleted: nothing of it is handed on any more. */
  forget(state: DeviceState): void {
    this.#wanted.forget(state);
    for (const { id } of state.seriesByName.values()) {
      this.#series.delete(id);
      this.#told.delete(id);
      if (this.interested) this.#gone.push(id);
    }
  }

  /**
   * From now on, what passes the filter is gathered.
   * @param revision the latest group so far
   */
  watch(id: number, filter: LiveFilter, revision: Revision): void {
    this.#revision = Math.max(this.#revision, revision);
    this.#wanted.add(id, filter);
  }

  unwatch(id: number): void {
    this.#wanted.remove(id);
    if (this.interested) return;
    this.#wanted.clear();
    this.#told.clear();
    this.#series.clear();
    this.#gone.length = 0;
    this.#tiers = this.#whole.tiers.map(collectedTier);
  }

  /** Somebody was shown this window as provisional, by the store: it is handed on when it is final. */
  follow(widthMs: number, state: DeviceState, series: number, startMs: number): void {
    this.#wanted.refresh(state);
    const t = this.#tiers.findIndex((tier) => tier.widthMs === widthMs);
    if (this.#wanted.get(series)?.tiers.includes(t) !== true) return;
    const { pending, provisional } = this.#tiers[t];
    if (pending.find(series, startMs) !== undefined || provisional.find(series, startMs) !== undefined) return;
    this.#read(t, series, startMs, provisional);
    this.#tell(series);
  }

  /** Copies the wanted windows of a group that was merged, so that they are whole. */
  add(group: Group, revision: Revision): void {
    this.#revision = revision;
    for (const state of group.devices) this.#wanted.refresh(state);
    const finest = this.#wantedOf(group).table;
    const fresh = this.#tiers.map(() => new Set<number>());
    for (let i = 0; i < finest.length; i += 1) {
      const wanted = this.#wanted.get(finest.series[i]);
      if (wanted === undefined || finest.counts[i] === 0) continue;
      for (const t of wanted.tiers) this.#addTo(t, finest, i, fresh[t]);
      this.#tell(wanted.row.id);
    }
  }

  /** What the group adds to windows of the finest tier, of the series that are wanted. */
  #wantedOf({ samples }: Group): TierWindows {
    const windows = new WindowSet([this.#whole.tiers[0].widthMs]);
    for (let i = 0; i < samples.length; i += 1) {
      const run = samples.at(i);
      if (this.#wanted.get(run.series) !== undefined) windows.add(run);
    }
    return windows.tiers[0];
  }

  /**
   * @param finest what the group adds to the finest tier
   * @param fresh open windows that were read after the group was merged, and have all of it
   */
  #addTo(t: number, finest: WindowTable, i: number, fresh: Set<number>): void {
    const { pending, open, widthMs } = this.#tiers[t];
    const series = finest.series[i];
    const startMs = windowStart(finest.starts[i], widthMs);
    if (startMs < this.#whole.rolledMs[t]) {
      this.#read(t, series, startMs, pending);
      return;
    }
    let at = open.find(series, startMs);
    if (at === undefined) {
      at = this.#read(t, series, startMs, open);
      if (at === undefined) return;
      fresh.add(at);
    } else if (!fresh.has(at)) {
      mergeWindow(open.table, at, finest, i);
      open.table.revisions[at] = this.#revision;
    }
    setWindow(pending.table, pending.indexOf(series, startMs), open.table, at);
  }

  /** @returns where it is; undefined when its tier does not keep it any more */
  #read(t: number, series: number, startMs: number, into: TierWindows): number | undefined {
    const at = into.indexOf(series, startMs);
    if (this.#whole.readWindow(t, series, startMs, into.table, at) || into.table.counts[at] > 0) return at;
    into.remove(at);
    return undefined;
  }

  /** The feed is told the series with what is handed on next, unless it knows it by these labels. */
  #tell(series: number): void {
    const row = this.#wanted.get(series)?.row;
    if (row !== undefined && this.#told.get(series) !== row.labels) this.#series.set(series, row);
  }

  /** What was gathered. It is the caller's, and gathering begins anew. */
  take(): LiveUpdate {
    this.#wanted.sweep();
    const nowMs = this.#clock.nowMs();
    this.#latestMs = Math.max(this.#latestMs, nowMs);
    const changes: WindowChanges[] = [];
    for (const [t, tier] of this.#tiers.entries()) {
      this.#addFinal(tier, nowMs);
      this.#derive(t, tier, nowMs);
      const { table } = tier.pending;
      if (table.length > 0) {
        // Whoever gets the first table of an update gets the series of all.
        const series = changes.length === 0 ? this.#takeSeries() : [];
        changes.push({ revision: this.#revision, widthMs: tier.widthMs, windows: table, series });
        tier.pending = new TierWindows(tier.widthMs);
      }
      this.#forgetRolledUp(t, tier);
    }
    const provisionalFromMs = this.#tiers.map(({ provisional }) => Math.min(...provisional.starts));
    return { revision: this.#revision, timeMs: nowMs, changes, provisionalFromMs, gone: this.#gone.splice(0) };
  }

  #takeSeries(): SeriesRow[] {
    const series = [...this.#series.values()];
    for (const row of series) this.#told.set(row.id, row.labels);
    this.#series.clear();
    return series;
  }

  /** What was handed on as provisional, and has become final without a further sample. */
  #addFinal({ provisional, pending, widthMs }: CollectedTier, nowMs: number): void {
    for (const startMs of [...provisional.starts]) {
      // Nearly all of them are still open, and need not be looked at one by one.
      if (startMs + widthMs > this.#latestMs - this.#latenessMs) continue;
      for (const series of [...provisional.seriesAt(startMs)]) {
        if (this.#watermarkOf(series, nowMs) < startMs + widthMs) continue;
        const at = provisional.find(series, startMs) as number;
        if (pending.find(series, startMs) === undefined) {
          setWindow(pending.table, pending.indexOf(series, startMs), provisional.table, at);
        }
        provisional.remove(at);
      }
    }
  }

  #derive(t: number, { pending, provisional, widthMs }: CollectedTier, nowMs: number): void {
    const { table } = pending;
    for (let i = 0; i < table.length; i += 1) {
      const series = table.series[i];
      setState(table, i, widthMs, this.#watermarkOf(series, nowMs));
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

  #watermarkOf(series: number, nowMs: number): number {
    const state = this.#wanted.get(series)?.state;
    return state === undefined ? Number.NEGATIVE_INFINITY : watermarkOf(state.session, nowMs, this.#latenessMs);
  }

  #forgetRolledUp(t: number, tier: CollectedTier): void {
    const { open } = tier;
    const rolled = [...open.starts].filter((startMs) => startMs < this.#whole.rolledMs[t]);
    for (const startMs of rolled) {
      for (const series of [...open.seriesAt(startMs)]) open.remove(open.find(series, startMs) as number);
    }
    // Gives back the memory.
    if (open.table.length === 0 && rolled.length > 0) tier.open = new TierWindows(tier.widthMs);
  }

  /** A series is not wanted any more in a tier: what there is of it will not be whole. */
  #forget(series: number, t: number): void {
    for (const windows of collectedIn(this.#tiers[t])) {
      for (const startMs of [...windows.starts]) {
        const at = windows.find(series, startMs);
        if (at !== undefined) windows.remove(at);
      }
    }
  }
}

function collectedTier({ widthMs }: Tier): CollectedTier {
  return {
    widthMs,
    pending: new TierWindows(widthMs),
    open: new TierWindows(widthMs),
    provisional: new TierWindows(widthMs),
  };
}

function collectedIn({ pending, open, provisional }: CollectedTier): readonly TierWindows[] {
  return [pending, open, provisional];
}
