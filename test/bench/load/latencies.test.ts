import { describe, expect, it } from "vitest";
import { Latencies } from "../../../bench/load/latencies.ts";
import { Prng } from "../../../lib/base/prng.ts";

describe("latencies", () => {
  it("have quantiles within 0.1 % of the exact ones", () => {
    const prng = new Prng(11, "latencies");
    // From some microseconds to seconds, as acks are: the logarithm is normal.
    const times = Array.from({ length: 100_000 }, () => Math.exp(prng.normal() * 1.5));
    const latencies = new Latencies();
    for (const ms of times) latencies.record(ms);
    times.sort((a, b) => a - b);
    const { p50, p90, p99, p999, max } = latencies.quantiles();
    for (const [found, part] of [
      [p50, 0.5],
      [p90, 0.9],
      [p99, 0.99],
      [p999, 0.999],
      [max, 1],
    ]) {
      const exact = times[Math.ceil(part * times.length) - 1];
      // Times are kept in whole microseconds.
      expect(Math.abs(found - exact)).toBeLessThanOrEqual(exact * 0.001 + 0.0005);
    }
    expect(latencies.count).toBe(100_000);
  });

  it("have no quantile above their maximum", () => {
    const latencies = new Latencies();
    for (let ms = 1; ms < 20; ms += 0.617) latencies.record(ms);
    const { p999, max } = latencies.quantiles();
    expect(p999).toBeLessThanOrEqual(max);
  });

  it("are zeros when there is none, and after a reset", () => {
    const none = { p50: 0, p90: 0, p99: 0, p999: 0, max: 0 };
    const latencies = new Latencies();
    expect(latencies.quantiles()).toEqual(none);
    latencies.record(5);
    latencies.reset();
    expect(latencies.quantiles()).toEqual(none);
  });

  it("take what is longer than an hour as an hour, and less than a microsecond as one", () => {
    const latencies = new Latencies();
    latencies.record(1e9);
    expect(latencies.quantiles().max / 3_600_000).toBeCloseTo(1, 2);
    latencies.reset();
    latencies.record(0);
    expect(latencies.quantiles().max).toBe(0.001);
  });
});
