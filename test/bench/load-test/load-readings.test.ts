import { describe, expect, it } from "vitest";
import { LoadReadings } from "../../../bench/load-test/load-readings.ts";
import { loadOptions } from "./support/load-options.ts";

const timeMs = Date.UTC(2026, 0, 15);

function timesOf({ baseTimeMs, offsetsMs }: { readonly baseTimeMs: number; readonly offsetsMs: ArrayLike<number> }) {
  return Array.from(offsetsMs, (offset) => baseTimeMs + offset);
}

describe("the readings of a load", () => {
  it("are of all metrics at one time, in whole numbers, unless told otherwise", () => {
    const readings = new LoadReadings({ ...loadOptions, metrics: 10, batchSamples: 10 });
    const { metricHandles, baseTimeMs, offsetsMs, values } = readings.make(0, 0, timeMs);
    expect(metricHandles).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect([baseTimeMs, ...Array.from(offsetsMs)]).toEqual([timeMs, 0]);
    expect([...values].every((value) => Number.isInteger(value))).toBe(true);
  });

  it("are several of a device in a larger batch, the last of them at its turn", () => {
    const options = { ...loadOptions, devices: 2, metrics: 2, batchSamples: 6, samplesPerSecond: 40 };
    // Two devices, so 10 readings a second each.
    expect(timesOf(new LoadReadings(options).make(0, 0, timeMs))).toEqual([timeMs - 200, timeMs - 100, timeMs]);
  });

  it("are parts of one in turn in a smaller batch", () => {
    const readings = new LoadReadings({ ...loadOptions, metrics: 6, batchSamples: 2 });
    const handles = [0, 1, 2, 3].map((index) => readings.make(0, index, timeMs).metricHandles);
    expect(handles).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
      [1, 2],
    ]);
  });

  it("are late as often as asked for, and by no more", () => {
    const readings = new LoadReadings({ ...loadOptions, lateRate: 0.2, lateMsMax: 60_000 });
    const times = Array.from({ length: 5_000 }, (_, i) => timesOf(readings.make(0, i, timeMs))[0]);
    const late = times.filter((time) => time < timeMs);
    expect(late.length).toBe(readings.late);
    expect(Math.abs(late.length - 1_000)).toBeLessThan(120);
    expect(Math.min(...late)).toBeGreaterThanOrEqual(timeMs - 60_000);
    expect(readings.reachMs).toBeGreaterThanOrEqual(60_000);
  });

  it("grow where the metric is a counter", () => {
    const readings = new LoadReadings({ ...loadOptions, metrics: 10, batchSamples: 100 });
    const { values } = readings.make(0, 0, timeMs);
    // The 7th and 8th of every ten.
    const energy = [...values].slice(60, 70);
    expect(energy).toEqual(energy.toSorted((a, b) => a - b));
  });

  it("are counted per series as they are made", () => {
    const options = { ...loadOptions, devices: 2, metrics: 3, batchSamples: 6 };
    const readings = new LoadReadings(options);
    const { values } = readings.make(1, 0, timeMs);
    const [a, b] = values;
    expect([...readings.made.counts]).toEqual([0, 0, 0, 2, 2, 2]);
    expect(readings.made.sums[3]).toBe(a + b);
    expect([readings.made.mins[3], readings.made.maxs[3]]).toEqual([Math.min(a, b), Math.max(a, b)]);
  });

  it("are equal for equal seeds", () => {
    const make = (seed: number) => [...new LoadReadings({ ...loadOptions, seed }).make(0, 0, timeMs).values];
    expect(make(5)).toEqual(make(5));
    expect(make(5)).not.toEqual(make(6));
  });
});
