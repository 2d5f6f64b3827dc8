import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sketchBucketsMax, sketchEntriesMax } from "../../lib/aggregate/sketch-bucket.ts";
import {
  addToSketch,
  clearSketch,
  createSketchTable,
  mergeSketch,
  quantileOf,
  type SketchTable,
  setSketch,
  sketchBytes,
  sketchBytesMax,
} from "../../lib/aggregate/sketch-table.ts";
import { Prng } from "../../lib/base/prng.ts";
import {
  anyValue,
  checkBlocks,
  encodingOf,
  entriesOf,
  exactQuantile,
  mergedSketch,
  quantileErrors,
  sketchOf,
} from "./plain-sketch.ts";

/** Values within a few decades, so that nothing folds. */
const nearValue = fc.oneof(
  fc.double({ min: 1e-3, max: 1e9, noNaN: true }),
  fc.double({ min: -1e9, max: -1e-3, noNaN: true }),
  fc.constant(0),
);

describe("quantileOf", () => {
  const count = 20_000;
  const from = (value: (prng: Prng, i: number) => number) => {
    const prng = new Prng(1, "sketch");
    return Float64Array.from({ length: count }, (_, i) => value(prng, i));
  };

  it.each([
    ["uniform values", from((prng) => prng.uniform() * 100)],
    ["normal values", from((prng) => 20 + 5 * prng.normal())],
    ["normal values about zero", from((prng) => prng.normal())],
    ["log-normal values", from((prng) => Math.exp(2 * prng.normal()))],
    ["bimodal values", from((prng, i) => (i % 2 === 0 ? 5 : 5_000) + prng.normal())],
    ["negative values", from((prng) => -Math.exp(prng.normal()))],
    ["mostly zeros", from((prng, i) => (i % 10 === 0 ? prng.normal() : 0))],
    ["twelve decades", from((prng) => 10 ** (prng.uniform() * 12 - 6))],
    ["twelve decades of both signs", from((prng, i) => (i % 3 === 0 ? -1 : 1) * 10 ** (prng.uniform() * 12 - 6))],
    ["one value", from(() => 42.5)],
  ])("is within 1 % for %s", (_, values) => {
    expect(quantileErrors(sketchOf(values), values)).toEqual([]);
  });

  it("is within 1 % for any values that do not fold", () => {
    fc.assert(
      fc.property(fc.array(nearValue, { minLength: 1 }), fc.double({ min: 0, max: 1, noNaN: true }), (values, q) => {
        const want = exactQuantile(values, q);
        expect(Math.abs(quantileOf(sketchOf(values), 0, q) - want)).toBeLessThanOrEqual(Math.abs(want) * 0.01);
      }),
    );
  });

  it("is NaN where there are no samples", () => {
    expect(quantileOf(sketchOf([]), 0, 0.5)).toBeNaN();
  });

  it("takes the lower of two middle values", () => {
    const table = sketchOf([1, 2, 3, 1_000]);
    expect(quantileOf(table, 0, 0.5) / 2).toBeCloseTo(1, 1);
    expect(quantileOf(table, 0, 0.99) / 3).toBeCloseTo(1, 1);
    expect(quantileOf(table, 0, 1) / 1_000).toBeCloseTo(1, 1);
  });
});

describe("addToSketch", () => {
  it("makes equal sketches whatever the order", () => {
    const shuffled = fc.array(anyValue, { maxLength: 100 }).chain((values) =>
      fc.record({
        values: fc.constant(values),
        shuffled: fc.shuffledSubarray(values, { minLength: values.length }),
      }),
    );
    fc.assert(
      fc.property(shuffled, ({ values, shuffled }) => {
        expect(entriesOf(sketchOf(shuffled))).toEqual(entriesOf(sketchOf(values)));
      }),
    );
  });

  it("finds each of many buckets, with gaps and without", () => {
    const prng = new Prng(2);
    const values = Array.from({ length: 5_000 }, () => (prng.below(2) === 0 ? -1 : 1) * Math.exp(4 * prng.normal()));
    const table = sketchOf(values);
    const before = entriesOf(table);
    for (const value of values) addToSketch(table, 0, value);
    expect(entriesOf(table)).toEqual(before.map(([key, count]) => [key, 2 * count]));
    expect(before.map(([key]) => key)).toEqual([...new Set(before.map(([key]) => key))].sort((a, b) => a - b));
  });
});

