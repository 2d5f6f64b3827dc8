import { describe, expect, it } from "vitest";
import { pickKey, selectorOf, seriesKey } from "../../../query/dashboard/src/state/pick.ts";

describe("series", () => {
  it("are told apart whatever their names have in them", () => {
    const keys = [
      seriesKey("a", "b"),
      seriesKey("a,b", ""),
      seriesKey('a","b', ""),
      seriesKey("", "b", { a: "1" }),
      seriesKey("", "b", { a: "2" }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("of a group are one, in whatever order its labels come", () => {
    expect(seriesKey("", "m", { a: "1", b: "2" })).toBe(seriesKey("", "m", { b: "2", a: "1" }));
    expect(pickKey({ deviceId: "d", metric: "m" })).toBe(seriesKey("d", "m"));
  });

  it("are selected by one selector, each name once", () => {
    const picks = [
      { deviceId: "b", metric: "x" },
      { deviceId: "a", metric: "x" },
      { deviceId: "b", metric: "y" },
    ];
    expect(selectorOf(picks)).toEqual({ deviceIds: ["a", "b"], metricNames: ["x", "y"] });
  });
});
