import type { SampleRuns } from "./sample-runs.ts";
import { type Shard, shardOf, shardSeries } from "./shard.ts";
import { addRun, TierWindows, type WindowSet } from "./window-set.ts";
import {
  appendWindow,
  copyWindow,
  createWindowTable,
  mergeWindow,
  setWindow,
  type WindowTable,
} from "./window-table.ts";

/** Windows of one tier of a shard. */
export class HeldTier extends TierWindows {
  /** By window: journal position of the first group that is not stored in it; 0 when it is stored. */
  sinces = new Float64Array(8);
  /** By window: when that group came, in milliseconds of the caller's clock. */
  sincesMs = new Float64Array(8);
  /** By series: the window that was looked for last. For small batches, two maps would be asked for each sample. */
  readonly #latest = new Int32Array(shardSeries);

  constructor(widthMs: number) {
    super(widthMs, 8);
  }

  override indexOf(series: number, startMs: number): number {
    const at = super.indexOf(series, startMs);
    if (at === this.sinces.length) {
      const grown = () => new Float64Array(at * 2);
      const [sinces, sincesMs] = [grown(), grown()];
      sinces.set(this.sinces);
      sincesMs.set(this.sincesMs);
      this.sinces = sinces;
      this.sincesMs = sincesMs;
    }
    return at;
  }

  /** The index of a window of a series if it is the one that was looked for last; -1 otherwise. */
  recall(series: number, startMs: number): number {
    const at = this.#latest[series & shardSeriesMask];
    const { table } = this;
    return at < table.length && table.series[at] === series && table.starts[at] === startMs ? at : -1;
  }

  /** For `recall`. Windows may move or go afterwards: it looks whether they have. */
  remember(series: number, at: number): void {
    this.#latest[series & shardSeriesMask] = at;
  }

  override remove(at: number): void {
    super.remove(at);
    this.sinces[at] = this.sinces[this.table.length];
    this.sincesMs[at] = this.sincesMs[this.table.length];
  }
}

/** The windows of one shard. */
export interface HeldShard {
  readonly shard: Shard;
  /** One entry per tier, finest first: whole values, what is stored and what came since, together. */
  tiers: readonly HeldTier[];
  /** No group before this journal position is missing in any of its stored windows; infinity when none is missing. */
  since: number;
  /** When something of it should be stored, in milliseconds of the caller's clock. */
  dueMs: number;
}

/** Some windows of a tier. */
export interface WindowPart {
  readonly widthMs: number;
  readonly table: WindowTable;
  /** Their indexes in the table. Undefined: all. */
  readonly rows?: readonly number[];
}

/** Windows of a shard to store together. */
export interface Due {
  readonly parts: readonly WindowPart[];
  /** The first group that will still be missing then, as in `HeldShard.since`. */
  readonly since: number;
  /** Whether more may be due. */
  readonly more: boolean;
}

/** Which windows of a tier a group changes: those with `fromMs` <= start < `toMs`. */
export interface TierBounds {
  readonly fromMs: number;
  readonly toMs: number;
}

const shardSeriesMask = shardSeries - 1;

/** Of each series the window that is open, and the one before. */
const usualWindows = 2 * shardSeries;

/** A look takes a tenth of the time of a copy. */
const looksPerCopyMax = 10;

/** Reads the stored values of a window into entry `at` of a table. @returns false when there are none */
export type LoadWindow = (widthMs: number, startMs: number, series: number, into: WindowTable, at: number) => boolean;

/**
 * The windows that the writer has in memory, with their whole values: those that journalled groups have changed and that
 * are not stored yet, and those of the finest tier that are still open. What is stored of a window is read when it is
 * first touched, so that a flush only writes, and a live update is complete.
 */
export class HeldWindows {
  readonly #load: LoadWindow;
  readonly #shards = new Map<Shard, HeldShard>();
  readonly #loaded = createWindowTable(1);
  /** No window of the finest tier that starts later is stored: of any shard at first, then of those that were stored. */
  readonly #latestMs: number;
  readonly #latestMsByShard = new Map<Shard, number>();
  #length = 0;

