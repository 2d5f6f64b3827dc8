import { describe, expect, it } from "vitest";
import { scheduleOf } from "../../../bench/load/schedule.ts";
import { DueTimes, type DueTimesOptions } from "../../../bench/load-test/due-times.ts";

const steady: DueTimesOptions = { arrival: "constant", batchesPerSecond: 250, rampMs: 0, durationMs: 4_000, seed: 7 };

function allOf(dueTimes: DueTimes): number[] {
  const times: number[] = [];
  for (; dueTimes.nextMs !== Number.POSITIVE_INFINITY; dueTimes.advance()) times.push(dueTimes.nextMs);
  return times;
}

function expectClose(times: readonly number[], expected: Float64Array): void {
  expect(times.length).toBe(expected.length);
  expect(times.every((time, i) => Math.abs(time - expected[i]) < 1e-6)).toBe(true);
}

describe("due times", () => {
  it("are the schedule's, one by one", () => {
    expectClose(allOf(new DueTimes(steady)), scheduleOf({ arrival: "constant", perSecond: 250, durationMs: 4_000 }));
    const poisson = scheduleOf({ arrival: "poisson", perSecond: 250, durationMs: 4_000, seed: 7 });
    expectClose(allOf(new DueTimes({ ...steady, arrival: "poisson" })), poisson);
    const ramp = scheduleOf({ arrival: "ramp", perSecond: 250, durationMs: 4_000, rampMs: 2_000 });
    expectClose(allOf(new DueTimes({ ...steady, rampMs: 2_000 })), ramp);
  });

  it("come at random on a ramp too: a quarter in its first half, and as many in all as evenly", () => {
    const times = allOf(new DueTimes({ ...steady, arrival: "poisson", batchesPerSecond: 10_000, rampMs: 4_000 }));
    const inFirstHalf = times.filter((time) => time < 2_000).length;
    // 20,000 and 5,000 in the mean, with deviations of their roots.
    expect(Math.abs(times.length - 20_000)).toBeLessThan(600);
    expect(Math.abs(inFirstHalf - 5_000)).toBeLessThan(300);
    expect(times.every((time, i) => i === 0 || time >= times[i - 1])).toBe(true);
  });

  it("end early when they are told to", () => {
    const dueTimes = new DueTimes(steady);
    dueTimes.endAt(1_000);
    expect(allOf(dueTimes)).toHaveLength(251);
    expect(dueTimes.dueBy(4_000)).toBeCloseTo(250, 6);
  });

  it("say how many are due by a time", () => {
    const dueTimes = new DueTimes({ ...steady, rampMs: 2_000 });
    expect([0, 1_000, 2_000, 3_000, 9_000].map((ms) => Math.round(dueTimes.dueBy(ms) * 10) / 10)).toEqual([
      0, 62.5, 250, 500, 750,
    ]);
  });

  it("take no more memory for a load of a week than for one of a second", () => {
    const week = new DueTimes({ ...steady, batchesPerSecond: 100_000, durationMs: 7 * 86_400_000 });
    expect(week.nextMs).toBe(0);
    week.advance();
    expect(week.nextMs).toBeCloseTo(0.01, 9);
    expect(Object.values(week).some((value) => ArrayBuffer.isView(value) || Array.isArray(value))).toBe(false);
  });
});
