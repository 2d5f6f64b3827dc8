import fc from "fast-check";
import {
  addToSketch,
  clearSketch,
  createSketchTable,
  encodeSketch,
  mergeSketch,
  quantileOf,
  type SketchTable,
} from "../../lib/aggregate/sketch-table.ts";

/** Sketches in plain words, to hold the columns against. */

/** A table of one sketch. */
export function sketchOf(values: Iterable<number>): SketchTable {
  const table = createSketchTable(1);
  clearSketch(table, 0);
  for (const value of values) addToSketch(table, 0, value);
  return table;
}

/** A table of one sketch: `parts` merged in their order. */
export function mergedSketch(...parts: readonly SketchTable[]): SketchTable {
  const merged = sketchOf([]);
  for (const part of parts) mergeSketch(merged, 0, part, 0);
  return merged;
}

/** What a sketch says, for comparing: entries as `[key, count]`, by key. */
export function entriesOf(table: SketchTable, at = 0): [key: number, count: number][] {
  const start = table.starts[at];
  return Array.from({ length: table.sizes[at] }, (_, i) => [table.keys[start + i], table.counts[start + i]]);
}

/** Equal for equal sketches only. */
export function encodingOf(table: SketchTable, at = 0): string {
  return Buffer.from(encodeSketch(table, at)).toString("hex");
}

/** The value at rank `floor(q (n - 1))`. */
export function exactQuantile(values: ArrayLike<number>, q: number): number {
  return Float64Array.from(values).sort()[Math.floor(q * (values.length - 1))];
}

/** Quantiles of a sketch of these values that are off by more than 1 %. */
export function quantileErrors(table: SketchTable, values: Float64Array): string[] {
  const sorted = values.toSorted();
  return [0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1].flatMap((q) => {
    const want = sorted[Math.floor(q * (sorted.length - 1))];
    const near = quantileOf(table, 0, q);
    return Math.abs(near - want) <= Math.abs(want) * 0.01 ? [] : [`quantile ${q} is ${near}, should be ${want}`];
  });
}

/** Throws unless the blocks of sketches and the free ones are those that the table is made of, each aligned. */
export function checkBlocks(table: SketchTable): void {
  const blocks: [start: number, size: number][] = [];
  for (let at = 0; at < table.length; at += 1) {
    if (table.sizes[at] > 0) blocks.push([table.starts[at], 2 ** Math.ceil(Math.log2(table.sizes[at]))]);
  }
  for (const [order, first] of table.freeBlocks.entries()) {
    for (let start = first; start >= 0; start = table.links[2 * start]) blocks.push([start, 2 ** order]);
  }
  let end = 0;
  for (const [start, size] of blocks.sort(([a], [b]) => a - b)) {
    if (start !== end || start % size !== 0) throw new Error(`a block of ${size} at ${start}, after one to ${end}`);
    end += size;
  }
  if (end !== table.used) throw new Error(`blocks end at ${end}, not at ${table.used}`);
}

/** Every finite double, and those that are next to others: few buckets, zeros, the ends of the range. */
export const anyValue: fc.Arbitrary<number> = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.double({ min: -10, max: 10, noNaN: true }),
  fc.integer({ min: -5, max: 5 }),
  fc.constantFrom(Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, 2 ** -1022, -(2 ** -1022), -0),
);
