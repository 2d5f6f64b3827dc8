import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeSketch } from "../../lib/aggregate/sketch-encoding.ts";
import {
  addToSketch,
  bucketsMax,
  clearSketch,
  createSketchTable,
  dropSketch,
  entriesMax,
  mergeSketch,
  quantileOf,
  type SketchTable,
  setSketch,
  sketchBytes,
  sketchErrorMax,
} from "../../lib/aggregate/sketch-table.ts";
import { Prng } from "../../lib/base/prng.ts";

const seed = Number(process.env["TEST_SEED"] ?? 1);
const smallestNormal = 2 ** -1022;

/** A table with one sketch. */
function sketchOf(values: Iterable<number>): SketchTable {
  const table = createSketchTable(1);
  clearSketch(table, 0);
  for (const value of values) addToSketch(table, 0, value);
  return table;
}

function merge(...parts: readonly SketchTable[]): SketchTable {
  const merged = sketchOf([]);
  for (const part of parts) mergeSketch(merged, 0, part, 0);
  return merged;
}

const bytesOf = (table: SketchTable, at = 0) => Buffer.from(encodeSketch(table, at)).toString("hex");

function draw(name: string, value: (random: Prng, i: number) => number, count = 20_000): number[] {
  const random = new Prng(seed, name);
  return Array.from({ length: count }, (_, i) => value(random, i));
}

/** The columns of a recording. */
function columnsOf(file: string): number[][] {
  const [header, ...lines] = readFileSync(file, "utf8").trimEnd().split("\n");
  const rows = lines.map((line) => line.split(","));
  return (header ?? "")
    .split(",")
    .slice(1)
    .map((_, i) => rows.map((row) => row[i + 1] ?? "").filter((cell) => cell !== ""))
    .map((cells) => cells.map(Number));
}

/** Real recordings are kept outside the repository: NAB_DATA_DIR names their folder. */
const nabDir = process.env["NAB_DATA_DIR"];
const recordings = [
  fileURLToPath(new URL("../data/recorded.csv", import.meta.url)),
  ...(nabDir === undefined ? [] : readdirSync(nabDir).map((name) => `${nabDir}/${name}`)),
].filter((file) => file.endsWith(".csv"));

const distributions: readonly (readonly [string, readonly number[]])[] = [
  ["uniform", draw("uniform", (random) => random.uniform() * 100)],
  ["normal", draw("normal", (random) => random.normal())],
  ["normal, far from zero", draw("far", (random) => 1e6 + random.normal())],
  ["log-normal", draw("log-normal", (random) => Math.exp(3 * random.normal()))],
  ["bimodal", draw("bimodal", (random) => (random.below(2) === 0 ? 1 : 1e6) * (1 + 0.1 * random.uniform()))],
  ["negative", draw("negative", (random) => -Math.exp(random.normal()))],
  ["mixed with many zeros", draw("zeros", (random) => (random.below(3) === 0 ? 0 : random.normal() * 50))],
  ["of twelve decades", draw("decades", (random) => 10 ** (random.uniform() * 12 - 6))],
  [
    "of twelve decades of either sign",
    draw("signs", (random) => (random.below(2) - 0.5) * 10 ** (random.uniform() * 12)),
  ],
  ["one value", new Array<number>(1_000).fill(0.1)],
  ["one sample", [-273.15]],
  ["whole numbers", draw("whole", (random) => random.below(20))],
  [
    "as small and as large as numbers are, within a sign's reach",
    [smallestNormal, smallestNormal * 3, smallestNormal * 1e16],
  ],
  ["the largest numbers", [Number.MAX_VALUE, Number.MAX_VALUE * 0.99, Number.MAX_VALUE / 1e10]],
  ["the largest negative numbers", [-Number.MAX_VALUE, -Number.MAX_VALUE * 0.99, -Number.MAX_VALUE / 1e10]],
  ...recordings.flatMap((file) =>
    columnsOf(file).map(
      (values, i) => [`column ${i + 1} of ${file.slice(file.lastIndexOf("/") + 1)}`, values] as const,
    ),
  ),
];

