import { expect, it } from "vitest";
import type { Selector } from "../../../lib/store/selector.ts";
import type { AggregateReader } from "../../../lib/store/store.ts";
import { plainWindows, type Sample } from "../../aggregate/plain-windows.ts";
import { all, commitSamples, deviceStep, nowMs, readRange, tiers } from "../steps.ts";
import type { Open } from "../store-contract.ts";

/** Series of one device. `m40` has the id 1: the last names have the first ids. */
const seriesCount = 60;
const seriesIds = Array.from({ length: seriesCount }, (_, i) => 1 + ((i + 20) % seriesCount));

/** Windows with holes: half of the series in one, a few in others, all in one. */
const holey: readonly Sample[] = seriesIds.flatMap((id) => {
  const times = [-15_000, 5, 30_000, 30_001, 75_000];
  const has = [id % 2 === 0, id > 50, true, true, id === 3];
  return times.filter((_, i) => has[i]).map((timeMs) => ({ series: id, timeMs, value: id * 100 + timeMs }));
});

function openHoley(open: Open): AggregateReader {
  const { store, reader } = open(tiers);
  store.append(undefined, deviceStep(1, "pump", seriesIds));
  commitSamples(store, holey, nowMs);
  return reader;
}

/** The last names. The ids of more than 20 lie on both sides of all the others: a scan crosses long gaps. */
function selectMetrics(count: number): Selector {
  return { deviceIds: undefined, metricNames: Array.from({ length: count }, (_, i) => `m${seriesCount - 1 - i}`) };
}

export function rangeContract(open: Open): void {
  // SQLite looks up to 32 series up one by one, and scans for more.
  const selections = [1, 7, 32, 33, 50, seriesCount, "all"] as const;
  for (const selection of selections) {
    it(`of ${selection} series gives the same windows in pages of any size, by start, then by series`, () => {
      const reader = openHoley(open);
      const selector = selection === "all" ? all : selectMetrics(selection);
      const ids = new Set(reader.series(selector, undefined, 1_000).map((row) => row.id));
      expect(ids.size).toBe(selection === "all" ? seriesCount : selection);
      const selected = holey.filter((sample) => ids.has(sample.series));
      for (const { widthMs } of tiers) {
        for (const windowsMax of [1, 2, 7, 1_000]) {
          const { windows, pages } = readRange(reader, { selector, widthMs }, windowsMax);
          expect(windows).toEqual(plainWindows(selected, widthMs));
          expect(Math.max(...pages.map((page) => page.windows.length))).toBeLessThanOrEqual(windowsMax);
        }
      }
    });

    it(`of ${selection} series names each series once, not after its first window`, () => {
      const reader = openHoley(open);
      const selector = selection === "all" ? all : selectMetrics(selection);
      const { pages } = readRange(reader, { selector }, 7);
      const told = new Map<number, string>();
      for (const page of pages) {
        for (const row of page.series) {
          expect(told.has(row.id)).toBe(false);
          told.set(row.id, `${row.deviceId} ${row.name}`);
        }
        for (const id of page.windows.series.subarray(0, page.windows.length)) {
          expect(told.get(id)).toBe(`pump m${seriesIds.indexOf(id)}`);
        }
      }
    });
  }

  it("begins with the window that contains its first time, and ends before the one that starts at its last", () => {
    const reader = openHoley(open);
    function f(fromMs: number, toMs: number, want: readonly number[]): void {
      for (const selector of [all, selectMetrics(7), selectMetrics(50)]) {
        const { windows } = readRange(reader, { selector, fromMs, toMs }, 7);
        const ids = new Set(reader.series(selector, undefined, 1_000).map((row) => row.id));
        const wanted = plainWindows(holey, 10_000).filter(
          (window) => ids.has(window.series) && want.includes(window.startMs),
        );
        expect(windows, `${fromMs} to ${toMs}`).toEqual(wanted);
      }
    }
    f(-20_000, 100_000, [-20_000, 0, 30_000, 70_000]);
    f(-10_001, 1, [-20_000, 0]);
    f(-10_000, 0, []);
    f(9_999, 30_000, [0]);
    f(10_000, 30_001, [30_000]);
    f(39_999, 70_000, [30_000]);
    f(75_000, 75_001, [70_000]);
    f(80_000, 100_000, []);
  });

  it("gives one page without windows where there are none", () => {
    function f(reader: AggregateReader, selector: Selector, fromMs: number): void {
      const range = reader.openRange({ selector, widthMs: 10_000, fromMs, toMs: fromMs + 100_000 });
      const page = range.next(7);
      expect(page?.windows.length).toBe(0);
      expect(page?.series).toEqual([]);
      expect(range.next(7)).toBeUndefined();
    }
    const empty = open(tiers).reader;
    const reader = openHoley(open);
    const nothing = { deviceIds: ["nobody"], metricNames: undefined };
    for (const selector of [all, selectMetrics(7), selectMetrics(50), nothing]) {
      f(empty, selector, 0);
      f(reader, selector, 1_000_000);
    }
    f(reader, nothing, 0);
  });

  it("has ended when it has ended", () => {
    const { store, reader } = open(tiers);
    store.append(undefined, deviceStep(1, "pump", [1]));
    const range = reader.openRange({ selector: all, widthMs: 10_000, fromMs: 0, toMs: 100_000 });
    range.next(7);
    expect(range.next(7)).toBeUndefined();
    commitSamples(store, [{ series: 1, timeMs: 0, value: 1 }], nowMs);
    expect(range.next(7)).toBeUndefined();
  });
}
