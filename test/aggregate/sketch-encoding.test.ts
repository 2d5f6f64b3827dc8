import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bucketKeyMax, sketchEntriesMax } from "../../lib/aggregate/sketch-bucket.ts";
import { sketchEncodedBytesMax } from "../../lib/aggregate/sketch-encoding.ts";
import {
  addToSketch,
  decodeSketch,
  encodeSketch,
  mergeSketch,
  type SketchTable,
} from "../../lib/aggregate/sketch-table.ts";
import { anyValue, checkBlocks, encodingOf, entriesOf, sketchOf } from "./plain-sketch.ts";

const anyValues = fc.array(anyValue, { maxLength: 200 });

function decode(bytes: Uint8Array, before: readonly number[] = []): SketchTable {
  const table = sketchOf(before);
  decodeSketch(table, 0, bytes);
  checkBlocks(table);
  return table;
}

describe("decodeSketch", () => {
  it("gives the sketch that was encoded, whatever was there before", () => {
    fc.assert(
      fc.property(anyValues, anyValues, (values, before) => {
        const table = sketchOf(values);
        expect(entriesOf(decode(encodeSketch(table, 0), before))).toEqual(entriesOf(table));
      }),
    );
  });

  it("gives counts up to 2^53", () => {
    const table = sketchOf([1, -1, 0, 1e9, 1e9]);
    for (let i = 0; i < 52; i += 1) mergeSketch(table, 0, table, 0);
    const decoded = entriesOf(decode(encodeSketch(table, 0)));
    expect(decoded).toEqual(entriesOf(table));
    expect(decoded.map(([, count]) => count)).toEqual([2 ** 52, 2 ** 52, 2 ** 52, 2 ** 53]);
  });

  it("refuses bytes that are cut off anywhere, or go on", () => {
    fc.assert(
      fc.property(anyValues, fc.nat(), fc.uint8Array({ minLength: 1 }), (values, cut, more) => {
        const bytes = encodeSketch(sketchOf(values), 0);
        expect(() => decode(bytes.subarray(0, cut % bytes.length))).toThrow("damaged");
        expect(() => decode(Uint8Array.of(...bytes, ...more))).toThrow("damaged");
      }),
    );
  });

  it("takes damaged bytes as an error or as another sketch, and leaves the sketch as it was after an error", () => {
    fc.assert(
      fc.property(anyValues, fc.nat(), fc.integer({ min: 1, max: 255 }), (values, place, flipped) => {
        const bytes = encodeSketch(sketchOf(values), 0);
        bytes[place % bytes.length] ^= flipped;
        const table = sketchOf([1, 2, 3]);
        let refused = false;
        try {
          decodeSketch(table, 0, bytes);
        } catch {
          refused = true;
        }
        checkBlocks(table);
        if (refused) expect(encodingOf(table)).toBe(encodingOf(sketchOf([1, 2, 3])));
        else expect(entriesOf(decode(encodeSketch(table, 0)))).toEqual(entriesOf(table));
        addToSketch(table, 0, 5);
        checkBlocks(table);
      }),
      { numRuns: 1_000 },
    );
  });

  it("takes any bytes as an error or as a sketch", () => {
    const anyBytes = fc.uint8Array({ maxLength: 30 }).map((bytes) => Uint8Array.of(1, ...bytes));
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        try {
          expect(decode(bytes).sizes[0]).toBeLessThanOrEqual(bytes.length / 2);
        } catch (error) {
          expect(String(error)).toMatch(/are damaged/);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("says what is wrong", () => {
    function f(bytes: readonly number[], want: string): void {
      expect(() => decode(Uint8Array.from(bytes))).toThrow(want);
    }
    const keyMax = 2 * bucketKeyMax;
    f([], "it has no bytes");
    f([0, 0], "version 0, this release reads version 1");
    f([2, 0], "version 2, this release reads version 1");
    f([1], "it is cut off");
    f([1, 0, 0], "it has 3 bytes, its entries end at 2");
    f([1, 0x82, 0x20], `it has 4098 entries, the limit is ${sketchEntriesMax}`);
    f([1, 2, 2, 1, 0, 1], "key 1 is not above the one before it");
    f([1, 2, 2, 1, 1, 1], "key 1 is not above the one before it");
    f([1, 1, 2, 0], "the count of key 1 is 0");
    f([1, 1, (keyMax & 0x7f) | 0x80, ((keyMax >> 7) & 0x7f) | 0x80, (keyMax >> 14) + 1, 1], "is outside of ±71610");
    f([1, 1, 2, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x11], "a number is over 2^53");
    f([1, 1, 2, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1], "a number is longer than 8 bytes");
    // Keys 1 and 2,049, and keys -2,049 and -1.
    f([1, 2, 2, 1, 0x80, 0x20, 1], "span more than 2048 buckets");
    f([1, 2, 0x81, 0x20, 1, 0x80, 0x20, 1], "span more than 2048 buckets");
  });
});

describe("encodeSketch", () => {
  it("takes 6 bytes for one sample", () => {
    for (const value of [20.5, -3, 1e6]) expect(encodeSketch(sketchOf([value]), 0).length).toBe(6);
  });

  it("takes the most bytes that it may for full sketches with the largest counts, and no more", () => {
    const values = [0];
    for (let power = 970; power < 1_024; power += 1) {
      for (let s = 1; s < 2; s += 1 / 64) values.push(s * 2 ** power, -s * 2 ** power);
    }
    for (let power = 900; power < 970; power += 1) {
      for (let s = 1; s < 2; s += 1 / 64) values.push(s * 2 ** power, -s * 2 ** power);
    }
    const one = sketchOf(values);
    const table = sketchOf([]);
    mergeSketch(table, 0, one, 0);
    for (let i = 0; i < 50; i += 1) mergeSketch(table, 0, table, 0);
    expect(table.sizes[0]).toBe(sketchEntriesMax);
    expect(encodeSketch(table, 0).length).toBe(sketchEncodedBytesMax);
  });

  it("gives bytes that are the caller's own", () => {
    const first = encodeSketch(sketchOf([1]), 0);
    const before = [...first];
    encodeSketch(sketchOf([-5, 2, 3]), 0);
    expect([...first]).toEqual(before);
    expect(first.buffer.byteLength).toBe(first.length);
  });
});
