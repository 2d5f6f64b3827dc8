import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type SampleRun, WindowSet } from "../../lib/aggregate/window-set.ts";
import { anySample, mergedSets, plainWindows, type Sample, tierWindows, windowSet } from "./plain-windows.ts";

const widthsMs = [10_000, 60_000, 3_600_000, 86_400_000];
const anySamples = fc.array(anySample(), { maxLength: 200 });

const tiersOf = (set: WindowSet) => set.tiers.map(tierWindows);
const plainTiers = (samples: readonly Sample[]) => widthsMs.map((widthMs) => plainWindows(samples, widthMs));

/** Samples with an order and a split chosen at random. */
const shuffledAndSplit = anySamples.chain((samples) =>
  fc.record({
    samples: fc.constant(samples),
    shuffled: fc.shuffledSubarray(samples, { minLength: samples.length }),
    cuts: fc.array(fc.nat(samples.length), { maxLength: 5 }),
  }),
);

describe("WindowSet", () => {
  it("has in each tier the windows that a plain computation gives", () => {
    fc.assert(
      fc.property(anySamples, (samples) => {
        expect(tiersOf(windowSet(widthsMs, samples))).toEqual(plainTiers(samples));
      }),
    );
  });

  it("has equal windows whatever the order of its samples", () => {
    fc.assert(
      fc.property(shuffledAndSplit, ({ samples, shuffled }) => {
        expect(tiersOf(windowSet(widthsMs, shuffled))).toEqual(tiersOf(windowSet(widthsMs, samples)));
      }),
    );
  });

  it("has equal windows however its samples were split over sets", () => {
    fc.assert(
      fc.property(shuffledAndSplit, ({ samples, shuffled, cuts }) => {
        const bounds = [0, ...cuts.toSorted((a, b) => a - b), samples.length];
        const parts = bounds.slice(1).map((end, i) => windowSet(widthsMs, shuffled.slice(bounds[i], end)));
        expect(tiersOf(mergedSets(widthsMs, parts))).toEqual(tiersOf(windowSet(widthsMs, samples)));
      }),
    );
  });

  it("takes the smallest of the first and the largest of the last values that share a time", () => {
    const at = (timeMs: number, value: number): Sample => ({ series: 1, timeMs, value });
    const ties = [at(1, 5), at(1, 3), at(1, 4), at(8, -5), at(8, -3), at(8, -4)];
    for (const samples of [ties, ties.toReversed()]) {
      const [window] = tierWindows(windowSet(widthsMs, samples).tiers[0]);
      expect(window).toMatchObject({ first: 3, firstTimeMs: 1, last: -3, lastTimeMs: 8 });
    }
  });

  it("takes NaN as no sample", () => {
    const value = fc.oneof(fc.integer(), fc.constant(Number.NaN));
    fc.assert(
      fc.property(fc.array(anySample({ value })), (samples) => {
        expect(tiersOf(windowSet(widthsMs, samples))).toEqual(plainTiers(samples));
      }),
    );
  });

  it("rolls up no window that has no sample", () => {
    const set = windowSet(widthsMs, [{ series: 1, timeMs: 0, value: Number.NaN }]);
    expect(set.tiers.slice(1).map((tier) => tier.table.length)).toEqual([0, 0, 0]);
  });

  it("returns the number of samples that it added", () => {
    const set = new WindowSet(widthsMs);
    const run: SampleRun = {
      series: 1,
      counter: false,
      watermarkMs: Number.NEGATIVE_INFINITY,
      timesMs: Float64Array.of(0, 1, 20_000, 40_000),
      timeStart: 0,
      timeEnd: 4,
      values: Float64Array.of(1, Number.NaN, 3, Number.NaN),
      valueStart: 0,
      isPlain: false,
    };
    expect(set.add(run)).toBe(2);
    expect(set.add({ ...run, timeStart: 2, timeEnd: 2 })).toBe(0);
  });

  it("reads times and values from where it is told, and not beyond", () => {
    const set = new WindowSet([10_000]);
    set.add({
      series: 1,
      counter: false,
      watermarkMs: Number.NEGATIVE_INFINITY,
      timesMs: Float64Array.of(1, 2, 3, 4),
      timeStart: 1,
      timeEnd: 3,
      values: Float64Array.of(10, 20, 30, 40, 50, 60),
      valueStart: 3,
      isPlain: true,
    });
    expect(tierWindows(set.tiers[0])).toEqual(
      plainWindows(
        [
          { series: 1, timeMs: 2, value: 40 },
          { series: 1, timeMs: 3, value: 50 },
        ],
        10_000,
      ),
    );
  });

  it("keeps sums of huge values finite in every tier", () => {
    function f(value: number): void {
      // Two windows of the finest tier that overflow, and so does the one above them.
      const samples = [0, 1, 10_000, 10_001].map((timeMs) => ({ series: 1, timeMs, value }));
      const [tens, minutes] = tiersOf(windowSet([10_000, 60_000], samples));
      expect(tens.map(({ sum }) => sum)).toEqual([value, value]);
      expect(minutes).toEqual([
        expect.objectContaining({ count: 4, sum: value, min: value, max: value, first: value, last: value }),
      ]);
    }
    f(Number.MAX_VALUE);
    f(-Number.MAX_VALUE);
  });

  it("holds more windows than it starts with", () => {
    const samples = Array.from({ length: 1_000 }, (_, i) => ({
      series: 1 + (i % 7),
      timeMs: (i - 500) * 5_000,
      value: i,
    }));
    expect(tiersOf(windowSet(widthsMs, samples))).toEqual(plainTiers(samples));
  });
});
