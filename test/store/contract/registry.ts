import { describe, expect, it } from "vitest";
import { gapsPerDeviceMax } from "../../../lib/base/limits.ts";
import type { GapRow, StandingMark } from "../../../lib/store/registry.ts";
import type { AggregateStore, Device, Journal } from "../../../lib/store/store.ts";
import { all, commitSamples, device, deviceStep, readTiers, series, session, spoolId, step, tiers } from "../steps.ts";
import type { Open } from "../store-contract.ts";

const gap = (firstSequence: number, over: Partial<GapRow> = {}): GapRow => ({
  device: 1,
  firstSequence,
  lastSequence: firstSequence + 1,
  samples: 7,
  reason: 1,
  recordedAtMs: 5,
  ...over,
});

function mark(id: number, deviceNumber: number, n: number): StandingMark {
  const { spoolId: _, handles: __, ...marks } = session(id, deviceNumber);
  return { ...marks, ackedSequence: n, samplesCounted: 10 * n, lastSeenAtMs: n, latestSampleMs: n };
}

function remove(store: AggregateStore & Journal, deleted: Device): void {
  store.append(undefined, step({ devices: [{ ...deleted, deletedAtMs: 9 }] }));
}

/** Two devices with samples in two windows each; `pump` is deleted. */
function withDeleted(open: Open) {
  const { store, reader } = open(tiers);
  store.append(undefined, deviceStep(1, "pump", [1, 2, 4]));
  store.append(undefined, deviceStep(2, "fan", [3, 5]));
  const samples = [1, 2, 3, 4, 5].flatMap((id) => [0, 10_000].map((timeMs) => ({ series: id, timeMs, value: id })));
  commitSamples(store, samples);
  remove(store, device(1, "pump"));
  return { store, reader };
}

