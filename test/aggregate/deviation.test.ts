import { describe, expect, it } from "vitest";
import { appendWindow, createWindowTable, mergeWindow, type WindowTable } from "../../lib/aggregate/window-table.ts";
import { Prng } from "../../lib/base/prng.ts";
import { type Sample, windowSet } from "./plain-windows.ts";

const seed = Number(process.env["TEST_SEED"] ?? 1);
const count = 10_000;
/** Values are whole multiples of this, so that their exact M2 is known. */
const unit = 1 / 1_024;

/** (n sum(x^2) - sum(x)^2) / n, in whole numbers. */
function exactM2(values: readonly number[]): number {
  let sum = 0n;
  let squares = 0n;
  for (const value of values) {
    const whole = BigInt(value / unit);
    sum += whole;
    squares += whole * whole;
  }
  const n = BigInt(values.length);
  return (Number(n * squares - sum * sum) / values.length) * unit ** 2;
}

function tableOf(values: readonly number[]): WindowTable {
  const samples = values.map((value, i): Sample => ({ series: 1, timeMs: i % 10_000, value }));
  return windowSet([10_000], samples).tiers[0].table;
}

function merge(...parts: readonly WindowTable[]): WindowTable {
  const merged = createWindowTable(1);
  appendWindow(merged, 1, 0);
  for (const part of parts) mergeWindow(merged, 0, part, 0);
  return merged;
}

/** Two at a time, and again, as tiers do. */
function mergePairs(parts: readonly WindowTable[]): WindowTable {
  if (parts.length === 1) return parts[0];
  const middle = parts.length >> 1;
  return merge(mergePairs(parts.slice(0, middle)), mergePairs(parts.slice(middle)));
}

function draw(name: string, value: (random: Prng, i: number) => number): number[] {
  const random = new Prng(seed, name);
  return Array.from({ length: count }, (_, i) => Math.round(value(random, i) / unit) * unit);
}

const cases: readonly (readonly [string, readonly number[], number])[] = [
  ["around zero", draw("zero", (random) => random.normal() * 10), 1e-12],
  ["small noise on 1e9", draw("offset", (random) => 1e9 + random.normal()), 1e-5],
  ["small noise on -1e9", draw("negative", (random) => -1e9 + random.normal()), 1e-5],
  ["two heights, 1e9 apart", draw("heights", (random) => random.below(2) * 1e9 + random.uniform()), 1e-12],
  ["a slope, so that parts have other means than the whole", draw("slope", (_, i) => i), 1e-12],
  ["one value only", draw("constant", () => 123_456.75), 0],
];

describe.each(cases)("the sum of squared deviations of %s", (_, values, errorMax) => {
  const exact = exactM2(values);
  const runs = (size: number) =>
    Array.from({ length: Math.ceil(count / size) }, (_run, i) => tableOf(values.slice(i * size, (i + 1) * size)));

  function expectExact(table: WindowTable): void {
    expect(table.counts[0]).toBe(count);
    // Nothing deviates by less than nothing.
    expect(table.m2s[0]).toBeGreaterThanOrEqual(0);
    expect(Math.abs(table.m2s[0] - exact)).toBeLessThanOrEqual(errorMax * exact);
  }

  it("is exact but for rounding, however the samples are put together", () => {
    expectExact(tableOf(values));
    for (const size of [1, 7, 100]) {
      const parts = runs(size);
      expectExact(merge(...parts));
      expectExact(merge(...parts.toReversed()));
      expectExact(mergePairs(parts));
      expectExact(merge(...parts.map((part) => part).sort((a, b) => a.sums[0] - b.sums[0])));
    }
  });
});

describe("the sum of squared deviations", () => {
  it("is 0 of one sample, and of equal ones", () => {
    for (const value of [0, 0.1, -1e300, Number.MAX_VALUE]) {
      expect(tableOf([value]).m2s[0]).toBe(0);
      expect(merge(tableOf([value]), tableOf([value])).m2s[0]).toBe(0);
    }
  });

  it("stays finite where values are as large as numbers are", () => {
    const most = Number.MAX_VALUE;
    const parts = [tableOf([most, -most]), tableOf([most, most]), tableOf([-most])];
    for (const table of [...parts, merge(...parts), merge(...parts.toReversed()), merge(parts[1], parts[1])]) {
      expect(table.m2s[0]).toBeGreaterThanOrEqual(0);
      expect(table.m2s[0]).toBeLessThanOrEqual(most);
    }
  });
});
