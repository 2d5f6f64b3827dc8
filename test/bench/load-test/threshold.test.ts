import { describe, expect, it } from "vitest";
import {
  formatFigure,
  judge,
  type LoadFigures,
  loadMetrics,
  parseThreshold,
  withUsual,
} from "../../../bench/load-test/threshold.ts";

const nothing = Object.fromEntries(loadMetrics.map((metric) => [metric, 0])) as LoadFigures;

describe("parseThreshold", () => {
  it.each([
    ["ack_p99<50ms", "ack_p99", "<", 50],
    ["ack_p50 <= 800us", "ack_p50", "<=", 0.8],
    [" ack_max<1.5s ", "ack_max", "<", 1_500],
    ["ack_p999>=0ms", "ack_p999", ">=", 0],
    ["rate>=45k/s", "rate", ">=", 45_000],
    ["rate>45000", "rate", ">", 45_000],
    ["rate>0", "rate", ">", 0],
    ["lost==0", "lost", "==", 0],
    ["sent>=1.5M", "sent", ">=", 1_500_000],
    ["duplicated != 3", "duplicated", "!=", 3],
    ["wrong_series==0", "wrong_series", "==", 0],
  ])("reads %j", (text, metric, comparison, limit) => {
    const threshold = parseThreshold(text);
    expect(threshold).toMatchObject({ text: text.trim(), metric, comparison });
    expect(threshold.limit).toBeCloseTo(limit, 9);
  });

  it.each([
    ["", "write METRIC OP VALUE, such as ack_p99<50ms; OP is one of < <= > >= == !="],
    ["ack_p99", "write METRIC OP VALUE"],
    ["lost=0", "OP is one of < <= > >= == !="],
    ["lost=>0", "write METRIC OP VALUE"],
    ["lost==", "write METRIC OP VALUE"],
    ["<50ms", "write METRIC OP VALUE"],
    ["lost==0,duplicated==0", "write METRIC OP VALUE"],
    ["ack_p98<50ms", "there is no ack_p98; choose one of ack_p50, ack_p90, ack_p99,"],
    ["toString<5", "there is no toString; choose one of"],
    ["ack_p99<50", "write the value of ack_p99 as a time with its unit, such as 50ms"],
    ["ack_p99<-5ms", "write the value of ack_p99 as a time with its unit"],
    ["ack_p99<1m", "write the value of ack_p99 as a time with its unit"],
    ["lost==0ms", "write the value of lost as a number"],
    ["lost==none", "write the value of lost as a number"],
    ["rate>=fast", "write the value of rate as samples per second"],
    ["rate>=50ms", "write the value of rate as samples per second"],
  ])("refuses %j, and says what is allowed", (text, allowed) => {
    expect(() => parseThreshold(text)).toThrow(`--threshold is ${JSON.stringify(text)}`);
    expect(() => parseThreshold(text)).toThrow(allowed);
  });
});

describe("judge", () => {
  it.each([
    ["ack_p99<50ms", { ack_p99: 49.9 }, true],
    ["ack_p99<50ms", { ack_p99: 50 }, false],
    ["ack_p99<=50ms", { ack_p99: 50 }, true],
    ["ack_p99<=50ms", { ack_p99: 50.1 }, false],
    ["rate>45k/s", { rate: 45_000 }, false],
    ["rate>45k/s", { rate: 45_001 }, true],
    ["rate>=45k/s", { rate: 45_000 }, true],
    ["rate>=45k/s", { rate: 44_999 }, false],
    ["lost==0", { lost: 0 }, true],
    ["lost==0", { lost: 1 }, false],
    ["cuts!=0", { cuts: 2 }, true],
    ["cuts!=0", { cuts: 0 }, false],
    // Of a server that could not be asked.
    ["lost==0", { lost: undefined }, false],
    ["lost>=0", { lost: undefined }, false],
  ])("%s of %j: %s", (text, figures, passed) => {
    const [judgement] = judge([parseThreshold(text)], { ...nothing, ...figures });
    expect(judgement.passed).toBe(passed);
  });
});

describe("withUsual", () => {
  const textsOf = (...asked: string[]) => withUsual(asked.map((text) => parseThreshold(text))).map(({ text }) => text);

  it("has nothing lost, doubled, wrong, refused or without an ack where nothing is asked for", () => {
    expect(textsOf()).toEqual(["lost==0", "duplicated==0", "wrong_series==0", "refused==0", "unacked==0"]);
  });

  it("keeps that beside what is asked for", () => {
    expect(textsOf("ack_p99<50ms")).toEqual([
      "ack_p99<50ms",
      "lost==0",
      "duplicated==0",
      "wrong_series==0",
      "refused==0",
      "unacked==0",
    ]);
  });

  it("gives way to what is asked for of the same", () => {
    expect(textsOf("unacked<1000", "lost<=5", "lost>1")).toEqual([
      "unacked<1000",
      "lost<=5",
      "lost>1",
      "duplicated==0",
      "wrong_series==0",
      "refused==0",
    ]);
  });
});

describe("formatFigure", () => {
  it.each([
    ["ack_p99", 8.3149, "8.31 ms"],
    ["ack_max", 1_234.5, "1230 ms"],
    ["rate", 49_975.6, "49976/s"],
    ["lost", 0, "0"],
    ["lost", undefined, "not known"],
  ] as const)("%s %d as %s", (metric, value, text) => {
    expect(formatFigure(metric, value)).toBe(text);
  });
});
