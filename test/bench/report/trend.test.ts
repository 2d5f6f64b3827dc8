import { describe, expect, it } from "vitest";
import { trendOf } from "../../../bench/report/trend.ts";
import { Prng } from "../../../lib/base/prng.ts";

const count = 180;
const minutes = Array.from({ length: count }, (_, i) => i / 12);

/** Without a trend: what is next keeps `kept` of what it was, and the rest is new. */
function wandering(kept: number, seed: number): number[] {
  const random = new Prng(seed);
  let value = 0;
  return minutes.map(() => {
    value = kept * value + random.normal();
    return value;
  });
}

describe("a trend", () => {
  it("of values on a line is its slope, without doubt", () => {
    const { slope, low, high } = trendOf(
      minutes,
      minutes.map((minute) => 800 - 2.5 * minute),
    );
    for (const value of [slope, low, high]) expect(value).toBeCloseTo(-2.5, 9);
  });

  it("of values whose neighbours have nothing in common has the interval of least squares", () => {
    const { slope, low, high } = trendOf([0, 1, 2, 3, 4, 5, 6, 7], [1, 3, 2, 5, 4, 6, 5, 8]);
    expect(slope).toBeCloseTo(5 / 6, 9);
    // sqrt(6.3333 / 6 / 42), times the t of 6 degrees of freedom as printed, 2.447.
    expect(high - slope).toBeCloseTo(0.3879, 4);
    expect(slope - low).toBeCloseTo(0.3879, 4);
  });

  it.each([0, 0.5, 0.9])("is told of values that have none, and keep %s of what they were, in few cases", (kept) => {
    const trials = 400;
    let told = 0;
    for (let seed = 1; seed <= trials; seed += 1) {
      const { low, high } = trendOf(minutes, wandering(kept, seed));
      if (low > 0 || high < 0) told += 1;
    }
    // 5 % would be exact; without a look at neighbours it is 61 % of those that keep 0.9.
    expect(told / trials).toBeGreaterThan(0.01);
    expect(told / trials).toBeLessThan(0.12);
  });
});
