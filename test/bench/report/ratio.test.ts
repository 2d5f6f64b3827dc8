import { describe, expect, it } from "vitest";
import { inverse, pairedRatio, type Ratio, spansOne, welchRatio } from "../../../bench/report/ratio.ts";
import { Prng } from "../../../lib/base/prng.ts";

const draws = 2_000;

/** The share of the draws whose interval has the true ratio in it. */
function coverage(name: string, truth: number, draw: (prng: Prng) => Ratio | undefined): number {
  const prng = new Prng(6, name);
  let covered = 0;
  for (let i = 0; i < draws; i += 1) {
    const { low = 0, high = 0 } = draw(prng) ?? {};
    if (low <= truth && high >= truth) covered += 1;
  }
  return covered / draws;
}

const noisy = (prng: Prng, value: number, spread: number) => value * Math.exp(spread * prng.normal());

describe("the ratio of pairs", () => {
  it.each([3, 5, 10])("covers the true one in 93 to 97 of 100 draws with %d pairs", (count) => {
    const share = coverage("pairs", 4, (prng) =>
      pairedRatio(
        Array.from({ length: count }, () => {
          const round = noisy(prng, 1, 0.5);
          return [noisy(prng, 4, 0.2) * round, noisy(prng, 1, 0.1) * round] as const;
        }),
      ),
    );
    expect(share).toBeGreaterThan(0.93);
    expect(share).toBeLessThan(0.97);
  });

  it("does not see what both sides of a pair have in common", () => {
    const slow = [1, 7, 3, 0.2];
    const ratio = pairedRatio(slow.map((by) => [6 * by, 2 * by]));
    expect(ratio?.low).toBeCloseTo(3, 12);
    expect(ratio?.high).toBeCloseTo(3, 12);
  });

  it("is the geometric mean with Student's interval", () => {
    // Logarithms 0 and ln 4: mean ln 2, deviation ln 4 / sqrt 2, error ln 2, t of one degree of freedom 12.706.
    const { value, low, high } = pairedRatio([
      [1, 1],
      [4, 1],
    ]) as Required<Ratio>;
    expect(value).toBeCloseTo(2, 12);
    expect(high).toBeCloseTo(2 * 2 ** 12.7062, 0);
    expect(low * high).toBeCloseTo(4, 9);
  });

  it("has no interval with one pair, and is nothing without any", () => {
    expect(pairedRatio([[3, 2]])).toEqual({ value: 1.5, count: 1 });
    expect(pairedRatio([])).toBeUndefined();
  });

  it("leaves out what has no logarithm", () => {
    const pairs: [number, number][] = [
      [0, 1],
      [1, 0],
      [Number.NaN, 1],
      [1, Number.POSITIVE_INFINITY],
    ];
    expect(pairedRatio(pairs)).toBeUndefined();
    expect(pairedRatio([...pairs, [4, 2]])).toEqual({ value: 2, count: 1 });
  });
});

describe("the ratio of two runs", () => {
  it.each([3, 5, 10])("covers the true one in 93 to 97 of 100 draws with %d values each", (count) => {
    const share = coverage("runs", 0.5, (prng) => {
      const side = (value: number, spread: number) => Array.from({ length: count }, () => noisy(prng, value, spread));
      return welchRatio(side(1, 0.1), side(2, 0.2));
    });
    expect(share).toBeGreaterThan(0.93);
    expect(share).toBeLessThan(0.97);
  });

  it("has Welch's interval", () => {
    // Variances 1 and 4 of 3 values each: error sqrt(5/3), degrees of freedom (5/3)^2 / ((1/3)^2/2 + (4/3)^2/2) = 50/17.
    const of = [-1, 0, 1].map((x) => Math.exp(x));
    const against = [-2, 0, 2].map((x) => Math.exp(x));
    const ratio = welchRatio(of, against);
    expect(ratio?.value).toBeCloseTo(1, 12);
    // t of 50/17 degrees of freedom is 3.2196, between those of 2 (4.303) and 3 (3.182).
    expect(Math.log(ratio?.high ?? 0) / Math.sqrt(5 / 3)).toBeCloseTo(3.22, 2);
  });

  it("has no interval where a side has one value, and is nothing where it has none", () => {
    expect(welchRatio([4], [2, 2, 2, 2])).toEqual({ value: 2, count: 1 });
    expect(welchRatio([], [1])).toBeUndefined();
    expect(welchRatio([1], [0])).toBeUndefined();
  });

  it("is a point where nothing varies", () => {
    const { value, low, high } = welchRatio([3, 3], [2, 2]) as Required<Ratio>;
    expect([value, low, high].map((each) => each.toFixed(9))).toEqual(Array(3).fill("1.500000000"));
  });
});

describe("a ratio", () => {
  it("may be none when its interval has 1 in it, or there is no interval", () => {
    expect(spansOne({ value: 1.2, low: 0.9, high: 1.6 })).toBe(true);
    expect(spansOne({ value: 1, low: 1, high: 1 })).toBe(true);
    const same = welchRatio([4.7, 4.7, 4.7], [4.7, 4.7, 4.7, 4.7, 4.7]) as Ratio;
    expect(spansOne(same)).toBe(true);
    expect(spansOne({ value: 2 })).toBe(true);
    expect(spansOne({ value: 1.2, low: 1.1, high: 1.3 })).toBe(false);
    expect(spansOne({ value: 0.8, low: 0.7, high: 0.9 })).toBe(false);
  });

  it("turned round has its interval turned round", () => {
    expect(inverse({ value: 2, low: 1, high: 4 })).toEqual({ value: 0.5, low: 0.25, high: 1 });
    expect(inverse({ value: 2 })).toEqual({ value: 0.5 });
  });
});
