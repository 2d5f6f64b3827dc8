import { describe, expect, it } from "vitest";
import { cellOf } from "../../../bench/cell.ts";
import { compareContent } from "../../../bench/load/content-check.ts";
import { metricName } from "../../../bench/load/device.ts";
import { addContent, ExpectedContent, noContent, type SeriesContent } from "../../../bench/load/expected-content.ts";
import { Workload } from "../../../bench/load/workload.ts";
import { decode } from "./support/decode.ts";
import { HandClock } from "./support/hand-clock.ts";

describe("the expected content", () => {
  it.each([
    [1, 3, 0],
    [1, 3, 50],
    [7, 10, 1],
    [7, 10, 40],
    [10, 10, 33],
    [100, 10, 32],
    [1_000, 10, 20],
    [5_000, 10, 9],
  ])("of batches of %i of %i metrics, %i of them, is that of a plain recount", (batchSamples, metrics, batches) => {
    const cell = cellOf({ way: "http1", encoding: "json-rows", slots: 1, devices: 2, batchSamples, metrics });
    const workload = new Workload({ cell, seed: 9, clock: new HandClock() });
    const recount = [new Map<string, SeriesContent>(), new Map<string, SeriesContent>()];
    for (let i = 0; i < 2 * batches; i += 1) {
      const [{ device, bytes }] = workload.take(0);
      const ofDevice = recount[device.handle - 1];
      for (const { metric, value } of decode(cell, bytes).samples) {
        const content = ofDevice.get(metric) ?? noContent();
        ofDevice.set(metric, content);
        addContent(content, { count: 1, sum: value, min: value, max: value });
      }
      workload.settle(0);
    }
    const expected = new ExpectedContent(workload.bodies);
    for (const [i, counted] of recount.entries()) {
      const want = [...expected.of(i, batches)].map(([metric, content]) => [metricName(metric), content] as const);
      expect(new Map(want)).toEqual(counted);
    }
  });
});

describe("the comparison of contents", () => {
  const content = { count: 10, sum: 50, min: 1, max: 9 };
  const f = (expected: Record<string, SeriesContent>, found: Record<string, SeriesContent>) =>
    compareContent(Object.entries(expected), new Map(Object.entries(found)));

  it("finds no difference where there is none", () => {
    expect(f({ a: content, b: content }, { a: content, b: content })).toEqual({
      lost: 0,
      duplicated: 0,
      seriesWrong: 0,
    });
  });

  it("counts what is missing, and what is there too often, also where the two even out", () => {
    const found = { a: { ...content, count: 7 }, b: { ...content, count: 13 } };
    expect(f({ a: content, b: content }, found)).toEqual({ lost: 3, duplicated: 3, seriesWrong: 2 });
  });

  it("finds a series that is not there, and one that nobody has sent", () => {
    expect(f({ a: content }, {})).toEqual({ lost: 10, duplicated: 0, seriesWrong: 1 });
    expect(f({}, { a: content })).toEqual({ lost: 0, duplicated: 10, seriesWrong: 1 });
  });

  it.each(["sum", "min", "max"] as const)("finds a wrong %s", (name) => {
    const found = { a: { ...content, [name]: 5 } };
    expect(f({ a: content }, found)).toEqual({ lost: 0, duplicated: 0, seriesWrong: 1 });
  });
});
