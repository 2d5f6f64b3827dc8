import { expect, it } from "vitest";
import { device, deviceStep, series, session, step, tiers } from "../steps.ts";
import type { Open } from "../store-contract.ts";

export function sessionsContract(open: Open): void {
  it("are found as they were committed, the newest of their device or not", () => {
    const { store } = open(tiers);
    const marks = {
      ackedSequence: Number.MAX_SAFE_INTEGER,
      samplesCounted: 5,
      samplesRefused: 4,
      samplesLost: 3,
      batchesLost: 2,
      lastSeenAtMs: 1,
    };
    const handles = new Map([
      [1, 2],
      [65_535, 1],
    ]);
    const old = session(1, 1, { handles });
    const newest = session(3, 1);
    const metrics = [series(1, 1, "m0"), series(2, 1, "m1")];
    store.append(undefined, step({ devices: [device(1, "pump")], sessions: [old], series: metrics }));
    store.append(undefined, step({ devices: [device(1, "pump", { session: 3 })], sessions: [newest] }));
    expect(store.findSession(1)).toEqual(old);
    store.commitSessions([{ ...old, ...marks }]);
    expect(store.findSession(1)).toEqual({ ...old, ...marks });
    expect(store.findSession(3)).toEqual(newest);
    expect(store.findSession(2)).toBeUndefined();

    store.commitSessions([old, { ...newest, ...marks }]);
    expect(store.findSession(1)).toEqual(old);
    expect(store.findSession(3)).toEqual({ ...newest, ...marks });
  });

  it("keep their handles when their marks are committed: those are given by the catalog alone", () => {
    const { store } = open(tiers);
    store.append(undefined, { ...deviceStep(1, "pump", [1]), handles: [[1, 9, 1]] });
    store.commitSessions([session(1, 1, { ackedSequence: 7 })]);
    expect(store.findSession(1)).toEqual(session(1, 1, { ackedSequence: 7, handles: new Map([[9, 1]]) }));
  });

  it("add up to the counters of their device, which shows its newest one's sequence and spool", () => {
    const { store, reader } = open(tiers);
    store.append(undefined, deviceStep(1, "pump", []));
    store.append(undefined, deviceStep(2, "fan", []));
    const pump = device(1, "pump", { session: 3 });
    store.append(undefined, step({ devices: [pump], sessions: [session(3, 1)] }));
    store.commitSessions([
      session(1, 1, marks(9, 100, 10)),
      session(2, 2, marks(5, 7_000, 99)),
      session(3, 1, marks(2, 20, 8)),
    ]);
    const sums = { samplesCounted: 120, samplesRefused: 122, samplesLost: 124, batchesLost: 126 };
    expect(reader.devices("fan", 1)).toEqual([
      { ...pump, ...sums, spoolId: session(3, 1).spoolId, ackedSequence: 2, lastSeenAtMs: 10 },
    ]);
  });
}

function marks(ackedSequence: number, n: number, lastSeenAtMs: number) {
  return {
    ackedSequence,
    samplesCounted: n,
    samplesRefused: n + 1,
    samplesLost: n + 2,
    batchesLost: n + 3,
    lastSeenAtMs,
  };
}
