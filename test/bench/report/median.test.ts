import { describe, expect, it } from "vitest";
import { medianOf } from "../../../bench/report/median.ts";
import { Prng } from "../../../lib/base/prng.ts";

describe("a median", () => {
  it("is the middle value, or the mean of the two in the middle", () => {
    expect(medianOf([3, 1, 2]).value).toBe(2);
    expect(medianOf([4, 1, 3, 2]).value).toBe(2.5);
  });

  it.each([
    [2, 0.5],
    [3, 0.75],
    [4, 0.875],
    [5, 0.9375],
    [6, 0.96875],
  ])("of %d values lies between the smallest and the largest with probability %d", (count, confidence) => {
    const values = Array.from({ length: count }, (_, i) => i + 1);
    expect(medianOf(values)).toMatchObject({ low: 1, high: count, confidence, count });
  });

  it("of many values lies in the narrowest interval that covers it with 95 %", () => {
    const values = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
    expect(medianOf(values(9))).toMatchObject({ low: 2, high: 8 });
    expect(medianOf(values(9)).confidence).toBeCloseTo(0.9609, 4);
    expect(medianOf(values(20))).toMatchObject({ low: 6, high: 15 });
    expect(medianOf(values(20)).confidence).toBeCloseTo(0.9586, 4);
  });

  it("of one value has no interval", () => {
    expect(medianOf([7])).toEqual({ value: 7, count: 1, confidence: 0 });
  });

  it("of nothing is refused", () => {
    expect(() => medianOf([])).toThrow(RangeError);
  });

  it("is covered as often as it says", () => {
    const prng = new Prng(1, "median");
    for (const count of [3, 5, 10]) {
      const draws = 4_000;
      let covered = 0;
      let confidence = 0;
      for (let draw = 0; draw < draws; draw += 1) {
        const median = medianOf(Array.from({ length: count }, () => Math.exp(prng.normal())));
        confidence = median.confidence;
        if ((median.low ?? 0) <= 1 && (median.high ?? 0) >= 1) covered += 1;
      }
      // Three standard errors of the draws.
      const error = 3 * Math.sqrt((confidence * (1 - confidence)) / draws);
      expect(Math.abs(covered / draws - confidence), `${count} values`).toBeLessThan(error);
    }
  });
});