describe("a quantile", () => {
  const parts = [0, 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1];

  it.each(distributions)("is within 1 %% of the exact one: %s", (_, values) => {
    const table = sketchOf(values);
    const sorted = values.toSorted((a, b) => a - b);
    for (const q of parts) {
      const exact = sorted[Math.floor(q * (sorted.length - 1))];
      // The bounds of buckets are themselves rounded.
      const errorMax = sketchErrorMax * (1 + 1e-9) * Math.abs(exact);
      expect(Math.abs(quantileOf(table, 0, q) - exact), `q ${q}: ${exact}`).toBeLessThanOrEqual(errorMax);
    }
  });

  it("is within 1 % of any single value, also at the bounds of buckets and of doubles", () => {
    const anyValue = fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .filter((value) => value === 0 || Math.abs(value) >= smallestNormal);
    const property = fc.property(anyValue, (value) => {
      const found = quantileOf(sketchOf([value]), 0, 0.5);
      // The error itself must not overflow.
      expect(Math.abs(found / 4 - value / 4)).toBeLessThanOrEqual(sketchErrorMax * (1 + 1e-9) * Math.abs(value / 4));
      expect(Math.abs(found)).toBeLessThanOrEqual(Number.MAX_VALUE);
    });
    fc.assert(property, { numRuns: 5_000 });
  });

  it("takes what is smaller than any normal number for zero", () => {
    for (const value of [Number.MIN_VALUE, -Number.MIN_VALUE, smallestNormal * 0.999_999, 0, -0]) {
      expect(quantileOf(sketchOf([value]), 0, 0.5)).toBe(0);
    }
    expect(quantileOf(sketchOf([smallestNormal]), 0, 0.5)).toBeGreaterThan(0);
  });

  it("of no samples is not a number", () => {
    expect(quantileOf(sketchOf([]), 0, 0.5)).toBeNaN();
  });

  it("grows with its part", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 }), (values) => {
        const table = sketchOf(values);
        const found = parts.map((q) => quantileOf(table, 0, q));
        expect(found).toEqual(found.toSorted((a, b) => a - b));
      }),
    );
  });
});

