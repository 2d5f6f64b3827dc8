import { describe, expect, it } from "vitest";
import { SeriesView } from "../../cli/series-view.ts";
import { RowFormatter, type WindowRow, windowRow } from "../../cli/window-row.ts";
import type { Window } from "../../lib/wire/window-frame.ts";

const noon = Date.UTC(2026, 0, 31, 12);
const quantiles = [0.5, 0.9, 0.95, 0.99];

function gauge(window: Partial<Window> = {}): Window {
  return {
    ...{ deviceId: "truck-0001", metric: "temperature", metricKind: "gauge", group: {} },
    ...{ tierMs: 10_000, startMs: noon, state: "provisional", count: 20, sum: 263.6654 },
    ...{ min: 12.95634, max: 13.45271, first: 13.45271, last: 13.11782, deviation: 0.142443 },
    ...{ quantiles: [13.25881, 13.25882, 13.4527, 13.45271] },
    ...{ increase: Number.NaN, increaseDurationMs: 0, increaseApproximate: false },
    ...window,
  } as Window;
}

const counter = (window: Partial<Window> = {}) =>
  gauge({ metric: "energy", metricKind: "counter", increase: 84, increaseDurationMs: 10_000, ...window });

function table(windows: readonly Window[], widthMax?: number) {
  const formatter = new RowFormatter("table", widthMax);
  const rows: WindowRow[] = windows.map((window) => windowRow(window, quantiles));
  const lines = [...rows.flatMap((row) => [...formatter.add(row)]), ...formatter.end()];
  return { lines, heads: lines[0]?.split(/ +/) ?? [], leftOut: formatter.leftOut };
}

const longest = (lines: readonly string[]) => Math.max(...lines.map((line) => line.length));

describe("a table of windows", () => {
  it("has every column where lines may have any length", () => {
    const { heads, leftOut } = table([gauge(), counter()]);
    expect(leftOut).toEqual([]);
    expect(heads).toContain("ratePerSecond");
    expect(heads).toContain("sum");
    expect(heads).toContain("windowStart");
  });

  it.each<[string, Window[], string[]]>([
    ["gauges", [gauge(), gauge({ metric: "humidity" })], ["mean", "stddev", "p50", "p99", "min", "max"]],
    ["counters", [counter(), counter({ metric: "packets" })], ["first", "last", "increase", "rate/s"]],
    ["both", [gauge(), counter()], ["mean", "p50", "p99", "max", "increase", "rate/s"]],
  ])("fits a terminal of 120 columns with what matters of %s, and says what it left out", (_, windows, shown) => {
    const { lines, heads, leftOut } = table(windows, 120);
    expect(longest(lines)).toBeLessThanOrEqual(120);
    expect(heads).toEqual(expect.arrayContaining(["device", "metric", "state", "count", ...shown]));
    expect(leftOut).toContain("sum");
    for (const name of leftOut) expect(heads).not.toContain(name);
  });

  it("tells the day once where it is the same", () => {
    const { heads, lines } = table([gauge(), gauge({ startMs: noon + 10_000 })], 120);
    expect(heads[2]).toBe("2026-01-31");
    expect(lines[2]).toMatch(/^truck-0001 {2}temperature {2}12:00:10Z /);
  });

  it("tells it in each row where it is not", () => {
    const { heads, lines } = table([gauge(), gauge({ startMs: noon + 86_400_000 })], 120);
    expect(heads[2]).toBe("windowStart");
    expect(lines[2]).toContain("2026-02-01T12:00:00Z");
  });

  it("stands under a heading that is its own, however many rows it has", () => {
    const many = Array.from({ length: 500 }, () => gauge());
    const { lines } = table([...many, ...many, counter()]);
    const headings = lines.flatMap((line, i) => (line.startsWith("device") ? [i] : []));
    expect(headings).toEqual([0, 1_001]);
    const at = lines[1_001].indexOf("ratePerSecond");
    expect(lines[1_002].slice(at).trim()).toBe("8.4");
  });
});

describe("a view of series", () => {
  it("shows how fast counters grow", () => {
    const view = new SeriesView();
    view.add(gauge());
    view.add(counter());
    const [head, ...rows] = view.lines(10);
    const at = head.lastIndexOf("rate/s");
    expect(at).toBeGreaterThan(0);
    expect(rows.map((row) => row.slice(at).trim())).toEqual(["8.4", ""]);
  });

  it("has no rate where there is no counter", () => {
    const view = new SeriesView();
    view.add(gauge());
    expect(view.lines(10)[0]).not.toContain("rate/s");
  });

  it("fits a terminal of 80 columns", () => {
    const view = new SeriesView();
    view.add(gauge());
    view.add(counter());
    const lines = view.lines(10, 80);
    expect(longest(lines)).toBeLessThanOrEqual(80);
    expect(lines[0]).toMatch(/device +metric +window +state .*mean/);
  });
});
