import { describe, expect, it } from "vitest";
import { parseRate } from "../../../bench/load-test/sample-rate.ts";

describe("parseRate", () => {
  it.each([
    ["50000", 50_000],
    ["50000/s", 50_000],
    ["50k/s", 50_000],
    ["50k", 50_000],
    ["1.5M/s", 1_500_000],
    ["0.5/s", 0.5],
    ["0.7k/s", 700],
    ["1000M/s", 1e9],
  ])("reads %s as %d", (text, perSecond) => {
    expect(parseRate(text)).toBe(perSecond);
  });

  it.each(["", "0", "0/s", "-1", "1e5", "50 k/s", "50K/s", "50k/min", "fast", ".5", "1001M/s", "50k/s/s"])(
    "refuses %j, and says how a rate is written",
    (text) => {
      expect(() => parseRate(text)).toThrow(
        `--rate is ${JSON.stringify(text)}; write samples per second, up to 1000M/s, such as 50000/s, 50k/s or 1.5M/s`,
      );
    },
  );
});
