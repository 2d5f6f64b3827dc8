import type { Tier } from "../lib/aggregate/tiers.ts";
import { Interest, type InterestStamp, namedDevices } from "../lib/store/interest.ts";
import type { LiveFilter } from "../lib/store/live-feed.ts";
import { matchesMetric } from "../lib/store/selector.ts";
import type { SeriesRow } from "../lib/store/store.ts";
import type { DeviceState } from "./device-states.ts";

/** A series that some filter chooses. */
export interface WantedSeries {
  readonly row: SeriesRow;
  readonly state: DeviceState;
  /** Indexes of the tiers in which it is wanted, ascending. */
  readonly tiers: readonly number[];
}

interface SeenDevice extends InterestStamp {
  readonly metrics: number;
  readonly labels: SeriesRow["labels"];
}

/**
 * Which series of which devices some filter chooses. A device is held against the filters when it is first seen, and
 * again when it has other metrics or labels or a filter that may choose it has come or gone: not at each group, and not
 * all devices at each filter.
 */
export class WantedSeriesIndex {
  readonly #tiers: readonly Tier[];
  readonly #onUnwanted: (series: number, tier: number) => void;
  readonly #interest = new Interest();
  readonly #filters = new Map<number, LiveFilter>();
  readonly #series = new Map<number, WantedSeries>();
  #seen = new WeakMap<DeviceState, SeenDevice>();
  /** Devices that have wanted series, by id. */
  readonly #devices = new Map<string, DeviceState>();
  /** Devices named by filters that have gone; "any" when one named none. */
  #left: Set<string> | "any" = new Set();

  /** @param onUnwanted told when a series is not wanted any more in a tier: groups may pass by from then on */
  constructor(tiers: readonly Tier[], onUnwanted: (series: number, tier: number) => void) {
    this.#tiers = tiers;
    this.#onUnwanted = onUnwanted;
  }

  /** Filters that there are. */
  get size(): number {
    return this.#interest.size;
  }

  add(id: number, filter: LiveFilter): void {
    this.#filters.set(id, filter);
    this.#interest.add(filter);
  }

  remove(id: number): void {
    const filter = this.#filters.get(id);
    if (filter === undefined) return;
    this.#filters.delete(id);
    this.#interest.remove(filter);
    const named = namedDevices(filter);
    if (named === undefined) this.#left = "any";
    else if (this.#left !== "any") for (const deviceId of named) this.#left.add(deviceId);
  }

  /** Nobody wants anything: everything is forgotten. */
  clear(): void {
    this.#series.clear();
    this.#devices.clear();
    this.#seen = new WeakMap();
    this.#left = new Set();
  }

  /** A series of a device that was refreshed, if it is wanted. */
  get(series: number): WantedSeries | undefined {
    return this.#series.get(series);
  }

  /** To be called for each device of a group, before its series are asked for. */
  refresh(state: DeviceState): void {
    const seen = this.#seen.get(state);
    const { deviceId, labels } = state.device;
    const metrics = state.seriesByName.size;
    if (seen?.metrics === metrics && seen.labels === labels && this.#interest.isCurrent(seen, deviceId)) return;
    this.#seen.set(state, { metrics, labels, ...this.#interest.stampOf(deviceId) });
    const filters = [...this.#interest.filtersOf({ deviceId, labels })];
    let wanted = false;
    for (const series of state.seriesByName.values()) {
      const chosen = filters.filter(({ selector }) => matchesMetric(selector, series.name));
      const tiers = [...this.#tiers.keys()].filter((t) => {
        return chosen.some(({ widthMs }) => widthMs === this.#tiers[t].widthMs);
      });
      for (const t of this.#series.get(series.id)?.tiers ?? []) {
        if (!tiers.includes(t)) this.#onUnwanted(series.id, t);
      }
      if (tiers.length === 0) this.#series.delete(series.id);
      else this.#series.set(series.id, { row: { ...series, deviceId, labels }, state, tiers });
      wanted ||= tiers.length > 0;
    }
    if (wanted) this.#devices.set(deviceId, state);
    else this.#devices.delete(deviceId);
  }

  /** A device is deleted. */
  forget(state: DeviceState): void {
    for (const { id } of state.seriesByName.values()) {
      for (const t of this.#series.get(id)?.tiers ?? []) this.#onUnwanted(id, t);
      this.#series.delete(id);
    }
    this.#seen.delete(state);
    const { deviceId } = state.device;
    if (this.#devices.get(deviceId) === state) this.#devices.delete(deviceId);
  }

  /** Lets go of what only filters that have gone had wanted. */
  sweep(): void {
    const left = this.#left;
    this.#left = new Set();
    for (const deviceId of left === "any" ? [...this.#devices.keys()] : left) {
      const state = this.#devices.get(deviceId);
      if (state !== undefined) this.refresh(state);
    }
  }
}
