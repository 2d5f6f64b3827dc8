import { describe, expect, it } from "vitest";
import { arrivals, type ScheduleOptions, scheduleOf } from "../../../bench/load/schedule.ts";

/** Messages per 100 ms. */
function counts(times: Float64Array, durationMs: number): number[] {
  const buckets = new Array<number>(durationMs / 100).fill(0);
  for (const ms of times) buckets[Math.floor(ms / 100)] += 1;
  return buckets;
}

function between(times: Float64Array, fromMs: number, toMs: number): number {
  return times.filter((ms) => ms >= fromMs && ms < toMs).length;
}

const options: Omit<ScheduleOptions, "arrival"> = { perSecond: 1_000, durationMs: 10_000 };

describe("a schedule", () => {
  it.each(arrivals)("%s is ascending, within its duration, and the same each time", (arrival) => {
    for (const perSecond of [0.5, 7, 333.3, 20_000]) {
      const times = scheduleOf({ ...options, arrival, perSecond, seed: 4 });
      expect(times.every((ms, i) => ms >= (i === 0 ? 0 : times[i - 1]))).toBe(true);
      expect(times.at(-1) ?? 0).toBeLessThan(10_000);
      expect(scheduleOf({ ...options, arrival, perSecond, seed: 4 })).toEqual(times);
    }
  });

  it("constant has one message per interval", () => {
    const times = scheduleOf({ ...options, arrival: "constant" });
    expect(times).toHaveLength(10_000);
    expect(new Set(counts(times, 10_000))).toEqual(new Set([100]));
  });

  it("step has half of the rate until the step, and all of it from then on", () => {
    const times = scheduleOf({ ...options, arrival: "step", stepAtMs: 4_000 });
    expect(times).toHaveLength(2_000 + 6_000);
    expect(between(times, 0, 4_000)).toBe(2_000);
    expect(between(times, 3_000, 4_000)).toBe(500);
    expect(between(times, 4_000, 5_000)).toBe(1_000);
  });

  it("ramp grows from nothing to the rate, and stays there", () => {
    const times = scheduleOf({ ...options, arrival: "ramp", rampMs: 4_000 });
    expect(times).toHaveLength(2_000 + 6_000);
    // A quarter of the ramp's messages are due in its first half.
    expect(between(times, 0, 2_000)).toBeCloseTo(500, -1);
    expect(between(times, 4_000, 5_000)).toBe(1_000);
    expect(scheduleOf({ ...options, arrival: "ramp" })).toHaveLength(5_000);
    // Cut off half-way up, where the rate is half of it.
    expect(scheduleOf({ ...options, arrival: "ramp", rampMs: 20_000 })).toHaveLength(2_500);
  });

  it("poisson has the mean rate, and as much variance as mean in the counts of an interval", () => {
    const times = scheduleOf({ ...options, arrival: "poisson", durationMs: 100_000, seed: 2 });
    const each = counts(times, 100_000);
    const mean = times.length / each.length;
    const variance = each.reduce((sum, count) => sum + (count - mean) ** 2, 0) / (each.length - 1);
    // Three standard deviations: of the total sqrt(100,000), of the index of dispersion sqrt(2 / 999).
    expect(Math.abs(times.length - 100_000)).toBeLessThan(3 * Math.sqrt(100_000));
    expect(Math.abs(variance / mean - 1)).toBeLessThan(3 * Math.sqrt(2 / 999));
  });

  it("poisson has other times for another seed", () => {
    const [a, b] = [1, 2].map((seed) => scheduleOf({ ...options, arrival: "poisson", seed }));
    expect(a).not.toEqual(b);
  });
});
