import type { SeriesRow } from "./store.ts";

/** Chooses series. */
export interface Selector {
  /** With `deviceIdPrefixes`: those of either. Both undefined: all. */
  readonly deviceIds: readonly string[] | undefined;
  readonly deviceIdPrefixes?: readonly string[] | undefined;
  /** With `metricNamePrefixes`: those of either. Both undefined: all. */
  readonly metricNames: readonly string[] | undefined;
  readonly metricNamePrefixes?: readonly string[] | undefined;
  /** Devices that have all of these; undefined: all. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** Every series that there is. */
export const everySeries: Selector = { deviceIds: undefined, metricNames: undefined };

/** Whether a series is one that a selector chooses. */
export function matches(selector: Selector, series: Pick<SeriesRow, "deviceId" | "name" | "labels">): boolean {
  return matchesDevice(selector, series) && matchesMetric(selector, series.name);
}

/** Whether a device may have series that a selector chooses. */
export function matchesDevice(
  { deviceIds, deviceIdPrefixes, labels = {} }: Omit<Selector, "metricNames">,
  device: Pick<SeriesRow, "deviceId" | "labels">,
): boolean {
  return (
    matchesName(deviceIds, deviceIdPrefixes, device.deviceId) &&
    // Labels have any name: `constructor` too.
    Object.entries(labels).every(([name, value]) => Object.hasOwn(device.labels, name) && device.labels[name] === value)
  );
}

export function matchesMetric({ metricNames, metricNamePrefixes }: Selector, name: string): boolean {
  return matchesName(metricNames, metricNamePrefixes, name);
}

function matchesName(
  names: readonly string[] | undefined,
  prefixes: readonly string[] | undefined,
  name: string,
): boolean {
  if (names === undefined && prefixes === undefined) return true;
  return (
    (names !== undefined && isOneOf(names, name)) || (prefixes?.some((prefix) => name.startsWith(prefix)) ?? false)
  );
}

/** Lists of up to 10,000 names are held against each metric of each device: some milliseconds each, if looked through. */
const setsOfNames = new WeakMap<readonly string[], ReadonlySet<string>>();
const lookedThroughMax = 8;

function isOneOf(names: readonly string[], name: string): boolean {
  if (names.length <= lookedThroughMax) return names.includes(name);
  let set = setsOfNames.get(names);
  if (set === undefined) {
    set = new Set(names);
    setsOfNames.set(names, set);
  }
  return set.has(name);
}
