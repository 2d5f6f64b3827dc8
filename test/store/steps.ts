import fc from "fast-check";
import { HeldWindows } from "../../lib/aggregate/held-windows.ts";
import { keptFromMs, type Tier } from "../../lib/aggregate/tiers.ts";
import { WindowSet } from "../../lib/aggregate/window-set.ts";
import { copyWindow } from "../../lib/aggregate/window-table.ts";
import type { Selector } from "../../lib/store/selector.ts";
import type {
  AggregateReader,
  AggregateStore,
  CatalogStep,
  Device,
  Journal,
  RangePage,
  RangeRequest,
  Series,
  SeriesRow,
  Session,
} from "../../lib/store/store.ts";
import { anySample, type PlainWindow, type Sample, tableWindows, windowSet } from "../aggregate/plain-windows.ts";

/** What tests commit to stores and read from them, in few words. */

/** Without retention. */
export const tiers: readonly Tier[] = [{ widthMs: 10_000 }, { widthMs: 60_000 }, { widthMs: 3_600_000 }];
export const nowMs = Date.UTC(2026, 0, 31);

export const all: Selector = { deviceIds: undefined, metricNames: undefined };

export function device(id: number, deviceId: string, over: Partial<Device> = {}): Device {
  return {
    id,
    deviceId,
    createdAtMs: 1_000,
    reset: false,
    labels: {},
    reportedLabels: over.labels ?? {},
    setLabels: {},
    description: "",
    deletedAtMs: undefined,
    session: id,
    ...over,
  };
}

export function session(id: number, deviceNumber: number, over: Partial<Session> = {}): Session {
  return {
    id,
    device: deviceNumber,
    spoolId: spoolId(id),
    ackedSequence: 0,
    samplesCounted: 0,
    samplesRefused: 0,
    samplesLost: 0,
    batchesLost: 0,
    lastSeenAtMs: undefined,
    latestEventMs: undefined,
    latestSampleMs: undefined,
    handles: new Map(),
    ...over,
  };
}

export function series(id: number, deviceNumber: number, name: string, over: Partial<Series> = {}): Series {
  return { id, device: deviceNumber, name, kind: "gauge", unit: "1", description: "", ...over };
}

export function spoolId(n: number): string {
  return n.toString(16).padStart(32, "0");
}

/** A step of these changes and no other; the handles are those of the sessions. */
export function step(changes: Partial<CatalogStep>): CatalogStep {
  const handles = [...(changes.sessions ?? [])].flatMap(({ id, handles }) =>
    [...handles].map(([handle, series]) => [id, handle, series] as const),
  );
  return { devices: [], sessions: [], series: [], handles, ...changes };
}

/** A step that makes one device with as many metrics as there are ids: `m0`, `m1` and on, in their order. */
export function deviceStep(deviceNumber: number, deviceId: string, seriesIds: readonly number[]): CatalogStep {
  return step({
    devices: [device(deviceNumber, deviceId)],
    sessions: [session(deviceNumber, deviceNumber)],
    series: seriesIds.map((id, i) => series(id, deviceNumber, `m${i}`)),
  });
}

/**
 * Commits samples, merged with what the store has of their windows, shard by shard.
 * @returns their windows, with whole values
 */
export function commitSamples(
  store: AggregateStore & Journal,
  samples: readonly Sample[],
  nowMs = Number.NEGATIVE_INFINITY,
): WindowSet {
  const group = sampleSet(store, samples);
  const held = new HeldWindows(store.loadWindow);
  const bounds = store.tiers.map((tier) => ({ fromMs: keptFromMs(tier, nowMs), toMs: Number.POSITIVE_INFINITY }));
  held.absorb(group, Number.MAX_SAFE_INTEGER, 0, 0, bounds);
  for (const { shard, tiers } of held.shards) {
    for (const { table } of tiers) table.revisions.fill(store.position);
    store.commit(shard, store.position, tiers);
  }
  return wholeOf(group, held);
}

/** The windows of a group with the values that are held of them. */
function wholeOf(group: WindowSet, held: HeldWindows): WindowSet {
  const whole = new WindowSet(group.tiers.map(({ widthMs }) => widthMs));
  for (const [t, { table }] of group.tiers.entries()) {
    for (let i = 0; i < table.length; i += 1) {
      const found = held.find(t, table.series[i], table.starts[i]);
      if (found !== undefined) copyWindow(found.table, found.at, whole.tiers[t].table);
    }
  }
  return whole;
}

/** All windows that are committed are history: none of them is left to a roll-up. */
export function asHistory<S extends AggregateStore>(store: S): S {
  for (const { widthMs } of store.tiers.slice(1)) store.advanceRollUp(widthMs, Number.MAX_SAFE_INTEGER);
  return store;
}

/** The windows of samples in the tiers of a store. */
export function sampleSet(store: Pick<AggregateStore, "tiers">, samples: readonly Sample[]): WindowSet {
  const widthsMs = store.tiers.map((tier) => tier.widthMs);
  return windowSet(widthsMs, samples);
}

export interface ReadRange {
  readonly windows: PlainWindow[];
  /** In the order in which the pages told them. */
  readonly series: SeriesRow[];
  readonly pages: RangePage[];
}

/** Reads a range to its end. */
export function readRange(reader: AggregateReader, request: Partial<RangeRequest>, windowsMax = 1_000): ReadRange {
  const range = reader.openRange({
    selector: all,
    widthMs: reader.tiers[0].widthMs,
    fromMs: Number.MIN_SAFE_INTEGER,
    toMs: Number.MAX_SAFE_INTEGER,
    ...request,
  });
  const pages: RangePage[] = [];
  for (let page = range.next(windowsMax); page !== undefined; page = range.next(windowsMax)) pages.push(page);
  return {
    windows: pages.flatMap((page) => tableWindows(page.windows)),
    series: pages.flatMap((page) => page.series),
    pages,
  };
}

/** The windows of every tier. */
export function readTiers(reader: AggregateReader): PlainWindow[][] {
  return reader.tiers.map(({ widthMs }) => readRange(reader, { widthMs }).windows);
}

/** The samples of a few commits, close enough together to meet in windows. A remainder can be -0, a stored time not. */
export function anyCommits(seriesMax: number): fc.Arbitrary<Sample[][]> {
  const close = anySample({ seriesMax }).map((sample) => ({ ...sample, timeMs: (sample.timeMs % 200_000) + 0 }));
  return fc.array(fc.array(close, { maxLength: 20 }), { maxLength: 5 });
}
