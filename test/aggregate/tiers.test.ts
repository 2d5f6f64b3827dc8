import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defaultTiers, keptFromMs, tierName, windowStart } from "../../lib/aggregate/tiers.ts";
import { timeMsMax, timeMsMin } from "../../lib/base/limits.ts";

const anyTimeMs = fc.integer({ min: timeMsMin, max: timeMsMax });
const anyWidthMs = fc.constantFrom(1, 1_000, ...defaultTiers.map((tier) => tier.widthMs));

describe("defaultTiers", () => {
  it("are 10 s, 1 min, 1 h and 1 d", () => {
    expect(defaultTiers.map(tierName)).toEqual(["10s", "1m", "1h", "1d"]);
  });

  it("nest: each width divides the next", () => {
    for (const [i, { widthMs }] of defaultTiers.entries()) {
      expect(widthMs % (defaultTiers[i - 1]?.widthMs ?? 1)).toBe(0);
    }
  });
});

describe("windowStart", () => {
  it("rounds down, before 1970 as well", () => {
    function f(timeMs: number, widthMs: number, want: number): void {
      expect(windowStart(timeMs, widthMs)).toBe(want);
    }
    f(0, 10_000, 0);
    f(9_999, 10_000, 0);
    f(10_000, 10_000, 10_000);
    f(-1, 10_000, -10_000);
    f(-10_000, 10_000, -10_000);
    f(-10_001, 10_000, -20_000);
    f(Date.UTC(2026, 0, 31, 12, 34, 56), 86_400_000, Date.UTC(2026, 0, 31));
    f(timeMsMin, 86_400_000, timeMsMin);
  });

  it("gives a multiple of the width, with the time less than a width after it", () => {
    fc.assert(
      fc.property(anyTimeMs, anyWidthMs, (timeMs, widthMs) => {
        const startMs = windowStart(timeMs, widthMs);
        expect(Math.abs(startMs % widthMs)).toBe(0);
        expect(timeMs - startMs).toBeGreaterThanOrEqual(0);
        expect(timeMs - startMs).toBeLessThan(widthMs);
      }),
    );
  });
});

describe("keptFromMs", () => {
  it("keeps the window that the end of the retention falls into", () => {
    function f(retentionMs: number | undefined, nowMs: number, want: number): void {
      expect(keptFromMs({ widthMs: 10_000, retentionMs }, nowMs)).toBe(want);
    }
    f(60_000, 100_000, 40_000);
    f(60_000, 109_999, 40_000);
    f(60_000, 110_000, 50_000);
    f(60_000, 0, -60_000);
    f(0, 15_000, 10_000);
    f(undefined, 100_000, Number.NEGATIVE_INFINITY);
  });
});
