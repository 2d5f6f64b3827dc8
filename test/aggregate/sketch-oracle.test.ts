import { DDSketch } from "@datadog/sketches-js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { quantileOf, type SketchTable } from "../../lib/aggregate/sketch-table.ts";
import { mergedSketch, sketchOf } from "./plain-sketch.ts";

/** The authors' own implementation, with the logarithm and 1 %: each is within 1 % of the same sample. */

const quantiles = [0, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 1];

function oracleOf(values: readonly number[]): DDSketch {
  const oracle = new DDSketch({ relativeAccuracy: 0.01 });
  for (const value of values) oracle.accept(value);
  return oracle;
}

function expectClose(table: SketchTable, oracle: DDSketch): void {
  for (const q of quantiles) {
    const want = oracle.getValueAtQuantile(q);
    const near = quantileOf(table, 0, q);
    // 1.01 / 0.99 at most, and what the oracle's logarithm rounds off.
    expect(Math.abs(near - want)).toBeLessThanOrEqual(Math.abs(want) * 0.020_203);
  }
}

const ofSign = (sign: number) =>
  fc.oneof(
    fc.double({ min: 1e-6, max: 1e6, noNaN: true }).map((value) => sign * value),
    fc.integer({ min: 1, max: 10_000 }).map((value) => (sign * value) / 100),
  );

describe("a sketch and @datadog/sketches-js", () => {
  it("have the same quantiles, for both signs and zero", () => {
    const value = fc.oneof(ofSign(1), ofSign(-1), fc.constant(0));
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 300 }), (values) => {
        expectClose(sketchOf(values), oracleOf(values));
      }),
    );
  });

  /** Positive values only: the oracle forgets the others (https://github.com/DataDog/sketches-js/issues/22). */
  it("have the same quantiles after merges", () => {
    const part = fc.array(fc.double({ min: 2, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 100 });
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), ([first, ...rest]) => {
        const oracle = oracleOf(first);
        for (const values of rest) oracle.merge(oracleOf(values));
        expectClose(mergedSketch(sketchOf(first), ...rest.map(sketchOf)), oracle);
      }),
    );
  });
});
