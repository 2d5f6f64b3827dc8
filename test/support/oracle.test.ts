import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { anyDelivery, anyOracleSample, deliveredOnce } from "./deliveries.ts";
import { exact, exactOne, nearest } from "./exact.ts";
import { increaseOf, inTime, type OracleSample, oracleQuantile, oracleWindows } from "./oracle.ts";

const dayMs = Date.UTC(2026, 0, 15);
const minuteMs = 60_000;

/** One series, one value per second from the start of a day on. */
function seconds(...values: number[]): OracleSample[] {
  return values.map((value, i) => sample(i * 1_000, value));
}

function sample(offsetMs: number, value: number, metric = "m", device = "d"): OracleSample {
  return { device, metric, timeMs: dayMs + offsetMs, value };
}

/** Of samples that share a minute. */
function windowOf(samples: readonly OracleSample[]) {
  const [window, ...others] = oracleWindows(samples, [minuteMs]);
  expect(others).toEqual([]);
  return window;
}

describe("the oracle", () => {
  it("has every aggregate of eight values as computed by hand", () => {
    expect(windowOf(seconds(2, 4, 4, 4, 5, 5, 7, 9))).toEqual({
      device: "d",
      metric: "m",
      tierMs: minuteMs,
      startMs: dayMs,
      count: 8,
      sum: 40,
      mean: 5,
      // Squares of the deviations: 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32, by 8.
      deviation: 2,
      min: 2,
      max: 9,
      first: 2,
      firstMs: dayMs,
      last: 9,
      lastMs: dayMs + 7_000,
      increase: 7,
      sorted: [2, 4, 4, 4, 5, 5, 7, 9],
    });
  });

  it("has a deviation of zero for one value, and no increase", () => {
    expect(windowOf(seconds(-3.5))).toMatchObject({ count: 1, mean: -3.5, deviation: 0, increase: 0, first: -3.5 });
  });

  it("takes the smallest of the earliest values for first, and the largest of the latest for last", () => {
    const ties = [sample(0, 7), sample(0, 3), sample(0, 5), sample(9, 4), sample(9, 8), sample(9, 6)];
    expect(windowOf(ties)).toMatchObject({ first: 3, firstMs: dayMs, last: 8, lastMs: dayMs + 9 });
    expect(windowOf(ties.toReversed())).toMatchObject({ first: 3, last: 8 });
  });

  it("counts from the new value on when a counter falls", () => {
    // 2 from 5 to 7, then a restart and 2 up to 2, then 1.
    expect(windowOf(seconds(5, 7, 2, 3)).increase).toBe(5);
    expect(increaseOf([])).toBe(0);
    expect(increaseOf([9])).toBe(0);
    expect(increaseOf([9, 0, 0, 4])).toBe(4);
  });

  it("has the increase in the order of time, and at one time from small to large", () => {
    const late = [sample(3_000, 3), sample(1_000, 7), sample(0, 5), sample(2_000, 2)];
    expect(windowOf(late).increase).toBe(5);
    expect(windowOf([sample(0, 4), sample(1_000, 9), sample(1_000, 6)]).increase).toBe(5);
  });

  it("takes the value at the rank below for a quantile", () => {
    const window = windowOf(seconds(50, 10, 40, 20, 30, 60));
    // Ranks 0, 1.25, 2.5, 4.5, 4.95 and 5 of 0 to 5.
    const found = [0, 0.25, 0.5, 0.9, 0.99, 1].map((q) => oracleQuantile(window, q));
    expect(found).toEqual([10, 20, 30, 50, 50, 60]);
  });

  it("rounds the exact sum once", () => {
    const tenth = windowOf(seconds(...Array.from({ length: 10 }, () => 0.1)));
    expect(tenth).toMatchObject({ sum: 1, mean: 0.1, deviation: 0 });
    expect(windowOf(seconds(1e16, 1, -1e16))).toMatchObject({ sum: 1, mean: 1 / 3 });
  });

  it("keeps the deviation of small differences between large values", () => {
    const large = windowOf(seconds(1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16));
    // Deviations -6, -3, 3 and 6: 90 by 4.
    expect(large).toMatchObject({ mean: 1e9 + 10, deviation: Math.sqrt(22.5) });
  });

  it("has windows that begin at multiples of their width, also before 1970", () => {
    const at = (timeMs: number) => ({ device: "d", metric: "m", timeMs, value: 1 });
    const starts = oracleWindows([-1, 0, 9_999, 10_000].map(at), [10_000]).map(({ startMs, count }) => [
      startMs,
      count,
    ]);
    expect(starts).toEqual([
      [-10_000, 1],
      [0, 2],
      [10_000, 1],
    ]);
  });

  it("keeps series, tiers and windows apart, in order", () => {
    const samples = [
      sample(70_000, 1, "m", "e"),
      sample(0, 2, "n"),
      sample(70_000, 3),
      sample(5_000, 4),
      sample(0, Number.NaN),
    ];
    const windows = oracleWindows(samples, [10_000, 3_600_000]);
    expect(windows.map((w) => [w.tierMs, w.device, w.metric, w.startMs - dayMs, w.sum])).toEqual([
      [10_000, "d", "m", 0, 4],
      [10_000, "d", "m", 70_000, 3],
      [10_000, "d", "n", 0, 2],
      [10_000, "e", "m", 70_000, 1],
      [3_600_000, "d", "m", 0, 7],
      [3_600_000, "d", "n", 0, 2],
      [3_600_000, "e", "m", 0, 1],
    ]);
  });

  it("leaves the samples it is given as they are", () => {
    const samples = [sample(9, 4), sample(0, 7)];
    inTime(samples);
    oracleWindows(samples);
    expect(samples).toEqual([sample(9, 4), sample(0, 7)]);
  });
});

