import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeSketch, encodeSketch } from "../../lib/aggregate/sketch-encoding.ts";
import {
  addToSketch,
  bucketsMax,
  clearSketch,
  createSketchTable,
  entriesMax,
  quantileOf,
  type SketchTable,
  setBuckets,
} from "../../lib/aggregate/sketch-table.ts";
import { sketchOf } from "./plain-windows.ts";

function decoded(bytes: Uint8Array): SketchTable {
  const table = createSketchTable(1);
  clearSketch(table, 0);
  decodeSketch(table, 0, bytes);
  return table;
}

/** A table with one sketch of these buckets, which need not be possible. */
function withBuckets(...buckets: readonly (readonly [key: number, count: number])[]): Uint8Array {
  const table = createSketchTable(1);
  clearSketch(table, 0);
  const keys = Int32Array.from(buckets, ([key]) => key);
  setBuckets(
    table,
    0,
    keys,
    Float64Array.from(buckets, ([, count]) => count),
    buckets.length,
  );
  return encodeSketch(table, 0);
}

const anyValues = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { maxLength: 50 });
/** The buckets of 1 and of -1. */
const one = 40_000;

describe("an encoded sketch", () => {
  it("is the same when it comes back", () => {
    fc.assert(
      fc.property(anyValues, (values) => {
        const bytes = sketchOf(values);
        const table = decoded(bytes);
        expect(encodeSketch(table, 0)).toEqual(bytes);
        addToSketch(table, 0, 7);
        expect(encodeSketch(table, 0)).toEqual(sketchOf([...values, 7]));
      }),
    );
  });

  it("is the same when it has as many entries as are possible, and counts as high as are exact", () => {
    const keys = Array.from({ length: bucketsMax }, (_, i) => i);
    const most = Number.MAX_SAFE_INTEGER;
    const bytes = withBuckets(
      ...keys.map((i) => [-75_000 + i, most] as const),
      [0, most],
      ...keys.map((i) => [70_000 + i, most] as const),
    );
    const table = decoded(bytes);
    expect(table.lengths[0]).toBe(entriesMax);
    expect(encodeSketch(table, 0)).toEqual(bytes);
  });

  it("replaces what was there", () => {
    const table = createSketchTable(1);
    clearSketch(table, 0);
    for (let i = 1; i < 100; i += 1) addToSketch(table, 0, i);
    decodeSketch(table, 0, sketchOf([5, -5]));
    expect(encodeSketch(table, 0)).toEqual(sketchOf([5, -5]));
    decodeSketch(table, 0, sketchOf([]));
    expect(encodeSketch(table, 0)).toEqual(sketchOf([]));
    expect(quantileOf(table, 0, 0.5)).toBeNaN();
  });

  it("takes few bytes", () => {
    expect(sketchOf([20.5])).toHaveLength(6);
    expect(sketchOf(Array.from({ length: 100 }, (_, i) => 1.03 ** i)).length).toBeLessThan(300);
  });
});

describe("a damaged sketch", () => {
  it("is refused when it is cut off anywhere, or goes on", () => {
    fc.assert(
      fc.property(anyValues, fc.nat(255), (values, more) => {
        const bytes = sketchOf(values);
        for (let length = 0; length < bytes.length; length += 1) {
          expect(() => decoded(bytes.subarray(0, length))).toThrow(Error);
        }
        expect(() => decoded(Uint8Array.of(...bytes, more))).toThrow("are used");
      }),
    );
  });

  it("is refused, or is one that could have been written, when any of its bytes has changed", () => {
    const anyDamage = fc.array(fc.record({ at: fc.nat(1_000), byte: fc.nat(255) }), { minLength: 1, maxLength: 3 });
    const property = fc.property(anyValues, anyDamage, (values, damage) => {
      const bytes = sketchOf(values);
      for (const { at, byte } of damage) bytes[at % bytes.length] = byte;
      let table: SketchTable;
      try {
        table = decoded(bytes);
      } catch {
        return;
      }
      expect(encodeSketch(table, 0)).toEqual(bytes);
      for (const q of [0, 0.5, 1])
        expect(table.lengths[0] === 0 || Number.isFinite(quantileOf(table, 0, q))).toBe(true);
    });
    fc.assert(property, { numRuns: 2_000 });
  });

  it("leaves the table as it was", () => {
    const table = decoded(sketchOf([1, 2]));
    const bytes = sketchOf([3, 4, 5]);
    expect(() => decodeSketch(table, 0, bytes.subarray(0, -1))).toThrow("cut off");
    expect(encodeSketch(table, 0)).toEqual(sketchOf([1, 2]));
  });

  it("is refused for what it has", () => {
    function f(bytes: Uint8Array, problem: string): void {
      expect(() => decoded(bytes)).toThrow(problem);
    }
    f(Uint8Array.of(), "version undefined");
    f(Uint8Array.of(2, 0), "a sketch has version 2, this program reads version 1");
    f(Uint8Array.of(1), "cut off");
    // 4,098 entries.
    f(Uint8Array.of(1, 130, 32), `at most ${entriesMax} are possible`);
    f(Uint8Array.of(1, 255, 255, 255, 255, 255, 255, 255, 255, 1), "too long");
    // More bytes for a number than it needs.
    f(Uint8Array.of(1, 128, 0), "too long");
    f(withBuckets([one, 0]), "entry 0 of a sketch is damaged");
    f(withBuckets([one, 1], [one, 1]), "entry 1 of a sketch is damaged");
    f(withBuckets([one, 1], [one - 1, 1]), "entry 1 of a sketch is damaged");
    // Larger and smaller than any number that is not zero.
    f(withBuckets([80_000, 1]), "entry 0 of a sketch is damaged");
    f(withBuckets([-80_000, 1]), "entry 0 of a sketch is damaged");
    f(withBuckets([1, 1]), "entry 0 of a sketch is damaged");
    f(withBuckets([one, 2 ** 54]), "entry 0 of a sketch is damaged");
    f(withBuckets([one, 1], [one + bucketsMax, 1]), "wider");
    f(withBuckets([-one - bucketsMax, 1], [-one, 1], [one, 1]), "wider");
  });
});
