import { describe, expect, it } from "vitest";
import { seriesKey } from "../../../query/dashboard/src/state/pick.ts";
import { rateOf, SeriesColumns, windowsPerSeriesMax } from "../../../query/dashboard/src/state/series-columns.ts";
import { SeriesStore, seriesMax } from "../../../query/dashboard/src/state/series-store.ts";
import { windowOf } from "./windows.ts";

const everything = () => true;

describe("the windows of a series", () => {
  it("are in the order of their time, however they come", () => {
    const series = new SeriesColumns("gauge");
    for (const startMs of [20_000, 0, 30_000, 10_000]) series.put(windowOf({ startMs, sum: startMs }), 1);
    expect(series.starts).toEqual([0, 10_000, 20_000, 30_000]);
    expect(series.means).toEqual(series.starts);
  });

  it("are replaced by newer values, and not by older ones that come later", () => {
    const series = new SeriesColumns("gauge");
    series.put(windowOf({ sum: 1, state: "provisional" }), 5);
    series.put(windowOf({ sum: 2, state: "final" }), 7);
    series.put(windowOf({ sum: 1, state: "provisional" }), 6);
    expect([series.length, series.means[0], series.isProvisional[0]]).toEqual([1, 2, false]);
    // Final by the clock alone is of the same revision.
    series.put(windowOf({ sum: 2, state: "corrected" }), 7);
    expect(series.version).toBe(3);
  });

  it("are no more than their bound: the oldest go", () => {
    const series = new SeriesColumns("gauge");
    for (let i = 1; i <= windowsPerSeriesMax + 10; i += 1) series.put(windowOf({ startMs: i * 10_000 }), 1);
    expect(series.length).toBe(windowsPerSeriesMax);
    expect(series.starts[0]).toBe(110_000);
    series.put(windowOf({ startMs: 0 }), 1);
    expect([series.length, series.starts[0], series.p99s.length]).toEqual([
      windowsPerSeriesMax,
      110_000,
      windowsPerSeriesMax,
    ]);
  });

  it("have the rate of a counter, where the time is known", () => {
    expect(rateOf({ increase: 5, increaseDurationMs: 10_000 })).toBe(0.5);
    expect(rateOf({ increase: 0, increaseDurationMs: 0 })).toBeNaN();
    expect(rateOf({ increase: Number.NaN, increaseDurationMs: 0 })).toBeNaN();
  });
});

describe("the store", () => {
  it("takes the series that are wanted, and no others", () => {
    const store = new SeriesStore();
    store.put([windowOf(), windowOf({ metric: "other" })], 1, (key) => key === seriesKey("d", "m"));
    expect([...store.keys]).toEqual([seriesKey("d", "m")]);
  });

  it("has a bound, and room again when some are forgotten", () => {
    const store = new SeriesStore();
    const all = Array.from({ length: seriesMax + 5 }, (_, i) => windowOf({ metric: `m${i}` }));
    store.put(all, 1, everything);
    expect([...store.keys]).toHaveLength(seriesMax);
    store.keep((key) => key === seriesKey("d", "m0"));
    store.put([windowOf({ metric: "new" })], 1, everything);
    expect([...store.keys]).toEqual([seriesKey("d", "m0"), seriesKey("d", "new")]);
  });
});
