import { type Shard, shardOf } from "./shard.ts";
import { TierWindows, type WindowSet } from "./window-set.ts";
import { appendWindow, createWindowTable, mergeWindow, setWindow, type WindowTable } from "./window-table.ts";

/** The windows of one shard that differ from what is stored. */
export interface DirtyShard {
  readonly shard: Shard;
  /** Journal position of the first group that is not stored in them. */
  readonly since: number;
  /** When that group came, in milliseconds of the caller's clock. */
  readonly sinceMs: number;
  /** Whole values, one entry per tier: what is stored and what came since, together. */
  readonly tiers: readonly TierWindows[];
}

/** Reads the stored values of a window into entry `at` of a table. @returns false when there are none */
export type LoadWindow = (widthMs: number, startMs: number, series: number, into: WindowTable, at: number) => boolean;

/**
 * The windows that journalled groups have changed and that are not stored yet, with their whole values: what is stored
 * of a window is read when it is first touched, so that a flush only writes, and a live update is complete.
 */
export class DirtyWindows {
  readonly #load: LoadWindow;
  readonly #shards = new Map<Shard, DirtyShard>();
  readonly #stored = createWindowTable(1);
  #length = 0;

  constructor(load: LoadWindow) {
    this.#load = load;
    appendWindow(this.#stored, 0, 0);
  }

  /** Windows in memory. */
  get length(): number {
    return this.#length;
  }

  /** The longest dirty first. */
  get shards(): Iterable<DirtyShard> {
    return this.#shards.values();
  }

  get(shard: Shard): DirtyShard | undefined {
    return this.#shards.get(shard);
  }

  /**
   * Merges the windows of a group. Afterwards `group` has their whole values; those left out have the count 0.
   * @param keptFromMs per tier, start of the oldest window to keep: older ones are left out
   * @param takes whether a shard's windows are to be merged; others are left out
   */
  absorb(
    group: WindowSet,
    position: number,
    nowMs: number,
    keptFromMs: readonly number[],
    takes: (shard: Shard) => boolean = () => true,
  ): void {
    for (const [t, { widthMs, table }] of group.tiers.entries()) {
      for (let i = 0; i < table.length; i += 1) {
        const shard = shardOf(table.series[i]);
        if (table.starts[i] < keptFromMs[t] || !takes(shard)) table.counts[i] = 0;
        if (table.counts[i] === 0) continue;
        const windows = this.#dirtyShard(shard, position, nowMs, group.tiers).tiers[t];
        const at = this.#open(windows, table.series[i], table.starts[i], widthMs);
        mergeWindow(windows.table, at, table, i);
        setWindow(table, i, windows.table, at);
      }
    }
  }

  /** The shard is stored. */
  clean(shard: Shard): void {
    const dirty = this.#shards.get(shard);
    if (dirty === undefined) return;
    for (const { table } of dirty.tiers) this.#length -= table.length;
    this.#shards.delete(shard);
  }

  #dirtyShard(shard: Shard, since: number, sinceMs: number, tiers: readonly TierWindows[]): DirtyShard {
    let dirty = this.#shards.get(shard);
    if (dirty === undefined) {
      dirty = { shard, since, sinceMs, tiers: tiers.map(({ widthMs }) => new TierWindows(widthMs)) };
      this.#shards.set(shard, dirty);
    }
    return dirty;
  }

  /** The index of a window; one that is new here begins with what is stored. */
  #open(windows: TierWindows, series: number, startMs: number, widthMs: number): number {
    const { table } = windows;
    const before = table.length;
    const at = windows.indexOf(series, startMs);
    if (table.length === before) return at;
    this.#length += 1;
    if (this.#load(widthMs, startMs, series, this.#stored, 0)) {
      this.#stored.series[0] = series;
      this.#stored.starts[0] = startMs;
      setWindow(table, at, this.#stored, 0);
    }
    return at;
  }
}
