import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TelemetryError } from "../../lib/base/errors.ts";
import { timeMsMax, timeMsMin } from "../../lib/base/limits.ts";
import { formatTime, parseTime, parseTimeArgument } from "../../lib/base/time.ts";

const anyTimeMs = fc.integer({ min: timeMsMin, max: timeMsMax });

function reads(text: string, want: number): void {
  expect(parseTime(text), text).toBe(want);
}

describe("parseTime", () => {
  it("reads RFC 3339 with a zone", () => {
    reads("1970-01-01T00:00:00Z", 0);
    reads("2026-01-31T12:00:00Z", Date.UTC(2026, 0, 31, 12));
    reads("2026-01-31t12:00:00z", Date.UTC(2026, 0, 31, 12));
    reads("2026-01-31T12:00:00+02:00", Date.UTC(2026, 0, 31, 10));
    reads("2026-01-31T12:00:00-05:30", Date.UTC(2026, 0, 31, 17, 30));
    reads("2026-01-31T23:30:00-01:00", Date.UTC(2026, 1, 1, 0, 30));
    reads("2024-02-29T00:00:00Z", Date.UTC(2024, 1, 29));
  });

  it("reads fractions to the millisecond and cuts off the rest", () => {
    reads("1970-01-01T00:00:00.5Z", 500);
    reads("1970-01-01T00:00:00.25Z", 250);
    reads("1970-01-01T00:00:00.001Z", 1);
    reads("1970-01-01T00:00:00.0019999Z", 1);
    reads("1970-01-01T00:00:00.999999999+00:00", 999);
    reads("1969-12-31T23:59:59.999Z", -1);
  });

  it("takes a time without a zone as UTC", () => {
    reads("2026-01-31 12:00:00", Date.UTC(2026, 0, 31, 12));
    reads("2026-01-31T12:00:00", Date.UTC(2026, 0, 31, 12));
    reads("1969-12-31 23:59:59", -1_000);
  });

  it("reads epoch milliseconds", () => {
    reads("0", 0);
    reads("-1", -1);
    reads("1769860800000", 1_769_860_800_000);
  });

  it("reads the first and the last time of the calendar, and nothing outside", () => {
    reads("0001-01-01T00:00:00Z", timeMsMin);
    reads("9999-12-31T23:59:59.999Z", timeMsMax);
    reads(`${timeMsMin}`, timeMsMin);
    reads(`${timeMsMax}`, timeMsMax);
    for (const text of [
      "0001-01-01T00:00:00+00:01",
      "0000-12-31T23:59:59Z",
      "9999-12-31T23:59:59-00:01",
      `${timeMsMin - 1}`,
      `${timeMsMax + 1}`,
      "9".repeat(16),
    ]) {
      expect(parseTime(text), text).toBeUndefined();
    }
  });

  it("refuses days and clock times that do not exist", () => {
    for (const text of [
      "2026-02-30T00:00:00Z",
      "2026-02-29T00:00:00Z",
      "1900-02-29T00:00:00Z",
      "2026-04-31T00:00:00Z",
      "2026-13-01T00:00:00Z",
      "2026-00-01T00:00:00Z",
      "2026-01-00T00:00:00Z",
      "2026-01-31T24:00:00Z",
      "2026-01-31T12:60:00Z",
      "2026-01-31T12:00:61Z",
      "2026-01-31T12:00:00+24:00",
      "2026-01-31T12:00:00+01:60",
    ]) {
      expect(parseTime(text), text).toBeUndefined();
    }
  });

  it("refuses what is not a time", () => {
    for (const text of [
      "",
      "now",
      "yesterday",
      "2026-01-31",
      "12:00:00",
      "2026-1-31T12:00:00Z",
      "2026-01-31T12:00Z",
      "2026-01-31T12:00:00.Z",
      "2026-01-31T12:00:00+02",
      "2026-01-31T12:00:00 +02:00",
      "2026-01-31T12:00:00Z ",
      "26-01-31T12:00:00Z",
      "1.5",
      "1e3",
      "+5",
      "0x10",
    ]) {
      expect(parseTime(text), text).toBeUndefined();
    }
  });
});

describe("parseTimeArgument", () => {
  const nowMs = Date.UTC(2026, 0, 31, 12);

  it("reads times relative to now", () => {
    function f(text: string, want: number): void {
      expect(parseTimeArgument(text, nowMs, "--from"), text).toBe(want);
    }
    f("now", nowMs);
    f("now-1h", nowMs - 3_600_000);
    f("now+30s", nowMs + 30_000);
    f("now-1d12h", nowMs - 129_600_000);
    f("2026-01-31T12:00:00Z", nowMs);
    f("-1", -1);
  });

  it("refuses anything else, and names field, value and forms", () => {
    function f(text: string, wantRemedy: string): void {
      const read = () => parseTimeArgument(text, nowMs, "--from");
      expect(read, text).toThrow(TelemetryError);
      expect(read, text).toThrow(expect.objectContaining({ field: "--from" }));
      expect(read, text).toThrow(wantRemedy);
    }
    f("tomorrow", '--from is "tomorrow"; write RFC 3339');
    f("2026-02-30T00:00:00Z", "write RFC 3339");
    f("now-", '--from is "now-"');
    f("now-1", '--from is "1"; write a number with its unit');
    f("now-1h-1h", "write a number with its unit");
    f("now*2", "write RFC 3339");
    f(" now", "write RFC 3339");
  });
});

describe("formatTime", () => {
  it("writes UTC, with milliseconds only where there are some", () => {
    function f(timeMs: number, want: string): void {
      expect(formatTime(timeMs)).toBe(want);
    }
    f(0, "1970-01-01T00:00:00Z");
    f(-1, "1969-12-31T23:59:59.999Z");
    f(1_769_860_800_100, "2026-01-31T12:00:00.100Z");
    f(timeMsMin, "0001-01-01T00:00:00Z");
    f(timeMsMax, "9999-12-31T23:59:59.999Z");
  });

  it("writes what parseTime reads back", () => {
    fc.assert(
      fc.property(anyTimeMs, (timeMs) => {
        expect(parseTime(formatTime(timeMs))).toBe(timeMs);
      }),
    );
  });
});
