import { describe, expect, it } from "vitest";
import { timeMsMax } from "../../../lib/base/time-range.ts";
import {
  fixedRange,
  isLive,
  isRange,
  rangePresets,
  resolveRange,
  spanOf,
} from "../../../query/dashboard/src/state/time-range.ts";

const nowMs = Date.UTC(2026, 0, 31, 12);

describe("a range", () => {
  it("is relative to now, absolute, or both", () => {
    expect(resolveRange({ from: "now-5m", to: "now" }, nowMs)).toEqual({ fromMs: nowMs - 300_000, toMs: nowMs });
    expect(resolveRange({ from: "2026-01-31T11:00:00Z", to: "now-30m" }, nowMs)).toEqual({
      fromMs: nowMs - 3_600_000,
      toMs: nowMs - 1_800_000,
    });
    for (const from of rangePresets) expect(isRange({ from, to: "now" }, nowMs)).toBe(true);
  });

  it.each([
    ["", "now"],
    ["yesterday", "now"],
    ["now", "now"],
    ["now", "now-1h"],
    ["now-5parsecs", "now"],
    ["now-1h", `now${" ".repeat(100)}`],
    ["2026-02-30T00:00:00Z", "now"],
  ])("is none from %j to %j", (from, to) => {
    expect(isRange({ from, to }, nowMs)).toBe(false);
    expect(() => resolveRange({ from, to }, nowMs)).toThrow(/from|to/);
  });

  it("falls back to the usual one when now has passed its end", () => {
    const range = { from: "now-5m", to: "2026-01-31T12:00:00Z" };
    expect(spanOf(range, nowMs)).toEqual({ fromMs: nowMs - 300_000, toMs: nowMs });
    expect(spanOf(range, nowMs + 3_600_000).toMs).toBe(nowMs + 3_600_000);
  });

  it("is live when it ends now", () => {
    expect(isLive({ from: "now-5m", to: "now" })).toBe(true);
    expect(isLive({ from: "now-5m", to: "now-1m" })).toBe(false);
  });

  it("of two points is whole, in order, and never empty or out of the calendar", () => {
    expect(fixedRange(2_000.6, 999.5)).toEqual({ from: "1970-01-01T00:00:00.999Z", to: "1970-01-01T00:00:02.001Z" });
    expect(isRange(fixedRange(5, 5), nowMs)).toBe(true);
    expect(isRange(fixedRange(-1e18, 1e18), nowMs)).toBe(true);
    expect(resolveRange(fixedRange(timeMsMax, timeMsMax), nowMs).toMs).toBe(timeMsMax);
  });
});
