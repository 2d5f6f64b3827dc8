import { describe, expect, it } from "vitest";
import { type Signal, signalsFor } from "../../device-sim/signal.ts";
import { metricsPerRegistrationMax } from "../../lib/base/limits.ts";
import { Prng } from "../../lib/base/prng.ts";

const startMs = Date.UTC(2026, 0, 1);
const all = signalsFor(10);
const counters = all.filter(({ kind }) => kind === "counter");

/** A week, ten seconds apart: rare things happen. */
const steps = 60_480;

function values(signal: Signal, seed: number, count: number): number[] {
  const next = signal.start(new Prng(seed, signal.name));
  return Array.from({ length: count }, (_, i) => next(startMs + i * 10_000));
}

describe("signals", () => {
  it.each(all)("$name gives the same values for the same seed", (signal) => {
    expect(values(signal, 7, 1_000)).toEqual(values(signal, 7, 1_000));
  });

  it.each(all)("$name gives other values for another seed", (signal) => {
    expect(values(signal, 7, 1_000)).not.toEqual(values(signal, 8, 1_000));
  });

  it.each(all)("$name is finite for a week", (signal) => {
    expect(values(signal, 1, steps).filter((value) => !Number.isFinite(value))).toEqual([]);
  });

  it.each([1, 10, 11, 35, metricsPerRegistrationMax])("have names of their own when there are %i", (count) => {
    const names = signalsFor(count).map(({ name }) => name);
    expect(names).toHaveLength(count);
    expect(new Set(names).size).toBe(count);
  });

  it("are the same first ones however many are asked for", () => {
    expect(signalsFor(35).slice(0, 4)).toEqual(signalsFor(4));
  });

  it("include counters and gauges", () => {
    expect(counters.map(({ name }) => name)).toEqual(["energy", "packets"]);
    expect(all.filter(({ kind }) => kind === "gauge")).toHaveLength(8);
  });
});

describe("a counter", () => {
  it.each(counters)("$name falls to near zero or not at all", (signal) => {
    // Several weeks, so that the rarest reset is among them.
    for (const seed of [1, 2, 3, 4, 5]) {
      const series = values(signal, seed, steps);
      const falls = series.flatMap((value, i) => (i > 0 && value < series[i - 1] ? [value] : []));
      // After a restart the total is that of one step.
      expect(Math.max(0, ...falls)).toBeLessThan(100);
    }
  });

  it.each(counters)("$name has whole values and grows", (signal) => {
    const series = values(signal, 3, 1_000);
    expect(series.every(Number.isInteger)).toBe(true);
    expect(series.some((value, i) => i > 0 && value > series[i - 1])).toBe(true);
  });

  it("packets starts again now and then", () => {
    const packets = counters.find(({ name }) => name === "packets") as Signal;
    const series = values(packets, 1, steps);
    const resets = series.filter((value, i) => i > 0 && value < series[i - 1]);
    expect(resets.length).toBeGreaterThan(5);
    expect(resets.length).toBeLessThan(100);
  });
});

describe("a gauge", () => {
  const gauge = (name: string) => all.find((signal) => signal.name === name) as Signal;

  it("state is 0, 1, 2 or 3, and comes to all of them", () => {
    expect([...new Set(values(gauge("state"), 1, steps))].sort()).toEqual([0, 1, 2, 3]);
  });

  it.each(["humidity", "battery", "load"])("%s is a percentage", (name) => {
    const series = values(gauge(name), 2, steps);
    expect(Math.min(...series)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...series)).toBeLessThanOrEqual(100);
  });

  it("temperature is higher by day than by night", () => {
    const byHour = Array.from({ length: 24 }, () => ({ sum: 0, count: 0 }));
    for (const [i, value] of values(gauge("temperature"), 1, steps).entries()) {
      const hour = byHour[Math.floor(i / 360) % 24];
      hour.sum += value;
      hour.count += 1;
    }
    const mean = (hour: number) => byHour[hour].sum / byHour[hour].count;
    expect(mean(14)).toBeGreaterThan(mean(2) + 5);
  });
});
