import fc from "fast-check";
import { expect, it } from "vitest";
import type { TierWindows } from "../../../lib/aggregate/window-set.ts";
import { appendWindow, createWindowTable } from "../../../lib/aggregate/window-table.ts";
import type { AggregateStore } from "../../../lib/store/store.ts";
import { type PlainWindow, plainWindows, type Sample, tableWindows } from "../../aggregate/plain-windows.ts";
import { all, anyCommits, commitSamples, deviceStep, readTiers, sampleSet, tiers } from "../steps.ts";
import type { Open } from "../store-contract.ts";

const sample = (series: number, timeMs: number, value = 1): Sample => ({ series, timeMs, value });
const plainTiers = (samples: readonly Sample[]) => tiers.map(({ widthMs }) => plainWindows(samples, widthMs));

export function commitContract(open: Open): void {
  it("shows a commit to readers", () => {
    const { store, reader } = open(tiers);
    const samples = [sample(1, 5, 20), sample(1, 70_000, 22)];
    store.append(undefined, deviceStep(1, "pump", [1]));
    commitSamples(store, samples);
    expect(reader.devices("", 10)).toMatchObject([{ deviceId: "pump", ackedSequence: 0 }]);
    expect(reader.series(all, undefined, 10)).toMatchObject([{ deviceId: "pump", name: "m0" }]);
    expect(readTiers(reader)).toEqual(plainTiers(samples));
  });

  it("holds what was merged with the windows that it had loaded, over any number of commits", () => {
    fc.assert(
      fc.property(anyCommits(3), (commits) => {
        const { store, reader } = open(tiers);
        store.append(undefined, deviceStep(1, "pump", [1, 2, 3]));
        for (const samples of commits) commitSamples(store, samples);
        expect(readTiers(reader)).toEqual(plainTiers(commits.flat()));
      }),
      { numRuns: 25 },
    );
  });

  it("stores whole windows: those of an earlier commit are replaced, the others stay", () => {
    const { store, reader } = open(tiers);
    store.append(undefined, deviceStep(1, "pump", [1, 2]));
    store.commit(0, 0, sampleSet(store, [sample(1, 0, 5), sample(1, 1, 6), sample(2, 0, 7)]).tiers);
    store.commit(0, 0, sampleSet(store, [sample(1, 2, 8)]).tiers);
    expect(readTiers(reader)).toEqual(plainTiers([sample(1, 2, 8), sample(2, 0, 7)]));
  });

  it("stores no window without samples", () => {
    const { store, reader } = open(tiers);
    store.append(undefined, deviceStep(1, "pump", [1]));
    store.commit(0, 0, sampleSet(store, [sample(1, 0, Number.NaN)]).tiers);
    expect(readTiers(reader)).toEqual([[], [], []]);
  });

  it("is not changed by what is done to the windows that went in", () => {
    const { store, reader } = open(tiers);
    store.append(undefined, deviceStep(1, "pump", [1]));
    const set = sampleSet(store, [sample(1, 0)]);
    store.commit(0, 0, set.tiers);
    for (const { table } of set.tiers) table.sums[0] = 99;
    expect(readTiers(reader)).toEqual(plainTiers([sample(1, 0)]));
  });

  it("knows through which position each shard shows the journal", () => {
    const { store } = open(tiers);
    expect(store.positions()).toEqual(new Map());
    const none: readonly TierWindows[] = [];
    store.commit(2, 7, none);
    store.commit(0, 3, sampleSet(store, [sample(1, 0)]).tiers);
    expect(store.positions()).toEqual(
      new Map([
        [0, 3],
        [2, 7],
      ]),
    );
    store.commit(0, 8, none);
    expect(store.positions()).toEqual(
      new Map([
        [0, 8],
        [2, 7],
      ]),
    );
  });

  it("loads the values of one window, and tells where there are none", () => {
    const { store } = open(tiers);
    const samples = [sample(1, 10_001, 4), sample(1, 10_002, -3), sample(2, 10_000, 9), sample(1, 20_000, 5)];
    store.commit(0, 0, sampleSet(store, samples).tiers);
    for (const { widthMs } of tiers) {
      for (const window of plainWindows(samples, widthMs)) expect(load(store, widthMs, window)).toEqual(window);
    }
    const nothing: readonly (readonly [number, number, number])[] = [
      [10_000, 0, 1],
      [10_000, 10_001, 1],
      [10_000, 10_000, 3],
      [60_000, 10_000, 1],
      [20_000, 0, 1],
    ];
    for (const [widthMs, startMs, series] of nothing) expect(load(store, widthMs, { startMs, series })).toBeUndefined();
  });

  it("names its database by 32 hexadecimal digits", () => {
    expect(open(tiers).store.incarnation).toMatch(/^[0-9a-f]{32}$/);
  });
}

/** Loads a window into the middle of a table; its neighbours must stay. */
function load(
  store: AggregateStore,
  widthMs: number,
  { startMs, series }: Pick<PlainWindow, "startMs" | "series">,
): PlainWindow | undefined {
  const table = createWindowTable(3);
  for (let i = 0; i < 3; i += 1) appendWindow(table, series, startMs);
  const found = store.loadWindow(widthMs, startMs, series, table, 1);
  expect([table.counts[0], table.counts[2]]).toEqual([0, 0]);
  const [window] = tableWindows(table);
  expect(window !== undefined).toBe(found);
  return window;
}
