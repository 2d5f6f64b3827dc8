import { describe, expect, it } from "vitest";
import { RowFormatter, type WindowRow, windowRow } from "../../cli/window-row.ts";
import type { Window } from "../../lib/wire/window-frame.ts";

const window: Window = {
  deviceId: "press",
  metric: "energy",
  tierMs: 60_000,
  startMs: Date.UTC(2026, 0, 15),
  count: 2,
  sum: 30,
  min: 10,
  max: 20,
  first: 10,
  last: 20,
  deviation: 5,
  increase: 15,
  increaseDurationMs: 30_000,
  increaseApproximate: false,
  state: "final",
  quantiles: [],
  metricKind: "counter",
  group: {},
};

const valueNames = [
  ...["metric", "tier", "windowStart", "state", "count", "sum", "min", "max", "first", "last", "mean", "stddev"],
  ...["increase", "ratePerSecond", "approximate"],
];

describe("the row of a window", () => {
  it("begins with its device, or with the labels of its group", () => {
    expect(Object.keys(windowRow(window))).toEqual(["device", ...valueNames]);
    const group = { site: "north", model: "" };
    const row = windowRow({ ...window, deviceId: "", group });
    expect(Object.keys(row)).toEqual(["site", "model", ...valueNames]);
    expect(row).toMatchObject(group);
  });

  it("keeps a label that is named as another column is", () => {
    const row = windowRow({ ...window, group: { tier: "gold", site: "north", state: "busy" } });
    expect(row).toMatchObject({
      "label.tier": "gold",
      site: "north",
      "label.state": "busy",
      tier: "1m",
      state: "final",
    });
    expect(Object.keys(row)).toEqual(["label.tier", "site", "label.state", ...valueNames]);
  });

  it("has a counter's increase, and its rate where it took time", () => {
    expect(windowRow(window)).toMatchObject({ increase: 15, ratePerSecond: 0.5, approximate: null });
    const alone = { ...window, increase: 0, increaseDurationMs: 0, increaseApproximate: true };
    expect(windowRow(alone)).toMatchObject({ increase: 0, ratePerSecond: null, approximate: "yes" });
    const gauge: Window = { ...window, metricKind: "gauge", increase: Number.NaN, increaseDurationMs: 0 };
    expect(windowRow(gauge)).toMatchObject({ increase: null, ratePerSecond: null, approximate: null });
  });

  it("names quantiles in percent", () => {
    const quantiles = [0.5, 0.999, 0, 1, 0.29];
    const row = windowRow({ ...window, quantiles: [1, 2, 3, 4, 5] }, quantiles);
    expect(row).toMatchObject({ p50: 1, "p99.9": 2, p0: 3, p100: 4, p29: 5 });
  });
});

describe("a table of many rows", () => {
  function table(rows: readonly WindowRow[]): string[] {
    const formatter = new RowFormatter("table");
    return [...rows.flatMap((row) => [...formatter.add(row)]), ...formatter.end()];
  }

  it("has one heading", () => {
    const lines = table(Array(1_200).fill({ device: "press", count: 1 }));
    expect(lines).toHaveLength(1_201);
    expect(lines.filter((line) => line.startsWith("device"))).toHaveLength(1);
  });

  it("has a heading again where a column begins to have values, so that each stands under its name", () => {
    const rows = Array.from({ length: 1_000 }, (_, i) => ({ device: "press", mark: i < 700 ? null : "yes", count: i }));
    const lines = table(rows);
    const heads = lines.flatMap((line, i) => (line.startsWith("device") ? [i] : []));
    expect(heads.map((i) => lines[i]?.trim().split(/ +/))).toEqual([
      ["device", "count"],
      ["device", "mark", "count"],
    ]);
    expect(lines.at(-1)?.split(/ +/)).toEqual(["press", "yes", "999"]);
  });
});
