import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bucketKey, bucketKeyMax, bucketValue } from "../../lib/aggregate/sketch-bucket.ts";
import { anyValue } from "./plain-sketch.ts";

const smallestNormal = 2 ** -1022;

describe("bucketValue", () => {
  /** The values of one bucket lie together, so that what holds for both its edges holds for all. */
  it("is within 1 % of every mantissa that the buckets tell apart, at its lower and its upper end", () => {
    let farthest = 0;
    for (let mantissa = 0; mantissa < 2 ** 20; mantissa += 1) {
      const low = 1 + mantissa / 2 ** 20;
      const high = low + 2 ** -20 - 2 ** -52;
      const key = bucketKey(low);
      if (bucketKey(high) !== key) throw new Error(`${low} and ${high} are in different buckets`);
      const value = bucketValue(key);
      farthest = Math.max(farthest, Math.abs(value - low) / low, Math.abs(value - high) / high);
    }
    expect(farthest).toBeLessThanOrEqual(0.01);
    // And no finer than needed.
    expect(farthest).toBeGreaterThan(0.0099);
  });

  it("is within 1 % of any value", () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const near = bucketValue(bucketKey(value));
        if (Math.abs(value) < smallestNormal) expect(near).toBe(0);
        else expect(Math.abs(near / value - 1)).toBeLessThanOrEqual(0.01);
      }),
      { numRuns: 10_000 },
    );
  });

  it("is finite for every key, and in the bucket of that key", () => {
    for (let key = -bucketKeyMax; key <= bucketKeyMax; key += 1) {
      const value = bucketValue(key);
      if (!Number.isFinite(value) || bucketKey(value) !== key) throw new Error(`key ${key} has the value ${value}`);
    }
  });
});

describe("bucketKey", () => {
  it("rises with the value", () => {
    fc.assert(
      fc.property(anyValue, anyValue, (a, b) => {
        const [low, high] = [a, b].sort((x, y) => x - y);
        expect(bucketKey(low)).toBeLessThanOrEqual(bucketKey(high));
      }),
    );
  });

  it("is that of the other sign, negated", () => {
    fc.assert(fc.property(anyValue, (value) => bucketKey(-value) + bucketKey(value) === 0));
  });

  it("covers all doubles, and takes those below the smallest normal one as zero", () => {
    function f(value: number, want: number): void {
      expect(bucketKey(value)).toBe(want);
    }
    f(0, 0);
    f(-0, 0);
    f(Number.MIN_VALUE, 0);
    f(-smallestNormal * (1 - 2 ** -52), 0);
    f(smallestNormal, 1);
    f(-smallestNormal, -1);
    f(1, 35 * 1_022 + 1);
    f(2, 35 * 1_023 + 1);
    f(Number.MAX_VALUE, bucketKeyMax);
    f(-Number.MAX_VALUE, -bucketKeyMax);
  });
});
