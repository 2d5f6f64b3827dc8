import type { HeldWindows, WindowPart } from "../lib/aggregate/held-windows.ts";
import { mergeStart } from "../lib/aggregate/roll-up.ts";
import { type Shard, seriesOf, shardOf } from "../lib/aggregate/shard.ts";
import { windowStart } from "../lib/aggregate/tiers.ts";
import { TierWindows } from "../lib/aggregate/window-set.ts";
import { reach } from "../lib/base/faults.ts";
import { rollUpRowsMax } from "../lib/base/limits.ts";
import type { AggregateStore } from "../lib/store/store.ts";

/** A window of a tier that is over, and is being merged from the tier below, shard by shard. */
interface Active {
  readonly tier: number;
  readonly startMs: number;
  readonly endMs: number;
  /** Shards that are not merged as they are stored. The first one is being merged. */
  readonly shards: Set<Shard>;
  /** Where its merge goes on. */
  nextMs: number;
  into: TierWindows;
}

/**
 * Stores the windows of the tiers above the finest when they are over, and moves the tiers' marks. Each step is short;
 * when a crash cuts it off, the window is merged anew, since its tier's mark has not passed it.
 */
export class RollUp {
  readonly #store: AggregateStore;
  readonly #held: HeldWindows;
  readonly #latenessMs: number;
  #active: Active | undefined;

  /** @param latenessMs a window is rolled up when it has been over for this long */
  constructor(store: AggregateStore, held: HeldWindows, latenessMs: number, nowMs: number) {
    this.#store = store;
    this.#held = held;
    this.#latenessMs = latenessMs;
    // A new database: what is older than its first window is history, and merged into every tier at once.
    for (const [t, { widthMs }] of store.tiers.entries()) {
      if (store.rolledMs[t] === Number.NEGATIVE_INFINITY) store.advanceRollUp(widthMs, windowStart(nowMs, widthMs));
    }
  }

  /** The tier whose windows are being merged from the tier below; undefined: none. */
  get tier(): number | undefined {
    return this.#active?.tier;
  }

  /**
   * Does one step. @returns whether it did something
   * @param flush stores what is held of a shard's windows, in that tier and between these starts
   */
  step(nowMs: number, flush: (shard: Shard, widthMs: number, fromMs: number, toMs: number) => void): boolean {
    const active = this.#active ?? this.#begin(nowMs - this.#latenessMs);
    if (active === undefined) return false;
    if (active === "advanced") return true;
    this.#active = active;
    const [shard] = active.shards;
    if (shard !== undefined) {
      this.#merge(active, shard);
      return true;
    }
    const { widthMs } = this.#store.tiers[active.tier - 1];
    const unstored = this.#unstoredShard(active);
    if (unstored !== undefined) flush(unstored, widthMs, active.startMs, active.endMs);
    else {
      reach("in-roll-up");
      this.#store.advanceRollUp(this.#store.tiers[active.tier].widthMs, active.endMs);
      this.#active = undefined;
    }
    return true;
  }

  /** These windows of a shard were stored: what was merged before does not show them. */
  onStored(shard: Shard, parts: readonly WindowPart[]): void {
    const active = this.#active;
    if (active === undefined) return;
    const { widthMs } = this.#store.tiers[active.tier - 1];
    const isIn = (startMs: number) => startMs >= active.startMs && startMs < active.endMs;
    if (!parts.some((part) => part.widthMs === widthMs && part.rows?.some((at) => isIn(part.table.starts[at])))) return;
    const [current] = active.shards;
    active.shards.add(shard);
    if (shard === current) restart(active);
  }

  /** The next window that is over, of the finest tier that has one; time in which nothing came is passed at once. */
  #begin(closedMs: number): Active | "advanced" | undefined {
    const { tiers, rolledMs } = this.#store;
    for (let t = 1; t < tiers.length; t += 1) {
      const { widthMs } = tiers[t];
      const limitMs = windowStart(Math.min(closedMs, rolledMs[t - 1]), widthMs);
      const startMs = rolledMs[t];
      if (limitMs < startMs + widthMs) continue;
      const dataMs = Math.min(
        this.#store.nextStart(tiers[t - 1].widthMs, startMs, limitMs) ?? limitMs,
        this.#firstHeld(t - 1, startMs),
      );
      const skipToMs = Math.min(limitMs, windowStart(dataMs, widthMs));
      if (skipToMs > startMs) {
        this.#store.advanceRollUp(widthMs, skipToMs);
        return "advanced";
      }
      const shards = new Set(
        Array.from({ length: shardOf(this.#store.nextIds().series - 1) + 1 }, (_, shard) => shard),
      );
      const into = new TierWindows(widthMs);
      return { tier: t, startMs, endMs: startMs + widthMs, shards, nextMs: startMs, into };
    }
    return undefined;
  }

  #firstHeld(tier: number, fromMs: number): number {
    let first = Number.POSITIVE_INFINITY;
    for (const { tiers } of this.#held.shards) {
      const { table, sinces } = tiers[tier];
      for (let at = 0; at < table.length; at += 1) {
        if (sinces[at] > 0 && table.starts[at] >= fromMs) first = Math.min(first, table.starts[at]);
      }
    }
    return first;
  }

  #merge(active: Active, shard: Shard): void {
    const { widthMs } = this.#store.tiers[active.tier - 1];
    for (let left = rollUpRowsMax; left > 0; ) {
      const atMs = this.#store.nextStart(widthMs, active.nextMs, active.endMs);
      if (atMs === undefined) {
        reach("in-roll-up");
        this.#store.storeRollUp({ widthMs: active.into.widthMs, table: active.into.table });
        active.shards.delete(shard);
        restart(active);
        return;
      }
      left -= 1 + mergeStart(this.#store, widthMs, atMs, seriesOf(shard), active.startMs, active.into);
      active.nextMs = atMs + widthMs;
    }
  }

  #unstoredShard({ tier, startMs, endMs }: Active): Shard | undefined {
    for (const { shard, tiers } of this.#held.shards) {
      const { table, sinces } = tiers[tier - 1];
      for (let at = 0; at < table.length; at += 1) {
        if (sinces[at] > 0 && table.starts[at] >= startMs && table.starts[at] < endMs) return shard;
      }
    }
    return undefined;
  }
}

function restart(active: Active): void {
  active.nextMs = active.startMs;
  active.into = new TierWindows(active.into.widthMs);
}