export function registryContract(open: Open): void {
  it("tells labels that are set over those that were reported", () => {
    const { store, reader } = open(tiers);
    const reportedLabels = { site: "north", "a.b": "1" };
    const setLabels = { site: 'so"uth', owner: "", constructor: "x" };
    const labels = { ...reportedLabels, ...setLabels };
    const pump = device(1, "pump", { reportedLabels, setLabels, labels, description: "at the gate" });
    store.append(undefined, { ...deviceStep(1, "pump", [1]), devices: [pump] });
    expect(store.findDevice("pump")?.device).toEqual(pump);
    expect(reader.devices("", 1)).toMatchObject([pump]);
    const selected = (of: Record<string, string>) => reader.series({ ...all, labels: of }, undefined, 10).length;
    expect(selected({ site: 'so"uth', "a.b": "1", owner: "" })).toBe(1);
    expect(selected({ site: "north" })).toBe(0);
  });

  it("lists the devices of a filter", () => {
    const { store, reader } = open(tiers);
    for (const [i, [id, site]] of [
      ["b-1", "x"],
      ["a-1", "y"],
      ["a-2", "x"],
      ["a%", "x"],
      ["ä", "x"],
    ].entries()) {
      const labels = { site: site ?? "" };
      store.append(undefined, {
        ...deviceStep(i + 1, id ?? "", []),
        devices: [device(i + 1, id ?? "", { labels })],
      });
    }
    const f = (filter: object, want: string[], after = "") =>
      expect(reader.devices(after, 10, filter).map(({ deviceId }) => deviceId)).toEqual(want);
    f({ deviceIdPrefixes: ["a-"] }, ["a-1", "a-2"]);
    f({ deviceIdPrefixes: ["b", "ä", "a-2"] }, ["a-2", "b-1", "ä"]);
    f({ deviceIdPrefixes: ["a", "b"] }, ["a-2", "b-1"], "a-1");
    f({ labels: { site: "x" } }, ["a%", "a-2", "b-1", "ä"]);
    f({ deviceIdPrefixes: ["a%"], labels: { site: "x" } }, ["a%"]);
    f({ deviceIdPrefixes: ["c"] }, []);
  });

  it("shows marks that are told and not stored, once, whichever of the two is ahead", () => {
    const { store, reader } = open(tiers);
    store.append(undefined, deviceStep(1, "pump", []));
    store.append(undefined, deviceStep(2, "fan", []));
    store.append(undefined, step({ devices: [device(1, "pump", { session: 3 })], sessions: [session(3, 1)] }));
    store.commitSessions([session(1, 1, { ackedSequence: 4, samplesCounted: 40 })]);
    const told = [mark(1, 1, 5), mark(3, 1, 2)];
    const want = { ackedSequence: 2, samplesCounted: 70, lastSeenAtMs: 5, latestSampleMs: 5 };
    expect(reader.devicesOf(["pump", "nobody"], told)).toMatchObject([{ deviceId: "pump", ...want }]);
    store.commitSessions([session(1, 1, { ...mark(1, 1, 5) }), session(3, 1, { ...mark(3, 1, 6) })]);
    const later = { ackedSequence: 6, samplesCounted: 110, lastSeenAtMs: 6, latestSampleMs: 6 };
    expect(reader.devicesOf(["pump", "fan"], told)).toMatchObject([{ samplesCounted: 0 }, later]);
  });

  it("keeps the latest gaps of a device, and the sums of what was refused of it by reason", () => {
    const { store, reader } = open(tiers);
    store.append(undefined, deviceStep(1, "pump", [1, 2]));
    store.append(undefined, deviceStep(2, "fan", []));
    expect(reader.deviceDetail("nobody", [])).toBeUndefined();
    for (let i = 1; i <= gapsPerDeviceMax + 1; i += 1) store.append(undefined, step({ gaps: [gap(i)] }));
    const refusal = { device: 1, reason: 3, samples: 2, batches: 1 };
    store.append(undefined, step({ gaps: [gap(8, { device: 2 })], refusals: [refusal, { ...refusal, reason: 1 }] }));
    store.append(
      undefined,
      step({
        refusals: [
          { ...refusal, samples: 5 },
          { ...refusal, device: 2 },
        ],
      }),
    );
    const detail = reader.deviceDetail("pump", [mark(1, 1, 3)]);
    expect(detail).toMatchObject({ device: { deviceId: "pump", ackedSequence: 3 }, series: 2, sessions: 1 });
    expect(detail?.gaps.map(({ firstSequence }) => firstSequence)).toEqual(
      Array.from({ length: gapsPerDeviceMax }, (_, i) => gapsPerDeviceMax + 1 - i),
    );
    expect(detail?.gaps[0]).toEqual(gap(gapsPerDeviceMax + 1));
    expect(detail?.refusals).toEqual([
      { ...refusal, reason: 1 },
      { ...refusal, samples: 7, batches: 2 },
    ]);
    expect(reader.deviceDetail("fan", [])?.gaps).toEqual([gap(8, { device: 2 })]);
  });

  describe("a device that is deleted", () => {
    it("is shown nowhere any more, nor are its series and windows", () => {
      const { store, reader } = withDeleted(open);
      expect(reader.devices("", 10).map(({ deviceId }) => deviceId)).toEqual(["fan"]);
      expect(reader.deviceCount()).toBe(1);
      expect(reader.devicesOf(["pump", "fan"], []).map(({ deviceId }) => deviceId)).toEqual(["fan"]);
      expect(reader.deviceDetail("pump", [])).toBeUndefined();
      expect(reader.unknownDevices(["pump", "fan"])).toEqual(["pump"]);
      expect(reader.series(all, undefined, 10).map(({ id }) => id)).toEqual([3, 5]);
      for (const windows of readTiers(reader)) {
        expect([...new Set(windows.map((window) => window.series))]).toEqual([3, 5]);
      }
      expect(store.findDevice("pump")).toBeUndefined();
      expect(store.findDeleted("pump")).toEqual(device(1, "pump", { deletedAtMs: 9 }));
      expect(store.findDeleted("fan")).toBeUndefined();
      expect(store.seriesCount()).toBe(2);
    });

    it("leaves its session to a replay of the journal", () => {
      const { store } = withDeleted(open);
      expect(store.findSession(1)).toEqual(session(1, 1));
      store.commitSessions([session(1, 1, { ackedSequence: 3 })]);
      expect(store.sessionsOf(1)).toEqual([session(1, 1, { ackedSequence: 3 })]);
    });

    it("is beside one that is created by its id", () => {
      const { store, reader } = withDeleted(open);
      const again = device(3, "pump");
      store.append(undefined, step({ devices: [again], sessions: [session(3, 3)], series: [series(6, 3, "m0")] }));
      expect(store.findDevice("pump")).toMatchObject({ device: again, session: session(3, 3) });
      expect(reader.devices("", 10).map(({ id }) => id)).toEqual([2, 3]);
      expect(store.findDeleted("pump")?.id).toBe(1);
      remove(store, again);
      expect(store.findDeleted("pump")?.id).toBe(3);
      expect(store.unpurgedDevices()).toEqual([1, 3]);
    });

    it("is purged step by step, of its windows in every tier and then of its series, and nothing else is", () => {
      const { store, reader } = withDeleted(open);
      store.append(undefined, step({ gaps: [gap(1)], refusals: [{ device: 1, reason: 1, samples: 1, batches: 1 }] }));
      const before = readTiers(reader);
      expect(store.unpurgedDevices()).toEqual([1]);
      expect(store.seriesOf([1])).toEqual([1, 2, 4]);
      const runs = [
        { first: 1, last: 2 },
        { first: 4, last: 4 },
      ];
      for (const { widthMs } of tiers) {
        let steps = 0;
        let from = store.purgeWindows(widthMs, undefined, runs, 1);
        for (; from !== undefined && steps < 100; steps += 1) from = store.purgeWindows(widthMs, from, runs, 1);
        expect(steps).toBeLessThan(100);
      }
      for (let steps = 0; !store.purgeCatalog([1], 1); steps += 1) expect(steps).toBeLessThan(100);
      expect(store.unpurgedDevices()).toEqual([]);
      expect(store.seriesOf([1])).toEqual([]);
      expect(readTiers(reader)).toEqual(before);
      expect(reader.select(all)).toEqual({ series: undefined, devices: undefined });
      // Its senders are refused still, and go on where they were when it is created again.
      expect(store.findDeleted("pump")?.id).toBe(1);
      expect(store.sessionsOf(1)).toEqual([session(1, 1)]);
      expect(store.nextIds()).toEqual({ device: 3, session: 3, series: 6 });
    });

    it("is gone with its sessions when it is purged after it was created again", () => {
      const { store } = withDeleted(open);
      store.append(undefined, step({ devices: [device(3, "pump")], sessions: [session(3, 3)] }));
      expect(store.purgeCatalog([1], 100)).toBe(true);
      expect(store.findDeleted("pump")).toBeUndefined();
      expect(store.sessionsOf(1)).toEqual([]);
      expect(store.findSession(1)).toBeUndefined();
      expect(store.findDevice("pump")?.session).toEqual(session(3, 3));
      expect(store.isSuperseded(3, spoolId(1))).toBe(false);
    });

    it("has no say in ids that are given later, also when it was the last", () => {
      const { store } = open(tiers);
      store.append(undefined, deviceStep(4, "pump", [9]));
      remove(store, device(4, "pump"));
      store.append(undefined, step({ devices: [device(5, "pump")], sessions: [session(5, 5)] }));
      remove(store, device(5, "pump"));
      while (!store.purgeCatalog([4, 5], 100));
      expect(store.nextIds()).toEqual({ device: 6, session: 6, series: 10 });
    });
  });
}