  /** @param latestMs the latest start of a stored window of the finest tier: later ones need not be looked for */
  constructor(load: LoadWindow, latestMs = Number.POSITIVE_INFINITY) {
    this.#load = load;
    this.#latestMs = latestMs;
    appendWindow(this.#loaded, 0, 0);
  }

  /** Windows in memory. */
  get length(): number {
    return this.#length;
  }

  get shards(): Iterable<HeldShard> {
    return this.#shards.values();
  }

  get(shard: Shard): HeldShard | undefined {
    return this.#shards.get(shard);
  }

  /** The tier (by its index) that holds a window of a series, and where. */
  find(tier: number, series: number, startMs: number): { table: WindowTable; at: number } | undefined {
    const windows = this.#shards.get(shardOf(series))?.tiers[tier];
    const at = windows?.find(series, startMs);
    return windows === undefined || at === undefined ? undefined : { table: windows.table, at };
  }

  /**
   * Merges the windows of a group, but for those that show it already.
   * @param dueMs when what it changes should be stored
   * @param bounds per tier
   * @param takes whether a shard's windows are to be merged; others are left out
   */
  absorb(
    group: WindowSet,
    position: number,
    nowMs: number,
    dueMs: number,
    bounds: readonly TierBounds[],
    takes: (shard: Shard) => boolean = () => true,
  ): void {
    for (const [t, { table }] of group.tiers.entries()) {
      const { fromMs, toMs } = bounds[t];
      for (let i = 0; i < table.length; i += 1) {
        const startMs = table.starts[i];
        if (startMs < fromMs || startMs >= toMs || table.counts[i] === 0) continue;
        const shard = shardOf(table.series[i]);
        if (!takes(shard)) continue;
        const held = this.#shard(shard, dueMs, group.tiers);
        const tier = held.tiers[t];
        const isNew = t === 0 && startMs > (this.#latestMsByShard.get(shard) ?? this.#latestMs);
        const at = this.#open(tier, table.series[i], startMs, isNew);
        if (position <= tier.table.revisions[at]) continue;
        mergeWindow(tier.table, at, table, i);
        tier.table.revisions[at] = position;
        if (tier.sinces[at] === 0) {
          tier.sinces[at] = position;
          tier.sincesMs[at] = nowMs;
          held.since = Math.min(held.since, position);
        }
      }
    }
  }

  /**
   * Adds the samples of a group to the finest tier, whose windows all are older than the group.
   * @param dueMs when what it changes should be stored
   * @param bounds of the finest tier
   */
  add(
    runs: SampleRuns,
    position: number,
    nowMs: number,
    dueMs: number,
    { fromMs, toMs }: TierBounds,
    tiers: readonly { readonly widthMs: number }[],
  ): void {
    if (runs.length === 0) return;
    const [{ widthMs }] = tiers;
    let held = this.#shard(shardOf(runs.at(0).series), dueMs, tiers);
    let [tier] = held.tiers;
    const indexOf = (series: number, startMs: number): number => {
      if (startMs < fromMs || startMs >= toMs) return -1;
      let at = tier.recall(series, startMs);
      if (at === -1) {
        at = this.#open(tier, series, startMs, startMs > (this.#latestMsByShard.get(held.shard) ?? this.#latestMs));
        tier.remember(series, at);
      }
      tier.table.revisions[at] = position;
      if (tier.sinces[at] === 0) {
        tier.sinces[at] = position;
        tier.sincesMs[at] = nowMs;
        held.since = Math.min(held.since, position);
      }
      return at;
    };
    for (let i = 0; i < runs.length; i += 1) {
      const run = runs.at(i);
      const shard = shardOf(run.series);
      if (held.shard !== shard) {
        held = this.#shard(shard, dueMs, tiers);
        [tier] = held.tiers;
      }
      addRun(run, widthMs, tier.table, indexOf);
    }
  }

  /**
   * Copies of windows that are not stored as they are, by start, then by series: those of a tier with
   * `fromMs` <= start < `toMs`.
   * @param series undefined: all
   * @param max to copy: a few milliseconds
   * @returns undefined when there are more, or it would take long to tell
   */
  copyUnstored(
    tier: number,
    series: Int32Array | undefined,
    { fromMs, toMs }: TierBounds,
    max: number,
  ): WindowTable | undefined {
    const found: { readonly table: WindowTable; readonly at: number }[] = [];
    let looksLeft = max * looksPerCopyMax;
    const look = ({ table, sinces }: HeldTier, at: number) => {
      const startMs = table.starts[at];
      if (sinces[at] > 0 && startMs >= fromMs && startMs < toMs) found.push({ table, at });
    };
    const isOver = () => looksLeft < 0 || found.length > max;
    if (series === undefined) {
      for (const { tiers } of this.#shards.values()) {
        looksLeft -= tiers[tier].table.length;
        for (let at = 0; at < tiers[tier].table.length && !isOver(); at += 1) look(tiers[tier], at);
        if (isOver()) return undefined;
      }
    } else {
      for (const id of series) {
        const held = this.#shards.get(shardOf(id))?.tiers[tier];
        for (const startMs of held?.starts ?? []) {
          looksLeft -= 1;
          const at = held?.find(id, startMs);
          if (held !== undefined && at !== undefined) look(held, at);
        }
        looksLeft -= 1;
        if (isOver()) return undefined;
      }
    }
    found.sort((a, b) => a.table.starts[a.at] - b.table.starts[b.at] || a.table.series[a.at] - b.table.series[b.at]);
    const copies = createWindowTable(Math.max(1, found.length));
    for (const { table, at } of found) copyWindow(table, at, copies);
    return copies;
  }

  /**
   * Windows of a shard that should be stored.
   * @param isDue of those that are not stored as they are
   * @param max windows in one transaction
   */
  due(held: HeldShard, isDue: (tier: HeldTier, at: number) => boolean, max: number): Due {
    const parts: WindowPart[] = [];
    let since = Number.POSITIVE_INFINITY;
    let left = max;
    for (const tier of held.tiers) {
      const rows: number[] = [];
      if (left > 0) parts.push({ widthMs: tier.widthMs, table: tier.table, rows });
      for (let at = 0; at < tier.table.length; at += 1) {
        if (tier.sinces[at] === 0) continue;
        if (!isDue(tier, at)) since = Math.min(since, tier.sinces[at]);
        // To look through all the others for each transaction would take longer than to store them.
        else if (left === 0) return { parts, since: held.since, more: true };
        else {
          rows.push(at);
          left -= 1;
        }
      }
    }
    return { parts: parts.filter(({ rows = [] }) => rows.length > 0), since, more: false };
  }

  /** What was due of a shard is stored. Lets go of it, but for windows of the finest tier that end after `openMs`. */
  stored(held: HeldShard, { parts, since }: Due, openMs: number): void {
    for (const { widthMs, rows = [] } of parts) {
      const t = held.tiers.findIndex((tier) => tier.widthMs === widthMs);
      // From the last one on: whatever takes the place of a window that goes comes from behind it.
      for (const at of rows.toReversed()) {
        held.tiers[t].sinces[at] = 0;
        if (t === 0) this.#sawStored(held.shard, held.tiers[t].table.starts[at]);
        this.#letGo(held, t, at, openMs);
      }
    }
    held.since = since;
  }

  /** Lets go of the stored windows of a shard, but for those of the finest tier that end after `openMs`. */
  release(held: HeldShard, openMs: number): void {
    for (const [t, { table, sinces }] of held.tiers.entries()) {
      for (let at = table.length - 1; at >= 0; at -= 1) if (sinces[at] === 0) this.#letGo(held, t, at, openMs);
    }
    if (held.tiers.every(({ table }) => table.length === 0)) this.#shards.delete(held.shard);
    else held.tiers = held.tiers.map(compact);
  }

  #sawStored(shard: Shard, startMs: number): void {
    const latestMs = this.#latestMsByShard.get(shard) ?? this.#latestMs;
    this.#latestMsByShard.set(shard, Math.max(latestMs, startMs));
  }

  #letGo(held: HeldShard, t: number, at: number, openMs: number): void {
    const tier = held.tiers[t];
    if (t === 0 && tier.table.starts[at] + tier.widthMs > openMs) return;
    tier.remove(at);
    this.#length -= 1;
  }