describe("mergeSketch", () => {
  const anySketch = fc.array(anyValue, { maxLength: 60 }).map((values) => ({ values, table: sketchOf(values) }));

  it("is commutative", () => {
    fc.assert(
      fc.property(anySketch, anySketch, (a, b) => {
        expect(encodingOf(mergedSketch(a.table, b.table))).toBe(encodingOf(mergedSketch(b.table, a.table)));
      }),
    );
  });

  it("is associative", () => {
    fc.assert(
      fc.property(anySketch, anySketch, anySketch, ({ table: a }, { table: b }, { table: c }) => {
        const left = mergedSketch(mergedSketch(a, b), c);
        expect(encodingOf(left)).toBe(encodingOf(mergedSketch(a, mergedSketch(b, c))));
      }),
    );
  });

  it("gives the sketch of all samples together, however they were ordered and split", () => {
    const split = fc.array(anyValue, { maxLength: 300 }).chain((values) =>
      fc.record({
        values: fc.constant(values),
        shuffled: fc.shuffledSubarray(values, { minLength: values.length }),
        cuts: fc.array(fc.nat(values.length), { maxLength: 5 }),
      }),
    );
    fc.assert(
      fc.property(split, ({ values, shuffled, cuts }) => {
        const bounds = [0, ...cuts.toSorted((a, b) => a - b), values.length];
        const parts = bounds.slice(1).map((end, i) => sketchOf(shuffled.slice(bounds[i], end)));
        expect(entriesOf(mergedSketch(...parts))).toEqual(entriesOf(sketchOf(values)));
      }),
    );
  });

  it("gives the sketch of all samples together for large sketches, one of few entries into one of many too", () => {
    const prng = new Prng(3);
    const normal = (length: number, scale: number) => Array.from({ length }, () => scale * prng.normal());
    const wide = Array.from({ length: 3_000 }, () => (prng.below(2) * 2 - 1) * 10 ** (600 * prng.uniform() - 300));
    const sets = [normal(5_000, 1), normal(5_000, 30), normal(10, 100), normal(1, 1e6), wide, [], [0]];
    for (const a of sets) {
      for (const b of sets) {
        const merged = mergedSketch(sketchOf(a), sketchOf(b));
        checkBlocks(merged);
        expect(encodingOf(merged)).toBe(encodingOf(sketchOf([...a, ...b])));
      }
    }
  });

  it("leaves its source as it is", () => {
    fc.assert(
      fc.property(anySketch, anySketch, ({ table: a }, { table: b }) => {
        const before = encodingOf(b);
        const merged = mergedSketch(a, b);
        addToSketch(merged, 0, 1);
        expect(encodingOf(b)).toBe(before);
      }),
    );
  });

  it("merges a sketch with another of its own table, and with itself", () => {
    const table = sketchOf([1, 2, 3]);
    clearSketch(table, 1);
    for (const value of [3, 4, 5, 6, 7, 8]) addToSketch(table, 1, value);
    mergeSketch(table, 0, table, 1);
    expect(encodingOf(table)).toBe(encodingOf(sketchOf([1, 2, 3, 3, 4, 5, 6, 7, 8])));
    mergeSketch(table, 1, table, 1);
    expect(encodingOf(table, 1)).toBe(encodingOf(sketchOf([3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8])));
    checkBlocks(table);
  });
});

describe("setSketch", () => {
  it("gives a copy that no longer follows its source, whatever was there before", () => {
    fc.assert(
      fc.property(fc.array(anyValue), fc.array(anyValue), (before, values) => {
        const table = sketchOf(before);
        const source = sketchOf(values);
        setSketch(table, 0, source, 0);
        addToSketch(source, 0, 1);
        expect(encodingOf(table)).toBe(encodingOf(sketchOf(values)));
        checkBlocks(table);
      }),
    );
  });
});

describe("a sketch with values further apart than it keeps", () => {
  const keysOf = (table: SketchTable) => entriesOf(table).map(([key]) => key);
  /** Every bucket of both signs, and zero. */
  const everyBucket = [0];
  for (let exponent = -1_022; exponent < 1_024; exponent += 1) {
    for (let s = 1; s < 2; s += 1 / 64) everyBucket.push(s * 2 ** exponent, -s * 2 ** exponent);
  }

  it("keeps the largest buckets of either sign, and zero, and every sample", () => {
    const table = sketchOf(everyBucket);
    const keys = keysOf(table);
    expect(keys.length).toBe(sketchEntriesMax);
    expect(keys.filter((key) => key > 0).length).toBe(sketchBucketsMax);
    expect(keys.filter((key) => key < 0).length).toBe(sketchBucketsMax);
    expect(entriesOf(table).reduce((sum, [, count]) => sum + count, 0)).toBe(everyBucket.length);
    expect(Math.abs(quantileOf(table, 0, 1) / Number.MAX_VALUE - 1)).toBeLessThan(0.03);
    expect(quantileOf(table, 0, 0.5)).toBeLessThan(2 ** 970);
  });

  it("is the same from the smallest value up and from the largest down", () => {
    const up = everyBucket.toSorted((a, b) => Math.abs(a) - Math.abs(b));
    expect(encodingOf(sketchOf(up.toReversed()))).toBe(encodingOf(sketchOf(up)));
  });

  it("keeps the bucket at the limit, and folds the one below into it", () => {
    function f(sign: number): void {
      // 2,047 buckets are 58 doublings and 17 buckets.
      const top = sign * 2 ** 100;
      const kept = [top, sign * 2 ** 42];
      expect(keysOf(sketchOf(kept)).length).toBe(2);
      const folded = entriesOf(sketchOf([...kept, sign * 2 ** 41, sign * 2 ** 40, sign]));
      expect(folded.length).toBe(3);
      expect(Math.abs(folded[1][0] - folded[0][0]) + Math.abs(folded[2][0] - folded[1][0])).toBe(sketchBucketsMax - 1);
      expect(folded.map(([, count]) => count)).toEqual(sign > 0 ? [3, 1, 1] : [1, 1, 3]);
    }
    f(1);
    f(-1);
  });

  it("takes no more memory than it says", () => {
    const table = createSketchTable(0);
    const before = sketchBytes(table);
    clearSketch(table, 0);
    setSketch(table, 0, sketchOf(everyBucket), 0);
    expect(sketchBytes(table) - before).toBeLessThanOrEqual(sketchBytesMax + 16 * 6);
    expect(sketchBytesMax).toBe(98_310);
  });
});

