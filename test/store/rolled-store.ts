import { RollUp } from "../../ingest/roll-up.ts";
import { tierBounds } from "../../ingest/tier-bounds.ts";
import { HeldWindows } from "../../lib/aggregate/held-windows.ts";
import type { AggregateStore, Journal } from "../../lib/store/store.ts";
import { type Sample, windowSet } from "../aggregate/plain-windows.ts";

/** Writes a store as a server does whose flushes come at once: its tiers are rolled up as its clock goes on. */
export class RolledStore {
  readonly store: AggregateStore & Journal;
  nowMs: number;
  readonly #held: HeldWindows;
  readonly #rollUp: RollUp;
  #position = 0;

  constructor(store: AggregateStore & Journal, nowMs: number) {
    this.store = store;
    this.nowMs = nowMs;
    this.#held = new HeldWindows(store.loadWindow);
    this.#rollUp = new RollUp(store, this.#held, 0, nowMs);
  }

  write(samples: readonly Sample[]): void {
    const widthsMs = this.store.tiers.map(({ widthMs }) => widthMs);
    this.#position += 1;
    this.#held.absorb(windowSet(widthsMs, samples), this.#position, 0, 0, tierBounds(this.store, this.nowMs));
    for (const shard of [...this.#held.shards]) {
      const due = this.#held.due(shard, () => true, Number.MAX_SAFE_INTEGER);
      this.store.commit(shard.shard, this.#position, due.parts);
      this.#rollUp.onStored(shard.shard, due.parts);
      this.#held.stored(shard, due, Number.POSITIVE_INFINITY);
      this.#held.release(shard, Number.POSITIVE_INFINITY);
    }
  }

  /** Does so many steps of the roll-up, or all that there are. */
  rollUp(steps = Number.POSITIVE_INFINITY): void {
    const flush = () => {
      throw new Error("everything is stored at once");
    };
    for (let left = steps; left > 0 && this.#rollUp.step(this.nowMs, flush); left -= 1);
  }
}
