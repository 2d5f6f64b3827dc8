import fc from "fast-check";
import { expect } from "vitest";
import { increaseOf } from "../../lib/aggregate/counter.ts";
import { addToSketch, clearSketch, createSketchTable, encodeSketch } from "../../lib/aggregate/sketch-table.ts";
import type { TierWindows } from "../../lib/aggregate/window-set.ts";
import { WindowSet } from "../../lib/aggregate/window-set.ts";
import { mergeWindow, type WindowTable } from "../../lib/aggregate/window-table.ts";

/** Windows in plain words, to hold the columns against. */

export interface Sample {
  readonly series: number;
  readonly timeMs: number;
  readonly value: number;
}

export interface PlainWindow {
  readonly series: number;
  readonly startMs: number;
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  readonly first: number;
  readonly firstTimeMs: number;
  readonly last: number;
  readonly lastTimeMs: number;
}

/** The windows of one width, straight from what they are defined to be. */
export function plainWindows(samples: readonly Sample[], widthMs: number): PlainWindow[] {
  const present = samples.filter((sample) => !Number.isNaN(sample.value));
  const startOf = (sample: Sample) => Math.floor(sample.timeMs / widthMs) * widthMs;
  const groups = Map.groupBy(present, (sample) => `${sample.series}/${startOf(sample)}`);
  const windows = [...groups.values()].map((group): PlainWindow => {
    const values = group.map((sample) => sample.value);
    const times = group.map((sample) => sample.timeMs);
    const firstTimeMs = Math.min(...times);
    const lastTimeMs = Math.max(...times);
    const valuesAt = (timeMs: number) => group.filter((each) => each.timeMs === timeMs).map((each) => each.value);
    return {
      series: group[0].series,
      startMs: startOf(group[0]),
      count: group.length,
      sum: values.reduce((sum, value) => sum + value, 0),
      min: Math.min(...values),
      max: Math.max(...values),
      first: Math.min(...valuesAt(firstTimeMs)),
      firstTimeMs,
      last: Math.max(...valuesAt(lastTimeMs)),
      lastTimeMs,
    };
  });
  return windows.sort(byStartThenSeries);
}

/** The windows of a table that have samples, in the order of its rows. */
export function tableWindows(table: WindowTable): PlainWindow[] {
  const windows = Array.from({ length: table.length }, (_, i) => ({
    series: table.series[i],
    startMs: table.starts[i],
    count: table.counts[i],
    sum: table.sums[i],
    min: table.mins[i],
    max: table.maxs[i],
    first: table.firsts[i],
    firstTimeMs: table.firstTimesMs[i],
    last: table.lasts[i],
    lastTimeMs: table.lastTimesMs[i],
  }));
  return windows.filter((window) => window.count > 0);
}

/**
 * What a plain window leaves out: deviations, but for rounding; sketches, exactly; and the increases of counters, which
 * are never more than the exact one, and exact where no sample is below the one before it.
 */
export function expectDetails(
  table: WindowTable,
  widthMs: number,
  samples: readonly Sample[],
  counters: ReadonlySet<number>,
): void {
  const present = samples.filter(({ value }) => !Number.isNaN(value));
  const key = (series: number, timeMs: number) => `${series}/${Math.floor(timeMs / widthMs)}`;
  const groups = Map.groupBy(present, ({ series, timeMs }) => key(series, timeMs));
  for (let i = 0; i < table.length; i += 1) {
    const group = groups.get(key(table.series[i], table.starts[i])) ?? [];
    const values = group.map(({ value }) => value);
    expectM2(table.m2s[i], values);
    expect(encodeSketch(table.sketches, i)).toEqual(sketchOf(values));
    if (counters.has(table.series[i])) expectIncrease(table, i, group);
    else expect([table.resetOffsets[i], table.approximates[i]]).toEqual([Number.NaN, 0]);
  }
}

/** Within the rounding of values of this size. */
export function expectM2(m2: number, values: readonly number[]): void {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const exact = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const largest = Math.max(...values.map(Math.abs));
  expect(Math.abs(m2 - exact)).toBeLessThanOrEqual(1e-12 * exact + 1e-15 * values.length * largest ** 2);
}

