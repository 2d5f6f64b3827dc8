import { describe, expect, it } from "vitest";
import { type Points, pointsOf } from "../../../query/dashboard/src/chart/band.ts";
import { chartColumns } from "../../../query/dashboard/src/chart/chart-columns.ts";
import { lineStyle } from "../../../query/dashboard/src/chart/colours.ts";
import { downsample } from "../../../query/dashboard/src/chart/downsample.ts";
import { bytesText, numberText, spanText } from "../../../query/dashboard/src/chart/number-text.ts";
import { timeText } from "../../../query/dashboard/src/chart/time-text.ts";
import { SeriesColumns } from "../../../query/dashboard/src/state/series-columns.ts";
import { windowOf } from "./windows.ts";

const width = 10;
const span = { fromMs: 0, toMs: 1_000 };

/** `lines` at these starts; a band of one below and above. */
function points(starts: number[], provisionalFrom = Number.POSITIVE_INFINITY): Points {
  return {
    starts,
    counts: starts.map(() => 1),
    lines: starts,
    lows: starts.map((start) => start - 1),
    highs: starts.map((start) => start + 1),
    isProvisional: starts.map((start) => start >= provisionalFrom),
  };
}

describe("a band", () => {
  const series = new SeriesColumns("gauge");
  series.put(windowOf({ sum: 30, count: 3, min: 1, max: 20, quantiles: [9, 19] }), 1);

  it.each([
    ["min-max", 1, 20],
    ["p50-p99", 9, 19],
    ["none", Number.NaN, Number.NaN],
  ] as const)("%s", (band, low, high) => {
    expect(pointsOf(series, span, 10_000, band)).toMatchObject({ lines: [10], lows: [low], highs: [high] });
  });

  it("is not of a counter, which is drawn as its rate", () => {
    const counter = new SeriesColumns("counter");
    counter.put(windowOf({ sum: 500, increase: 20, increaseDurationMs: 10_000, metricKind: "counter" }), 1);
    expect(pointsOf(counter, span, 10_000, "min-max")).toMatchObject({ lines: [2], lows: [Number.NaN] });
  });

  it("has the window that contains the first moment, and none that starts at the end", () => {
    const many = new SeriesColumns("gauge");
    for (const startMs of [0, 10, 20, 30]) many.put(windowOf({ startMs }), 1);
    expect(pointsOf(many, { fromMs: 15, toMs: 30 }, 10, "none").starts).toEqual([10, 20]);
    expect(pointsOf(many, { fromMs: 20, toMs: 31 }, 10, "none").starts).toEqual([20, 30]);
  });
});

describe("a chart's columns", () => {
  it("are empty without series, and without windows", () => {
    expect(chartColumns([], width)).toEqual([[]]);
    expect(chartColumns([points([])], width)).toEqual([[], [], [], [], []]);
  });

  it("show a gap as one", () => {
    const [times, line, , low] = chartColumns([points([0, 10, 40])], width);
    expect(times).toEqual([0, 10, 20, 40]);
    expect(line).toEqual([0, 10, null, 40]);
    expect(low).toEqual([-1, 9, null, 39]);
  });

  it("show a gap of one series beside another that has none", () => {
    const [times, first, , , , second] = chartColumns([points([0, 20]), points([0, 10, 20])], width);
    expect(times).toEqual([0, 10, 20]);
    expect(first).toEqual([0, null, 20]);
    expect(second).toEqual([0, 10, 20]);
  });

  it("have provisional windows in a line of their own, which begins where the other ends", () => {
    const [, settled, provisional] = chartColumns([points([0, 10, 20, 30], 20)], width);
    expect(settled).toEqual([0, 10, null, null]);
    expect(provisional).toEqual([null, 10, 20, 30]);
  });

  it("do not join a provisional window over a gap", () => {
    const [, settled, provisional] = chartColumns([points([0, 30], 30)], width);
    expect(settled).toEqual([0, null, null]);
    expect(provisional).toEqual([null, null, 30]);
  });

  it("draw nothing where a value is not known", () => {
    const [, line, , low] = chartColumns([{ ...points([0]), lines: [Number.NaN], lows: [Number.NaN] }], width);
    expect([line, low]).toEqual([[null], [null]]);
  });
});

describe("downsampling", () => {
  it("leaves what fits as it is", () => {
    const all = points([0, 10, 20]);
    expect(downsample(all, width, 30, 3)).toEqual([all, width]);
  });

  it("keeps every peak, and the mean by count", () => {
    const all = { ...points([0, 10, 20, 30]), counts: [1, 3, 1, 1], lines: [0, 4, 7, 9], highs: [1, 99, 8, 10] };
    const [merged, mergedWidth] = downsample(all, width, 40, 2);
    expect(mergedWidth).toBe(20);
    expect(merged).toMatchObject({ starts: [0, 20], counts: [4, 2], lines: [3, 8], highs: [99, 10], lows: [-1, 19] });
  });

  it("does not move a point as the span moves on", () => {
    const [early] = downsample(points([0, 10, 20, 30]), width, 40, 2);
    const [late] = downsample(points([20, 30, 40, 50]), width, 40, 2);
    expect(early.starts[1]).toBe(late.starts[0]);
  });

  it("is provisional where any of it is, and knows what is known", () => {
    const all = { ...points([0, 10], 10), lines: [Number.NaN, 5] };
    const [merged] = downsample(all, width, 20, 1);
    expect(merged).toMatchObject({ lines: [5], isProvisional: [true] });
  });
});

describe("lines", () => {
  it("differ by colour or dashes, 21 of them", () => {
    expect(new Set(Array.from({ length: 21 }, (_, i) => JSON.stringify(lineStyle(i)))).size).toBe(21);
    expect(lineStyle(21)).toEqual(lineStyle(0));
  });

  it.each([
    ["light", 255],
    ["dark", 20],
  ] as const)("stand out from %s paper by 3:1", (theme, grey) => {
    for (let i = 0; i < 7; i += 1) expect(contrast(lineStyle(i)[theme], grey)).toBeGreaterThanOrEqual(3);
  });

  /** https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio */
  function contrast(colour: string, grey: number): number {
    const channels = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
    const [a, b] = [luminance(channels), luminance([grey, grey, grey])];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }
  function luminance(channels: readonly number[]): number {
    const [r, g, b] = channels.map((channel) => {
      const part = channel / 255;
      return part <= 0.040_45 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }
});

describe("texts", () => {
  it.each([
    [0, "0"],
    [1 / 3, "0.33333"],
    [1_234_567, "1,234,567"],
    [1e15, "1.000e+15"],
    [Number.NaN, "none"],
  ])("%d as %s", (value, text) => expect(numberText(value)).toBe(text));

  it("have units", () => {
    expect([bytesText(100), bytesText(1_536), bytesText(5 * 2 ** 30)]).toEqual(["100 B", "1.5 KiB", "5.0 GiB"]);
    expect([spanText(1.25), spanText(1_500), spanText(-5), spanText(7_200_000)]).toEqual([
      "1.3 ms",
      "1.5 s",
      "0 ms",
      "2 h",
    ]);
  });

  it("of times say when they are UTC", () => {
    expect(timeText(Date.UTC(2026, 0, 31, 23, 59, 1), "utc")).toBe("2026-01-31 23:59:01Z");
  });
});