describe("a sketch table", () => {
  it("has room for one entry for a sketch of one sample", () => {
    const table = createSketchTable(1);
    for (let at = 0; at < 1_000; at += 1) {
      clearSketch(table, at);
      addToSketch(table, at, at);
    }
    expect(table.used).toBe(1_000);
  });

  it("takes about 100 bytes for a sketch of six samples, also when all grow in step", () => {
    const prng = new Prng(4);
    const sketches = 50_000;
    const table = createSketchTable();
    for (let at = 0; at < sketches; at += 1) clearSketch(table, at);
    for (let i = 0; i < 6; i += 1) {
      for (let at = 0; at < sketches; at += 1) addToSketch(table, at, 100 * prng.normal());
    }
    expect(table.used * 12).toBeLessThan(sketches * 8 * 12 * 1.05);
    checkBlocks(table);
  });

  it("uses again what cleared sketches held", () => {
    const fill = (table: SketchTable) => {
      const prng = new Prng(5);
      for (let at = 0; at < 200; at += 1) {
        clearSketch(table, at);
        const samples = 2 ** prng.below(12);
        for (let i = 0; i < samples; i += 1) addToSketch(table, at, prng.normal());
      }
    };
    const table = createSketchTable();
    fill(table);
    const { used } = table;
    const bytes = sketchBytes(table);
    for (let round = 0; round < 5; round += 1) {
      for (let at = 0; at < table.length; at += 1) clearSketch(table, at);
      checkBlocks(table);
      fill(table);
    }
    expect(table.used).toBe(used);
    expect(sketchBytes(table)).toBe(bytes);
  });

  it("loses and doubles no block, whatever is done", () => {
    const at = fc.nat(4);
    const step = fc.oneof(
      fc.record({ kind: fc.constant("add" as const), at, values: fc.array(anyValue, { maxLength: 40 }) }),
      fc.record({ kind: fc.constant("clear" as const), at }),
      fc.record({ kind: fc.constant("merge" as const), at, index: fc.nat(4) }),
      fc.record({ kind: fc.constant("set" as const), at, index: fc.nat(4) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const table = createSketchTable(1);
        const samples: number[][] = [[], [], [], [], []];
        for (const i of samples.keys()) clearSketch(table, i);
        for (const each of steps) {
          if (each.kind === "add") {
            for (const value of each.values) addToSketch(table, each.at, value);
            samples[each.at] = [...samples[each.at], ...each.values];
          } else if (each.kind === "clear") {
            clearSketch(table, each.at);
            samples[each.at] = [];
          } else if (each.kind === "merge" && samples[each.at].length < 10_000) {
            mergeSketch(table, each.at, table, each.index);
            samples[each.at] = [...samples[each.at], ...samples[each.index]];
          } else if (each.kind === "set") {
            setSketch(table, each.at, table, each.index);
            samples[each.at] = samples[each.index];
          }
          checkBlocks(table);
        }
        expect(samples.map((_, i) => entriesOf(table, i))).toEqual(
          samples.map((values) => entriesOf(sketchOf(values))),
        );
      }),
    );
  });

  it("can be posted to another thread, and goes on there", () => {
    const table = structuredClone(sketchOf([1, 2, 3, 4, 5]));
    clearSketch(table, 1);
    for (const value of [6, 7, 8]) addToSketch(table, 1, value);
    clearSketch(table, 0);
    mergeSketch(table, 0, table, 1);
    checkBlocks(table);
    expect(encodingOf(table)).toBe(encodingOf(sketchOf([6, 7, 8])));
  });

  it("refuses a sketch that is not next to the last", () => {
    expect(() => clearSketch(createSketchTable(), 1)).toThrow("a sketch is added next to the last one");
  });
});