describe("merged sketches", () => {
  /** Few and many entries; narrow, and so wide that they are folded. */
  const anyValue = fc.oneof(
    fc.integer({ min: -50, max: 50 }),
    fc.double({ noNaN: true, min: -1e6, max: 1e6 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer({ min: -300, max: 300 }).map((decade) => 10 ** decade),
    fc.integer({ min: -300, max: 300 }).map((decade) => -(10 ** decade)),
  );
  const anyValues = fc.array(anyValue, { maxLength: 40 });

  it("are the sketch of all their values, whatever the split and the order", () => {
    fc.assert(
      fc.property(fc.array(anyValues, { maxLength: 6 }), (groups) => {
        const whole = bytesOf(sketchOf(groups.flat()));
        const sketches = groups.map(sketchOf);
        expect(bytesOf(merge(...sketches))).toBe(whole);
        expect(bytesOf(merge(...sketches.toReversed()))).toBe(whole);
        expect(bytesOf(sketchOf(groups.flat().toReversed()))).toBe(whole);
        expect(bytesOf(sketches.reduceRight((right, left) => merge(left, right), sketchOf([])))).toBe(whole);
      }),
      { numRuns: 500 },
    );
  });

  it("are the sketch of all their values where both have thousands of buckets", () => {
    const values = draw("wide", (random) => (random.below(2) - 0.5) * 10 ** (random.uniform() * 600 - 300), 30_000);
    const whole = bytesOf(sketchOf(values));
    const thirds = [0, 1, 2].map((third) => sketchOf(values.filter((_, i) => i % 3 === third)));
    const [a, b, c] = thirds;
    expect(bytesOf(merge(merge(a, b), c))).toBe(whole);
    expect(bytesOf(merge(a, merge(c, b)))).toBe(whole);
    const sorted = values.toSorted((x, y) => x - y);
    expect(bytesOf(sketchOf(sorted))).toBe(whole);
    expect(bytesOf(sketchOf(sorted.toReversed()))).toBe(whole);
    expect(bytesOf(sketchOf(values.toSorted((x, y) => Math.abs(x) - Math.abs(y))))).toBe(whole);
  });

  it("share nothing with what was merged into them", () => {
    const part = sketchOf([1, 2, 3]);
    const merged = merge(part);
    const before = bytesOf(merged);
    addToSketch(part, 0, 1);
    expect(bytesOf(merged)).toBe(before);
  });
});

describe("a sketch that is wider than its buckets reach", () => {
  const decades = Array.from({ length: 601 }, (_, i) => 10 ** (i - 300));

  it("has no more entries than it may, and knows the values of large magnitude as before", () => {
    const step = 10 ** (1 / 100);
    const values = Array.from({ length: 60_000 }, (_, i) => 10 ** (i / 100 - 300));
    const table = sketchOf(values.flatMap((value) => [value, -value, 0]));
    expect(table.lengths[0]).toBeLessThanOrEqual(entriesMax);
    expect(table.lengths[0]).toBeGreaterThan(bucketsMax);
    // The largest 15 decades of each sign, counted from the ends.
    const count = 3 * values.length;
    for (let rank = 0; rank < 1_500; rank += 100) {
      const exact = values[values.length - 1 - rank];
      const high = quantileOf(table, 0, (count - 1 - rank) / (count - 1));
      expect(Math.abs(high / exact)).toBeLessThan(step * (1 + sketchErrorMax));
      expect(Math.abs(high / exact)).toBeGreaterThan((1 - sketchErrorMax) / step);
    }
  });

  it("loses no sample", () => {
    const table = sketchOf(decades);
    const counts = table.counts.subarray(table.offsets[0], table.offsets[0] + table.lengths[0]);
    expect(counts.reduce((sum, each) => sum + each, 0)).toBe(decades.length);
    // All that do not fit are in the bucket of least magnitude, 17 decades below the largest.
    expect(quantileOf(table, 0, 0)).toBeGreaterThan(1e282);
    expect(quantileOf(table, 0, 0)).toBeLessThan(1e284);
    expect(quantileOf(table, 0, 1) / 1e300).toBeCloseTo(1, 1);
  });
});

/** What is done to a table. */
type Action =
  | { readonly kind: "add"; readonly at: number; readonly values: readonly number[] }
  | {
      readonly kind: "merge" | "set" | "set from outside" | "merge from outside";
      readonly at: number;
      readonly from: number;
    }
  | { readonly kind: "clear"; readonly at: number }
  | { readonly kind: "append" | "drop" };

const anyIndex = fc.nat(5);
const anyAction: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("add" as const),
      at: anyIndex,
      values: fc.array(
        fc.oneof(
          fc.integer({ min: -20, max: 20 }),
          fc.integer({ min: 0, max: 3_000 }).map((i) => 1.02 ** i),
          fc.integer({ min: -300, max: 300 }).map((decade) => -(10 ** decade)),
        ),
        { maxLength: 30 },
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "merge" as const,
        "set" as const,
        "set from outside" as const,
        "merge from outside" as const,
      ),
      at: anyIndex,
      from: anyIndex,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const), at: anyIndex }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("append" as const, "drop" as const) }) },
);

/** The bucket of a value, as a table has it. */
function keyOf(value: number): number {
  const table = sketchOf([value]);
  return table.keys[table.offsets[0]];
}

type Counts = Map<number, number>;

/** Counts with what is too small for its sign's largest in the last bucket that it reaches. */
function folded(counts: Counts): Counts {
  const most = Math.max(0, ...counts.keys());
  const least = Math.min(0, ...counts.keys());
  const result: Counts = new Map();
  for (const [key, count] of counts) {
    const kept = key > 0 ? Math.max(key, most - bucketsMax + 1) : key < 0 ? Math.min(key, least + bucketsMax - 1) : 0;
    result.set(kept, (result.get(kept) ?? 0) + count);
  }
  return result;
}

