import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Prng } from "../../lib/base/prng.ts";

const draws = (prng: Prng, count: number) => Array.from({ length: count }, () => prng.uint32());

describe("Prng", () => {
  it("gives equal sequences for equal seeds and names", () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.string(), (seed, name) => {
        expect(draws(new Prng(seed, name), 20)).toEqual(draws(new Prng(seed, name), 20));
      }),
    );
  });

  it("gives different sequences for different names and for different seeds", () => {
    const sequences = [
      new Prng(1),
      new Prng(2),
      new Prng(1 + 2 ** 32),
      new Prng(-1),
      new Prng(1, "device 1"),
      new Prng(1, "device 2"),
      new Prng(2, "device 1"),
    ].map((prng) => draws(prng, 4).join());
    expect(new Set(sequences).size).toBe(sequences.length);
  });

  it("gives 32 bits, each of them as often set as not", () => {
    const values = draws(new Prng(7), 10_000);
    expect(values.every((value) => Number.isInteger(value) && value >= 0 && value < 2 ** 32)).toBe(true);
    for (let bit = 0; bit < 32; bit += 1) {
      const share = values.filter((value) => (value >>> bit) & 1).length / values.length;
      // Deviation 0.005.
      expect(share, `bit ${bit}`).toBeGreaterThan(0.48);
      expect(share, `bit ${bit}`).toBeLessThan(0.52);
    }
  });

  it("gives uniform numbers from 0 to below 1, tenths equally often", () => {
    const prng = new Prng(11, "uniform");
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 10_000; i += 1) {
      const value = prng.uniform();
      expect(value >= 0 && value < 1).toBe(true);
      counts[Math.floor(value * 10)] += 1;
    }
    // Mean 1,000, deviation 30.
    for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  });

  it("gives every whole number below a bound, and no other", () => {
    const prng = new Prng(13);
    const seen = new Set(Array.from({ length: 1_000 }, () => prng.below(6)));
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it("gives normal numbers of mean 0 and deviation 1", () => {
    const prng = new Prng(17, "normal");
    const values = Array.from({ length: 20_000 }, () => prng.normal());
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    const within = values.filter((value) => Math.abs(value) < 1).length / values.length;
    expect(values.every(Number.isFinite)).toBe(true);
    expect(mean).toBeCloseTo(0, 1);
    expect(Math.sqrt(variance)).toBeCloseTo(1, 1);
    expect(within).toBeCloseTo(0.683, 1);
  });

  it("gives as many bytes as asked for, of all values", () => {
    const prng = new Prng(19);
    expect(prng.bytes(0)).toHaveLength(0);
    expect(prng.bytes(16)).toHaveLength(16);
    expect(new Set(prng.bytes(10_000)).size).toBe(256);
  });
});