/** The encoding of a sketch to which these values were added one by one. */
export function sketchOf(values: readonly number[]): Uint8Array {
  const sketches = createSketchTable(1);
  clearSketch(sketches, 0);
  for (const value of values) addToSketch(sketches, 0, value);
  return encodeSketch(sketches, 0);
}

/** What a counter has counted from its first sample to its last: samples of one time are no reset. */
export function plainIncrease(samples: readonly Sample[]): { increase: number; resets: number } {
  const inOrder = samples.toSorted((a, b) => a.timeMs - b.timeMs || a.value - b.value);
  let increase = 0;
  let resets = 0;
  for (const [i, { value }] of inOrder.entries()) {
    const before = inOrder[i - 1];
    if (before === undefined) continue;
    if (value < before.value) resets += 1;
    // A fall is a reset, after which the counter has grown from zero.
    increase += value >= before.value ? value - before.value : value;
  }
  return { increase, resets };
}

function expectIncrease(table: WindowTable, at: number, samples: readonly Sample[]): void {
  const { increase, resets } = plainIncrease(samples);
  const found = increaseOf(table, at);
  if (resets === 0) expect([found, table.approximates[at]]).toEqual([increase, 0]);
  expect(found).toBeGreaterThanOrEqual(0);
  expect(found).toBeLessThanOrEqual(increase);
}

/** The windows of a tier that have samples, by start, then by series. */
export function tierWindows(tier: TierWindows): PlainWindow[] {
  return tableWindows(tier.table).sort(byStartThenSeries);
}

/** A set of these samples, added in their order, rolled up. */
export function windowSet(widthsMs: readonly number[], samples: readonly Sample[], counter = false): WindowSet {
  const set = new WindowSet(widthsMs);
  const timesMs = Float64Array.from(samples, (sample) => sample.timeMs);
  const values = Float64Array.from(samples, (sample) => sample.value);
  for (let start = 0, end = 0; start < samples.length; start = end) {
    while (end < samples.length && samples[end].series === samples[start].series) end += 1;
    const { series } = samples[start];
    const run = { timesMs, timeStart: start, timeEnd: end, values, valueStart: start };
    const isPlain = isPlainRun(timesMs.subarray(start, end), values.subarray(start, end));
    set.add({ series, counter, watermarkMs: Number.NEGATIVE_INFINITY, ...run, isPlain });
  }
  set.rollUp();
  return set;
}

/** As `SampleRun.isPlain` says. */
export function isPlainRun(timesMs: ArrayLike<number>, values: ArrayLike<number>): boolean {
  return (
    timesMs.length > 0 &&
    !Array.from(values).some(Number.isNaN) &&
    Array.from(timesMs).every((timeMs, i) => i === 0 || timeMs > timesMs[i - 1])
  );
}

/** The windows of several sets, merged in their order. */
export function mergedSets(widthsMs: readonly number[], sets: readonly WindowSet[]): WindowSet {
  const merged = new WindowSet(widthsMs);
  for (const set of sets) {
    for (const [t, { table }] of set.tiers.entries()) {
      const tier = merged.tiers[t];
      for (let i = 0; i < table.length; i += 1) {
        mergeWindow(tier.table, tier.indexOf(table.series[i], table.starts[i]), table, i);
      }
    }
  }
  return merged;
}

/** Whole numbers, so that sums are exact; few values and times, so that many are equal. */
export function anySample(options: { seriesMax?: number; value?: fc.Arbitrary<number> } = {}): fc.Arbitrary<Sample> {
  const { seriesMax = 3, value = fc.oneof(fc.integer({ min: -2, max: 2 }), fc.integer()) } = options;
  return fc.record({
    series: fc.integer({ min: 1, max: seriesMax }),
    timeMs: fc.oneof(
      fc.constantFrom(-60_000, -10_001, -10_000, -1, 0, 1, 9_999, 10_000, 59_999, 60_000),
      fc.integer({ min: -200_000, max: 200_000 }),
      fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }),
    ),
    value,
  });
}

function byStartThenSeries(a: PlainWindow, b: PlainWindow): number {
  return a.startMs - b.startMs || a.series - b.series;
}
