import { describe, expect, it } from "vitest";
import { numberText, unitText } from "../../../query/dashboard/src/chart/number-text.ts";
import { axisTexts } from "../../../query/dashboard/src/chart/time-text.ts";
import { latencyMs } from "../../../query/dashboard/src/state/status-history.ts";

const at = (text: string) => Date.parse(text);

describe("times under an axis", () => {
  it.each([
    ["2026-01-31T12:00:05Z", 5_000, "12:00:05"],
    ["2026-01-31T12:00:00Z", 300_000, "12:00"],
    ["2026-01-31T00:00:00Z", 300_000, "01-31"],
    ["2026-01-31T00:00:00Z", 86_400_000, "01-31"],
    ["2026-01-31T06:00:00Z", 86_400_000, "01-31"],
    ["2026-01-01T00:00:00Z", 86_400_000, "2026"],
    ["2026-01-01T00:00:00Z", 3_600_000, "2026"],
  ])("writes %s, every %i ms, as %s", (time, stepMs, want) => {
    expect(axisTexts([at(time)], stepMs, "utc")).toEqual([want]);
  });
});

describe("a unit", () => {
  it.each([
    ["Cel", false, "°C"],
    ["%", false, "%"],
    ["1", false, ""],
    ["", false, ""],
    ["W.h", true, "W·h/s"],
    ["1", true, "1/s"],
    ["{packets}", true, "packets/s"],
  ])("%j of a counter: %s, is written %j", (code, isCounter, want) => {
    expect(unitText(code, isCounter)).toBe(want);
  });
});

describe("a number", () => {
  it.each([
    [0, "0"],
    [12.345678, "12.346"],
    [1_234_567, "1,234,567"],
    [0.00001, "1.000e-5"],
    [1e12, "1.000e+12"],
    [Number.NaN, "none"],
    [Number.POSITIVE_INFINITY, "none"],
  ])("%d is written %j", (value, want) => {
    expect(numberText(value)).toBe(want);
  });
});

it("a latency is in milliseconds, and none where nothing was acked", () => {
  expect(latencyMs({ seconds: 1n, nanos: 1_500_000 } as never)).toBe(1_001.5);
  expect(latencyMs(undefined)).toBeNaN();
});
