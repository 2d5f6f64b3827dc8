import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDuration, parseDuration } from "../../lib/base/duration.ts";
import { TelemetryError } from "../../lib/base/errors.ts";

describe("parseDuration", () => {
  it("reads a number with its unit, and several in a row", () => {
    function f(text: string, wantMs: number): void {
      expect(parseDuration(text), text).toBe(wantMs);
    }
    f("0s", 0);
    f("250ms", 250);
    f("30s", 30_000);
    f("1m", 60_000);
    f("12h", 43_200_000);
    f("2d", 172_800_000);
    f("1h30m", 5_400_000);
    f("1m1ms", 60_001);
    f("1.5h", 5_400_000);
    f("0.25s", 250);
    f("007s", 7_000);
  });

  it("refuses everything else, and names field, value and remedy", () => {
    function f(text: string): void {
      const read = () => parseDuration(text, "--retention");
      expect(read, text).toThrow(TelemetryError);
      expect(read).toThrow(expect.objectContaining({ status: "INVALID_ARGUMENT", field: "--retention" }));
      expect(read).toThrow(`--retention is ${JSON.stringify(text)}; write a number with its unit, such as 250ms`);
    }
    f("");
    f("10");
    f("s");
    f("-1s");
    f("+1s");
    f("1 s");
    f(" 1s");
    f("1s\n");
    f("1S");
    f("1w");
    f("1us");
    f(".5s");
    f("1.s");
    f("1.2.3s");
    f("1e3s");
    f("1h30");
    f("１s");
  });
});

describe("formatDuration", () => {
  it("writes the largest units first and leaves out those that are zero", () => {
    function f(durationMs: number, want: string): void {
      expect(formatDuration(durationMs)).toBe(want);
    }
    f(0, "0s");
    f(1, "1ms");
    f(999, "999ms");
    f(10_000, "10s");
    f(60_000, "1m");
    f(61_001, "1m1s1ms");
    f(5_400_000, "1h30m");
    f(86_400_000, "1d");
    f(90_061_001, "1d1h1m1s1ms");
  });

  it("writes what parseDuration reads back", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (durationMs) => {
        expect(parseDuration(formatDuration(durationMs))).toBe(durationMs);
      }),
    );
  });
});
