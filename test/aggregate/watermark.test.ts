import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { latestEventAfter, watermarkOf, windowState } from "../../lib/aggregate/watermark.ts";

const latenessMs = 30_000;
const none = Number.NEGATIVE_INFINITY;

describe("the watermark of a device", () => {
  it("is its latest sample less the lateness that is allowed, and the server's clock while the device is silent", () => {
    function f(lastSeenAtMs: number | undefined, latestEventMs: number | undefined, nowMs: number, want: number): void {
      expect(watermarkOf({ lastSeenAtMs, latestEventMs }, nowMs, latenessMs)).toBe(want);
    }
    f(undefined, undefined, 1_000_000, none);
    // Gaps and refused batches are heard, and say nothing about time.
    f(1_000_000, undefined, 9_000_000, none);
    f(1_000_000, 990_000, 1_000_000, 960_000);
    f(1_000_000, 990_000, 1_030_000, 960_000);
    f(1_000_000, 990_000, 1_030_001, 1_000_001);
    // History: far behind the clock as long as it comes.
    f(1_000_000, 5_000, 1_000_000, -25_000);
    f(1_000_000, 5_000, 1_030_001, 1_000_001);
    // A new session that has not sent anything goes on where the one before it was.
    f(undefined, 990_000, 9_000_000, 960_000);
    // The server's clock has stepped back.
    f(1_000_000, 990_000, 500_000, 960_000);
  });

  it("never goes back while the clock goes on, whatever the device sends and however long it is silent", () => {
    const anyStep = fc.record({ stepMs: fc.integer({ min: 0, max: 90_000 }), timeMs: fc.integer() });
    fc.assert(
      fc.property(fc.array(anyStep), (steps) => {
        let nowMs = 0;
        let progress = { lastSeenAtMs: 0, latestEventMs: undefined as number | undefined };
        let before = none;
        for (const { stepMs, timeMs } of steps) {
          nowMs += stepMs;
          const watermarkMs = watermarkOf(progress, nowMs, latenessMs);
          expect(watermarkMs).toBeGreaterThanOrEqual(before);
          before = watermarkMs;
          progress = { lastSeenAtMs: nowMs, latestEventMs: latestEventAfter(progress, timeMs, nowMs, latenessMs) };
        }
      }),
    );
  });
});

describe("the latest event of a device", () => {
  it("is that of its latest sample, but never later than its receipt, and never earlier than before", () => {
    function f(before: number | undefined, latestMs: number, nowMs: number, want: number | undefined): void {
      expect(latestEventAfter({ lastSeenAtMs: 0, latestEventMs: before }, latestMs, nowMs, latenessMs)).toBe(want);
    }
    f(undefined, none, 1_000, undefined);
    f(700, none, 1_000, 700);
    f(undefined, 500, 1_000, 500);
    f(700, 500, 1_000, 700);
    f(700, 900, 1_000, 900);
    f(700, 5_000, 1_000, 1_000);
    f(undefined, 5_000, 1_000, 1_000);
    f(700, 5_000, 600, 700);
    // A silence has ended.
    f(700, 900, 90_000, 90_000);
  });
});

describe("a window", () => {
  it("is provisional, then final, and corrected when a sample came after that", () => {
    const endMs = 10_000;
    expect(windowState(endMs, none, none)).toBe("provisional");
    expect(windowState(endMs, -5_000, 9_999)).toBe("provisional");
    expect(windowState(endMs, 9_999, 10_000)).toBe("final");
    expect(windowState(endMs, 10_000, 10_000)).toBe("corrected");
    expect(windowState(endMs, 10_000, none)).toBe("corrected");
  });
});
