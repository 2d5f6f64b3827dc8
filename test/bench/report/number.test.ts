import { describe, expect, it } from "vitest";
import {
  advantageText,
  costInWords,
  large,
  ratioText,
  significant,
  withInterval,
} from "../../../bench/report/number.ts";

describe("three significant digits", () => {
  it.each([
    [0, "0.00"],
    [0.012_34, "0.0123"],
    [0.000_012_345, "0.0000123"],
    [0.999_6, "1.00"],
    [1.5, "1.50"],
    [12.345, "12.3"],
    [999.6, "1,000"],
    [12_345, "12,300"],
    [1_234_567, "1,230,000"],
    [Number.NaN, "-"],
    [Number.POSITIVE_INFINITY, "-"],
  ])("of %d are %s", (value, text) => {
    expect(significant(value)).toBe(text);
  });

  it.each([
    [789, "789"],
    [9_996, "10.0 k"],
    [45_600, "45.6 k"],
    [999_600, "1.00 M"],
    [1_234_567, "1.23 M"],
    [2.5e9, "2.50 G"],
  ])("of %d, shortened, are %s", (value, text) => {
    expect(large(value)).toBe(text);
  });
});

describe("a ratio as text", () => {
  it("has its interval, or says that there is none", () => {
    expect(withInterval({ value: 2, low: 1.5, high: 3 })).toBe("2.00 (1.50 to 3.00)");
    expect(withInterval({ value: 2 })).toBe("2.00 (no interval)");
    expect(ratioText(undefined)).toBe("no pairs");
  });

  it("is marked where no difference was shown", () => {
    expect(ratioText({ value: 1.1, low: 0.9, high: 1.3, count: 5 })).toBe("1.10 (0.900 to 1.30) ~");
    expect(ratioText({ value: 1.1, low: 1.05, high: 1.2, count: 5 })).toBe("1.10 (1.05 to 1.20)");
  });

  it("calls a loss one, and only what was shown", () => {
    expect(advantageText({ value: 0.8, low: 0.7, high: 0.9, count: 5 })).toBe("0.800 (0.700 to 0.900), worse");
    expect(advantageText({ value: 0.9, low: 0.7, high: 1.1, count: 5 })).toBe("0.900 (0.700 to 1.10) ~");
    expect(advantageText({ value: 0.9, count: 1 })).toBe("0.900 (no interval)");
    expect(advantageText({ value: 2, low: 1.9, high: 2.1, count: 5 })).toBe("2.00 (1.90 to 2.10)");
  });
});

describe("a cost in words", () => {
  const words = (value: number, low?: number, high?: number) =>
    costInWords({ value, count: 5, ...(low !== undefined && high !== undefined && { low, high }) }, "CPU", "JSON");

  it.each([
    [words(4, 3.5, 4.5), "4.00 times less CPU than JSON (95 % interval 3.50 to 4.50)"],
    [words(0.5, 0.4, 0.8), "2.00 times more CPU than JSON (95 % interval 1.25 to 2.50)"],
    [
      words(1.1, 0.8, 1.4),
      "neither more nor less CPU, as far as was shown, than JSON (95 % interval 0.800 to 1.40 times less)",
    ],
    [words(3), "3.00 times less CPU than JSON (one pair: no interval)"],
    [costInWords(undefined, "CPU", "JSON"), "an amount of CPU that no pair of trials compares with JSON"],
  ])("%s", (text, want) => {
    expect(text).toBe(want);
  });
});