  #shard(shard: Shard, dueMs: number, tiers: readonly { readonly widthMs: number }[]): HeldShard {
    let held = this.#shards.get(shard);
    if (held === undefined) {
      held = {
        shard,
        tiers: tiers.map(({ widthMs }) => new HeldTier(widthMs)),
        since: Number.POSITIVE_INFINITY,
        dueMs,
      };
      this.#shards.set(shard, held);
    }
    if (dueMs < held.dueMs) held.dueMs = dueMs;
    return held;
  }

  /** The index of a window; one that is new here begins with what is stored, unless it is new there too. */
  #open(tier: HeldTier, series: number, startMs: number, isNew: boolean): number {
    const { table } = tier;
    const before = table.length;
    const at = tier.indexOf(series, startMs);
    if (table.length === before) return at;
    this.#length += 1;
    tier.sinces[at] = 0;
    if (!isNew && this.#load(tier.widthMs, startMs, series, this.#loaded, 0)) {
      this.#loaded.series[0] = series;
      this.#loaded.starts[0] = startMs;
      setWindow(table, at, this.#loaded, 0);
    }
    return at;
  }
}

/**
 * Gives back the memory of windows that are gone, but for what a shard that goes on needs: each minute it would be made
 * again, in some twenty columns, and collecting the old ones would hold up acks by hundreds of milliseconds.
 */
function compact(tier: HeldTier): HeldTier {
  const { table, widthMs } = tier;
  if (table.length * 4 >= table.series.length || table.series.length <= usualWindows) return tier;
  const compacted = new HeldTier(widthMs);
  for (let i = 0; i < table.length; i += 1) {
    const at = compacted.indexOf(table.series[i], table.starts[i]);
    setWindow(compacted.table, at, table, i);
    compacted.sinces[at] = tier.sinces[i];
    compacted.sincesMs[at] = tier.sincesMs[i];
  }
  return compacted;
}