function added(a: Counts, b: Counts): Counts {
  const sum = new Map(a);
  for (const [key, count] of b) sum.set(key, (sum.get(key) ?? 0) + count);
  return folded(sum);
}

function countsOf(table: SketchTable, at: number): [number, number][] {
  const start = table.offsets[at];
  return Array.from({ length: table.lengths[at] }, (_, i) => [table.keys[start + i], table.counts[start + i]]);
}

/** Blocks in use and free ones cover the arrays without a gap, and none lies over another. */
function expectBlocks(table: SketchTable): void {
  const blocks: [offset: number, size: number][] = [];
  for (let at = 0; at < table.length; at += 1) {
    const offset = table.offsets[at];
    if (offset < 0) continue;
    expect(table.lengths[at]).toBeLessThanOrEqual(1 << table.classes[at]);
    blocks.push([offset, 1 << table.classes[at]]);
  }
  for (const [size, first] of table.free.entries()) {
    for (let block = first; block >= 0; block = table.keys[block]) blocks.push([block, 1 << size]);
  }
  blocks.sort((a, b) => a[0] - b[0]);
  let end = 0;
  for (const [offset, size] of blocks) {
    expect(offset).toBe(end);
    end += size;
  }
  expect(end).toBe(table.used);
  expect(table.used).toBeLessThanOrEqual(table.keys.length);
}

describe("a table of sketches", () => {
  it("has what a map has, whatever was added, merged, set, cleared and dropped, and loses no memory", () => {
    const property = fc.property(fc.array(anyAction, { maxLength: 60 }), (actions) => {
      const table = createSketchTable(1);
      const model: Counts[] = [];
      for (const action of actions) {
        if (action.kind === "append") {
          clearSketch(table, table.length);
          model.push(new Map());
        } else if (model.length > 0) {
          const at = "at" in action ? action.at % model.length : 0;
          const from = "from" in action ? action.from % model.length : 0;
          if (action.kind === "drop") {
            dropSketch(table);
            model.pop();
          } else if (action.kind === "clear") {
            clearSketch(table, at);
            model[at] = new Map();
          } else if (action.kind === "add") {
            for (const value of action.values) {
              addToSketch(table, at, value);
              model[at] = added(model[at], new Map([[keyOf(value), 1]]));
            }
          } else {
            // Of the table itself, and of another one.
            const source = action.kind.endsWith("outside") ? structuredClone(table) : table;
            const isMerge = action.kind.startsWith("merge");
            (isMerge ? mergeSketch : setSketch)(table, at, source, from);
            model[at] = isMerge ? added(model[at], model[from]) : new Map(model[from]);
          }
        }
        expect(table.length).toBe(model.length);
        for (const [at, counts] of model.entries()) {
          expect(countsOf(table, at)).toEqual([...counts].sort((a, b) => a[0] - b[0]));
        }
        expectBlocks(table);
      }
    });
    fc.assert(property, { numRuns: 200 });
  });

  it("takes no more memory when sketches come and go", () => {
    const table = createSketchTable(1);
    const values = draw("come and go", (random) => Math.exp(random.normal()), 300);
    const fill = () => {
      for (let at = 0; at < 20; at += 1) {
        clearSketch(table, at);
        for (const value of values) addToSketch(table, at, value);
      }
    };
    fill();
    const bytes = sketchBytes(table);
    for (let round = 0; round < 20; round += 1) {
      if (round % 2 === 0) while (table.length > 0) dropSketch(table);
      fill();
      expectBlocks(table);
    }
    expect(sketchBytes(table)).toBe(bytes);
  });

  it("can be posted to another thread", () => {
    const table = sketchOf([1, 2, 3]);
    expect(bytesOf(structuredClone(table))).toBe(bytesOf(table));
  });
});
