import { describe, expect, it } from "vitest";
import { defaultTiers } from "../../../lib/aggregate/tiers.ts";
import type { WindowSet } from "../../../lib/aggregate/window-set.ts";
import { openSqliteReader } from "../../../lib/store/sqlite/sqlite-reader.ts";
import type { AggregateReader, AggregateStore, CatalogStep, Journal } from "../../../lib/store/store.ts";
import { all, commitSamples, deviceStep, readTiers, sampleSet, series, session, spoolId, step } from "../steps.ts";
import { storeContract } from "../store-contract.ts";
import { makeDataDir, openSqlite, openStore } from "./data-dir.ts";

storeContract("SQLite", (tiers, keepRaw) => openSqlite(tiers, undefined, keepRaw));

const samples = [-1, 5, 70_000].map((timeMs) => ({ series: 1, timeMs, value: timeMs }));

/** One device with a session, a handle and a series. */
const pumpStep: CatalogStep = {
  ...deviceStep(1, "pump", [1]),
  sessions: [session(1, 1, { ackedSequence: 3 })],
  handles: [[1, 9, 1]],
};

function contents(store: AggregateStore & Journal, reader: AggregateReader) {
  const { incarnation, position } = store;
  return {
    ids: store.nextIds(),
    pump: store.findDevice("pump"),
    fan: store.findDevice("fan"),
    devices: reader.devices("", 10),
    series: reader.series(all, undefined, 10),
    windows: readTiers(reader),
    journal: [...store.read()].map(({ position, records }) => [position, ...records]),
    positions: store.positions(),
    incarnation,
    position,
  };
}

describe("a SQLite store that is opened again", () => {
  it("holds all that was stored, and goes on from there", () => {
    const dir = makeDataDir();
    const first = openStore(dir);
    const reader = openSqliteReader(dir, defaultTiers);
    first.append(Uint8Array.of(1, 2), pumpStep);
    commitSamples(first, samples);
    first.append(Uint8Array.of(3), step({ sessions: [session(2, 1, { spoolId: spoolId(7) })] }));
    const before = contents(first, reader);
    reader.close();
    first.close();

    const { store: second, reader: secondReader } = openSqlite(defaultTiers, dir);
    expect(contents(second, secondReader)).toEqual(before);
    expect(second.position).toBe(2);
    expect(second.nextIds()).toEqual({ device: 2, session: 3, series: 2 });
    expect(second.isSuperseded(1, spoolId(7))).toBe(true);
    expect(second.append(Uint8Array.of(4), step({}))).toBe(3);
    commitSamples(second, samples);
    expect(readTiers(secondReader)[3].map((window) => window.count)).toEqual([2, 4]);
  });

  it("gives positions that grow, though everything before was trimmed", () => {
    const dir = makeDataDir();
    for (let life = 0; life < 3; life += 1) {
      const store = openStore(dir);
      expect(store.position).toBe(life * 2);
      expect([...store.read()]).toEqual([]);
      store.append(Uint8Array.of(1), step({}));
      expect(store.append(Uint8Array.of(2), step({}))).toBe(life * 2 + 2);
      store.settle(store.position);
      expect(store.trim(0, 100)).toBe(2);
      store.close();
    }
  });

  it("has a name of its own, which another store does not have", () => {
    const { store } = openSqlite();
    expect(openSqlite().store.incarnation).not.toBe(store.incarnation);
  });
});

describe("an append to SQLite that fails", () => {
  function f(what: string, want: RegExp, breakStep: (good: CatalogStep) => CatalogStep): void {
    it(`leaves nothing behind: ${what}`, () => {
      const { store, reader } = openSqlite();
      store.append(Uint8Array.of(1), pumpStep);
      const before = contents(store, reader);
      const fan = deviceStep(2, "fan", [2]);
      expect(() => store.append(Uint8Array.of(2), breakStep(fan))).toThrow(want);
      expect(contents(store, reader)).toEqual(before);

      expect(store.append(Uint8Array.of(3), fan)).toBe(2);
      expect(store.findDevice("fan")?.device.deviceId).toBe("fan");
      expect([...store.read()].map(({ records }) => [...records])).toEqual([[1], [3]]);
    });
  }

  f("a handle that the session has already", /UNIQUE constraint failed: handles/, (good) => ({
    ...good,
    handles: [
      [2, 9, 2],
      [1, 9, 2],
    ],
  }));
  f("a metric of a kind that there is not", /CHECK constraint failed: kind/, (good) => ({
    ...good,
    series: [series(2, 2, "m0"), series(3, 2, "m1", { kind: "histogram" as "gauge" })],
  }));
});

describe("a commit to SQLite that fails", () => {
  function f(what: string, want: RegExp, breakWindows: (good: WindowSet) => void): void {
    it(`leaves nothing behind: ${what}`, () => {
      const { store, reader } = openSqlite();
      store.append(Uint8Array.of(1), pumpStep);
      commitSamples(store, samples);
      const before = contents(store, reader);
      const late = sampleSet(store, [{ series: 1, timeMs: 6, value: 1 }]);
      breakWindows(late);
      expect(() => store.commit(0, 2, late.tiers)).toThrow(want);
      expect(contents(store, reader)).toEqual(before);

      commitSamples(store, samples);
      expect(readTiers(reader)[3].map((window) => window.count)).toEqual([2, 4]);
    });
  }

  f("a value in the last tier that is no number", /NOT NULL constraint failed: windows.sum/, ({ tiers }) => {
    tiers[3].table.sums[0] = Number.NaN;
  });
  f("a time that is not whole milliseconds", /cannot store REAL value in INTEGER column/, ({ tiers }) => {
    tiers[0].table.firstTimesMs[0] = 0.5;
  });

  it("leaves nothing behind: a session's mark that is not whole", () => {
    const { store, reader } = openSqlite();
    store.append(Uint8Array.of(1), pumpStep);
    store.append(undefined, deviceStep(2, "fan", []));
    const before = contents(store, reader);
    const sessions = [session(1, 1, { ackedSequence: 9 }), session(2, 2, { samplesLost: 0.5 })];
    expect(() => store.commitSessions(sessions)).toThrow(/cannot store REAL value in INTEGER column/);
    expect(contents(store, reader)).toEqual(before);
  });
});
