import type { SeriesRange } from "../lib/aggregate/roll-up.ts";
import { reach } from "../lib/base/faults.ts";
import { purgeDevicesMax, purgeStepsMax, stepRowsMax } from "../lib/base/limits.ts";
import type { PurgePosition } from "../lib/store/registry.ts";
import type { AggregateStore, JournalPosition } from "../lib/store/store.ts";

/** What a purge must know of those who write the tables. */
export interface TableWriters {
  /** Every table shows the journal through here, by what is stored: a replay does not bring it back. */
  readonly appliedThrough: JournalPosition;
  /** The tier whose windows are being merged from the tier below; undefined: none. */
  readonly rollingUpTier: number | undefined;
}

/** A walk through the windows of every tier, finest first, for some devices at a time. */
interface Walk {
  readonly devices: readonly number[];
  readonly runs: readonly SeriesRange[];
  tier: number;
  from: PurgePosition | undefined;
}

/**
 * Deletes what is left of deleted devices, in steps of a few milliseconds between groups. Nothing that is written later
 * can bring a window back: a device is purged when the journal through its deletion is in the tables, and a tier when
 * the tier below is purged and no roll-up that may have read it before is under way. A walk that is cut off by the end
 * of the process is begun again.
 */
export class Purge {
  readonly #store: AggregateStore;
  readonly #writers: TableWriters;
  /** Devices, and where the journal was when they were deleted. */
  readonly #waiting = new Map<number, JournalPosition>();
  #walk: Walk | undefined;

  constructor(store: AggregateStore, writers: TableWriters) {
    this.#store = store;
    this.#writers = writers;
    // Recovery has brought all of the journal into the tables.
    for (const device of store.unpurgedDevices()) this.#waiting.set(device, 0);
  }

  /** A device has been deleted, or one that was deleted has been created again. @param device `Device.id` */
  add(device: number, position: JournalPosition): void {
    this.#waiting.set(device, position);
  }

  /** Does one step. @returns whether more is due at once */
  step(): boolean {
    this.#walk ??= this.#begin();
    const walk = this.#walk;
    if (walk === undefined) return false;
    reach("in-purge");
    const tier = this.#store.tiers[walk.tier];
    if (tier === undefined) {
      if (this.#store.purgeCatalog(walk.devices, stepRowsMax)) this.#walk = undefined;
      return true;
    }
    if (this.#writers.rollingUpTier === walk.tier && walk.from === undefined) return false;
    const next =
      walk.runs.length === 0 ? undefined : this.#store.purgeWindows(tier.widthMs, walk.from, walk.runs, purgeStepsMax);
    if (next === undefined) walk.tier += 1;
    walk.from = next;
    return true;
  }

  #begin(): Walk | undefined {
    const due = [...this.#waiting].filter(([, position]) => position <= this.#writers.appliedThrough);
    const devices = due.slice(0, purgeDevicesMax).map(([device]) => device);
    if (devices.length === 0) return undefined;
    for (const device of devices) this.#waiting.delete(device);
    return { devices, runs: runsOf(this.#store.seriesOf(devices)), tier: 0, from: undefined };
  }
}

/** Neighbouring ids as runs, each no longer than what one step may delete. @param ids in their order */
export function runsOf(ids: readonly number[]): SeriesRange[] {
  const runs: { first: number; last: number }[] = [];
  for (const id of ids) {
    const run = runs.at(-1);
    if (run !== undefined && run.last === id - 1 && id - run.first < stepRowsMax) run.last = id;
    else runs.push({ first: id, last: id });
  }
  return runs;
}
