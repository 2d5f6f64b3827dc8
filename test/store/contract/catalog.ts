import { expect, it } from "vitest";
import { all, device, deviceStep, nowMs, series, session, spoolId, step, tiers } from "../steps.ts";
import type { Open } from "../store-contract.ts";

export function catalogContract(open: Open): void {
  it("finds a device with its newest session, handles and series", () => {
    const { store } = open(tiers);
    const pump = device(1, "pump", {
      session: 2,
      labels: { site: "north", ключ: '"' },
    });
    const newest = session(2, 1, {
      ackedSequence: Number.MAX_SAFE_INTEGER,
      samplesCounted: 5,
      samplesRefused: 1,
      samplesLost: 3,
      batchesLost: 2,
      lastSeenAtMs: nowMs,
      handles: new Map([
        [1, 2],
        [65_535, 1],
      ]),
    });
    const metrics = [series(1, 1, "temperature", { unit: "Cel" }), series(2, 1, "bytes", { kind: "counter" })];
    const sessions = [session(1, 1, { handles: new Map([[9, 1]]) }), newest];
    store.append(undefined, step({ devices: [pump], sessions, series: metrics }));
    store.append(undefined, deviceStep(3, "fan", [5]));

    const found = store.findDevice("pump");
    expect(found?.device).toEqual(pump);
    expect(found?.session).toEqual(newest);
    expect(found?.series.toSorted((a, b) => a.id - b.id)).toEqual(metrics);
    expect(store.findDevice("Pump")).toBeUndefined();
  });

  it("holds what was committed last", () => {
    const { store, reader } = open(tiers);
    store.append(undefined, deviceStep(1, "pump", [1]));
    expect(store.findDevice("pump")?.session.lastSeenAtMs).toBeUndefined();
    const south = device(1, "pump", { labels: { site: "south" } });
    const hotter = series(1, 1, "m0", { unit: "K", description: "at the inlet" });
    const acked = session(1, 1, { ackedSequence: 4, samplesCounted: 7, lastSeenAtMs: 5 });
    store.append(undefined, step({ devices: [south], sessions: [acked], series: [hotter] }));
    expect(store.findDevice("pump")).toEqual({ device: south, session: acked, series: [hotter] });
    const { handles: _, id: __, device: ___, ...marks } = acked;
    expect(reader.devices("", 10)).toEqual([{ ...south, ...marks }]);
    expect(reader.series(all, undefined, 10)).toEqual([{ ...hotter, deviceId: "pump", labels: { site: "south" } }]);
  });

  it("keeps the handles of a session when more come", () => {
    const { store } = open(tiers);
    const one = session(1, 1, { handles: new Map([[1, 1]]) });
    const two = session(1, 1, { handles: new Map([...one.handles, [2, 2]]) });
    store.append(undefined, { ...deviceStep(1, "pump", [1, 2]), sessions: [one], handles: [[1, 1, 1]] });
    store.append(undefined, step({ sessions: [two], handles: [[1, 2, 2]] }));
    expect(store.findDevice("pump")?.session.handles).toEqual(two.handles);
  });

  it("lets a handle that was refused get a series, and counts series, not handles", () => {
    const { store } = open(tiers);
    expect(store.seriesCount()).toBe(0);
    const refused = session(1, 1, { handles: new Map([[1, 1]]) });
    store.append(undefined, {
      ...deviceStep(1, "pump", [1]),
      sessions: [refused],
      handles: [
        [1, 1, 1],
        [1, 2, 0],
      ],
    });
    expect(store.findSession(1)?.handles.get(2)).toBe(0);
    expect(store.seriesCount()).toBe(1);
    store.append(undefined, step({ series: [series(2, 1, "m2")], handles: [[1, 2, 2]] }));
    expect(store.findSession(1)?.handles).toEqual(
      new Map([
        [1, 1],
        [2, 2],
      ]),
    );
    expect(store.seriesCount()).toBe(2);
  });

  it("is not changed by what is done to the objects that went in or came out", () => {
    const { store } = open(tiers);
    const pump = device(1, "pump");
    const first = session(1, 1);
    store.append(undefined, { ...deviceStep(1, "pump", [1]), devices: [pump], sessions: [first] });
    pump.labels = { site: "nowhere" };
    first.samplesCounted = 99;
    const found = store.findDevice("pump");
    found?.session.handles.set(1, 1);
    if (found !== undefined) found.device.labels = { site: "nowhere" };
    expect(store.findDevice("pump")).toMatchObject({ device: { labels: {} }, session: session(1, 1) });
  });

  it("knows which sessions a newer one has superseded", () => {
    const { store } = open(tiers);
    store.append(undefined, deviceStep(1, "pump", []));
    store.append(undefined, deviceStep(2, "fan", []));
    expect(store.isSuperseded(1, spoolId(1))).toBe(false);
    store.append(undefined, step({ devices: [device(1, "pump", { session: 3 })], sessions: [session(3, 1)] }));
    function f(deviceNumber: number, spool: number, want: boolean): void {
      expect(store.isSuperseded(deviceNumber, spoolId(spool)), `device ${deviceNumber}, spool ${spool}`).toBe(want);
    }
    f(1, 1, true);
    f(1, 3, false);
    f(1, 2, false);
    f(2, 1, false);
    f(2, 2, false);
    f(9, 1, false);
  });

  it("gives ids that nothing has yet", () => {
    const { store } = open(tiers);
    expect(store.nextIds()).toEqual({ device: 1, session: 1, series: 1 });
    store.append(undefined, step({ devices: [device(4, "pump", { session: 7 })], sessions: [session(7, 4)] }));
    store.append(undefined, step({ series: [series(12, 4, "m0"), series(11, 4, "m1")] }));
    expect(store.nextIds()).toEqual({ device: 5, session: 8, series: 13 });
  });

  it("tells which device ids are unknown", () => {
    const { store, reader } = open(tiers);
    store.append(undefined, deviceStep(1, "7", []));
    store.append(undefined, deviceStep(2, "fan", []));
    expect(reader.unknownDevices(["fan", "Fan", "7", "07", ""])).toEqual(["Fan", "07", ""]);
    expect(reader.unknownDevices([])).toEqual([]);
  });
}
