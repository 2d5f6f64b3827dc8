import type { LiveFilter } from "./live-feed.ts";
import { matchesDevice } from "./selector.ts";
import type { SeriesRow } from "./store.ts";

/** How old something is that was derived from the filters that may choose a device. */
export interface InterestStamp {
  readonly deviceStamp: number;
  readonly othersStamp: number;
}

/**
 * Filters, found by the device that they may choose: those that name devices are looked up by the device's id, the
 * others are held against it one by one. To add or take away a filter costs as much as it names devices, however many
 * devices and filters there are: whoever derives something of a device keeps it with its stamp, and derives it anew when
 * that is not current any more.
 */
export class Interest<F extends LiveFilter = LiveFilter> {
  readonly #byDevice = new Map<string, { readonly filters: Set<F>; stamp: number }>();
  readonly #others = new Set<F>();
  #othersStamp = 0;
  #stamps = 0;
  #size = 0;

  /** Filters that there are. */
  get size(): number {
    return this.#size;
  }

  add(filter: F): void {
    this.#size += 1;
    this.#stamps += 1;
    const deviceIds = namedDevices(filter);
    if (deviceIds === undefined) {
      this.#others.add(filter);
      this.#othersStamp = this.#stamps;
      return;
    }
    for (const id of deviceIds) {
      const named = this.#byDevice.get(id);
      if (named === undefined) this.#byDevice.set(id, { filters: new Set([filter]), stamp: this.#stamps });
      else {
        named.filters.add(filter);
        named.stamp = this.#stamps;
      }
    }
  }

  /** @param filter one that was added */
  remove(filter: F): void {
    this.#size -= 1;
    this.#stamps += 1;
    const deviceIds = namedDevices(filter);
    if (deviceIds === undefined) {
      this.#others.delete(filter);
      this.#othersStamp = this.#stamps;
      return;
    }
    for (const id of deviceIds) {
      const named = this.#byDevice.get(id);
      named?.filters.delete(filter);
      if (named?.filters.size === 0) this.#byDevice.delete(id);
      else if (named !== undefined) named.stamp = this.#stamps;
    }
  }

  /** Filters that choose the device, whatever they say of metrics. */
  *filtersOf(device: Pick<SeriesRow, "deviceId" | "labels">): Generator<F> {
    for (const filters of [this.#byDevice.get(device.deviceId)?.filters ?? [], this.#others]) {
      for (const filter of filters) if (matchesDevice(filter.selector, device)) yield filter;
    }
  }

  stampOf(deviceId: string): InterestStamp {
    // No two are equal but 0, which says that no filter names the device.
    return { deviceStamp: this.#byDevice.get(deviceId)?.stamp ?? 0, othersStamp: this.#othersStamp };
  }

  /** Whether no filter that may choose the device has come or gone since. */
  isCurrent({ deviceStamp, othersStamp }: InterestStamp, deviceId: string): boolean {
    return othersStamp === this.#othersStamp && deviceStamp === (this.#byDevice.get(deviceId)?.stamp ?? 0);
  }
}

/** The only devices that a filter may choose; undefined: it may choose any. */
export function namedDevices({ selector }: LiveFilter): ReadonlySet<string> | undefined {
  const { deviceIds, deviceIdPrefixes } = selector;
  return deviceIds === undefined || deviceIdPrefixes !== undefined ? undefined : new Set(deviceIds);
}