describe("exact arithmetic", () => {
  it("gives back every double", () => {
    for (const value of [0, 1, -1, 0.1, 5e-324, -2.5e-310, 1.7976931348623157e308, 2 ** 53 - 1, -1e22]) {
      expect(nearest(exact(value), exactOne)).toBe(value);
    }
    fc.assert(
      fc.property(fc.double({ noDefaultInfinity: true, noNaN: true }), (value) => {
        // Zero has no sign here.
        expect(nearest(exact(value), exactOne)).toBe(value + 0);
      }),
    );
  });

  it("divides and adds two doubles as the processor does, which rounds once", () => {
    const double = fc.double({ min: -1e100, max: 1e100, noNaN: true });
    const normal = double.filter((value) => Math.abs(value) > 1e-100);
    fc.assert(
      fc.property(double, normal, (a, b) => {
        expect(nearest(exact(a) + exact(b), exactOne)).toBe(a + b + 0);
      }),
    );
    fc.assert(
      fc.property(normal, normal, (a, b) => {
        const [dividend, divisor] = b < 0 ? [-exact(a), -exact(b)] : [exact(a), exact(b)];
        expect(nearest(dividend, divisor)).toBe(a / b);
      }),
    );
  });
});

describe("a disordered delivery", () => {
  const anyCase = fc
    .array(anyOracleSample(), { maxLength: 30 })
    .chain((samples) => fc.record({ samples: fc.constant(samples), delivery: anyDelivery(samples) }));

  it("has every sample once in the batches that count, so that the oracle is the same", () => {
    fc.assert(
      fc.property(anyCase, ({ samples, delivery }) => {
        expect(oracleWindows(deliveredOnce(delivery))).toEqual(oracleWindows(samples));
      }),
    );
  });

  it("has each device's sequences from 1 without holes, and a batch again only behind itself, unchanged", () => {
    fc.assert(
      fc.property(anyCase, ({ delivery }) => {
        for (const batches of Map.groupBy(delivery, ({ device }) => device).values()) {
          const seen = [undefined] as unknown[];
          for (const batch of batches) {
            if (batch.sequence < seen.length) expect(batch).toBe(seen[batch.sequence]);
            else expect(seen.push(batch)).toBe(batch.sequence + 1);
          }
        }
      }),
    );
  });

  it("comes in other orders, in several batches, and with batches that come again", () => {
    const samples = seconds(...Array.from({ length: 20 }, (_, i) => i));
    const deliveries = fc.sample(anyDelivery(samples), { numRuns: 50, seed: 1 });
    const orders = deliveries.map((delivery) =>
      deliveredOnce(delivery)
        .map(({ value }) => value)
        .join(),
    );
    expect(new Set(orders).size).toBe(50);
    const repeats = deliveries.filter((delivery) => new Set(delivery).size < delivery.length);
    expect(repeats.length).toBeGreaterThan(10);
    expect(Math.max(...deliveries.map((delivery) => new Set(delivery).size))).toBeGreaterThan(5);
  });
});
