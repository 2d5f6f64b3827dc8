import { describe, expect, it } from "vitest";
import { cellOf } from "../../../bench/cell.ts";
import { Bodies } from "../../../bench/load/bodies.ts";
import { bodyFormatOf } from "../../../bench/load/body-format.ts";
import { devicesOf, metricNames } from "../../../bench/load/device.ts";
import { BatchWriter } from "../../../bench/load/message-source.ts";
import { decode } from "./support/decode.ts";
import { HandClock } from "./support/hand-clock.ts";

function bodiesOf(chosen: Parameters<typeof cellOf>[0], { seed = 1, clock = new HandClock() } = {}) {
  const cell = cellOf({ way: "http1", encoding: "json-rows", ...chosen });
  const format = bodyFormatOf(cell);
  const bodies = new Bodies(cell, { seed, format, clock });
  const [device] = devicesOf({ prefix: "bench-", count: 1, metrics: cell.metrics, seed });
  const read = (tail: Uint8Array) => decode(cell, new BatchWriter(format).write(device, 1, tail).bytes).samples;
  return { bodies, clock, read };
}

describe("the bodies of a trial", () => {
  it.each([
    [1, 10],
    [7, 10],
    [10, 10],
    [12, 10],
    [100, 10],
    [100, 7],
    [1_000, 10],
    [5_000, 10],
    [1, 300],
    [1_000, 1_000],
  ])("have exactly %i samples each, and all of %i metrics together", (batchSamples, metrics) => {
    const { bodies, read } = bodiesOf({ batchSamples, metrics });
    const all = bodies.all.map((body) => read(bodies.tail(body)));
    expect(new Set(all.map((samples) => samples.length))).toEqual(new Set([batchSamples]));
    expect(new Set(all.flat().map(({ metric }) => metric))).toEqual(new Set(metricNames(metrics)));
  });

  it("have whole values of four digits, so that sums are exact, and of each metric in a narrow range", () => {
    const { bodies, read } = bodiesOf({ batchSamples: 1_000 });
    const ofMetric = new Map<string, number[]>();
    for (const { metric, value } of bodies.all.flatMap((body) => read(bodies.tail(body)))) {
      expect(Number.isInteger(value * 8) && value >= 10 && value < 100).toBe(true);
      ofMetric.set(metric, [...(ofMetric.get(metric) ?? []), value]);
    }
    for (const values of ofMetric.values()) expect(Math.max(...values) - Math.min(...values)).toBeLessThan(200);
  });

  it("are equal for equal seeds, and others for others", () => {
    expect(bodiesOf({}, { seed: 5 }).bodies.all).toEqual(bodiesOf({}, { seed: 5 }).bodies.all);
    expect(bodiesOf({}, { seed: 5 }).bodies.all).not.toEqual(bodiesOf({}, { seed: 6 }).bodies.all);
  });

  it("lie in the window of 10 s that is open, also when the next one is", () => {
    const { bodies, clock, read } = bodiesOf({ batchSamples: 100 });
    for (let window = 0; window < 3; window += 1, clock.ms += 10_000) {
      const startMs = Math.floor(clock.ms / 10_000) * 10_000;
      for (const { timeMs } of bodies.all.flatMap((body) => read(bodies.tail(body)))) {
        expect(timeMs).toBeGreaterThanOrEqual(startMs);
        expect(timeMs).toBeLessThan(startMs + 10_000);
      }
    }
  });

  it("are encoded once in each window", () => {
    const { bodies, clock } = bodiesOf({});
    const first = bodies.tail(bodies.all[3]);
    clock.ms += 1_000;
    expect(bodies.tail(bodies.all[3])).toBe(first);
    clock.ms += 9_000;
    expect(bodies.tail(bodies.all[3])).not.toBe(first);
  });

  it.each([1, 10, 100, 1_000, 5_000])("of %i samples are late in just the share that is told", (batchSamples) => {
    for (const late of [0.05, 0.1, 0.2, 0.25, 0.3, 0.5, 0.7, 0.95, 1]) {
      const { all } = bodiesOf({ batchSamples, late }).bodies;
      expect(all.filter(({ lateMs }) => lateMs > 0).length / all.length, `${late}`).toBe(late);
      expect(all.length * batchSamples).toBeLessThanOrEqual(100_000);
    }
  });

  it("are late as often as told, by five minutes at most", () => {
    const { bodies, clock, read } = bodiesOf({ late: 0.25 });
    const startMs = Math.floor(clock.ms / 10_000) * 10_000;
    const firstTimes = bodies.all.map((body) => read(bodies.tail(body))[0].timeMs);
    expect(firstTimes.filter((timeMs) => timeMs < startMs)).toHaveLength(bodies.all.length / 4);
    expect(Math.min(...firstTimes)).toBeGreaterThanOrEqual(startMs - 5 * 60_000);
  });

  it("have the time of their last samples as told where freshness is measured", () => {
    const { bodies, clock, read } = bodiesOf({ late: 0.5 });
    for (const body of bodies.all) {
      expect(read(bodies.freshTail(body, clock.ms - 3)).at(-1)?.timeMs).toBe(clock.ms - 3);
    }
  });

  it.each([
    [1, 10],
    [5_000, 10],
    [10, 300],
  ])("of %i samples have a primer with one sample of each of %i metrics, on time", (batchSamples, metrics) => {
    const { bodies, clock, read } = bodiesOf({ batchSamples, metrics, late: 1 });
    const samples = read(bodies.tail(bodies.primer));
    expect(samples.map(({ metric }) => metric).sort()).toEqual(metricNames(metrics).sort());
    const startMs = Math.floor(clock.ms / 10_000) * 10_000;
    expect(samples[0].timeMs).toBeGreaterThanOrEqual(startMs);
  });

  it("are few where they are large", () => {
    expect(bodiesOf({ batchSamples: 5_000 }).bodies.all).toHaveLength(4);
    expect(bodiesOf({ batchSamples: 10 }).bodies.all).toHaveLength(32);
  });
});
