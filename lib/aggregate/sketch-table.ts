import assert from "node:assert/strict";
import { allocateBlock, blockOrder, createBlocks, releaseBlock, type SketchBlocks } from "./sketch-blocks.ts";
import { bucketKey, bucketValue, sketchBucketsMax, sketchEntriesMax } from "./sketch-bucket.ts";
import { decoded, decodeEntries, encodeEntries } from "./sketch-encoding.ts";
import { copyEntries, foldRun, lowerBound, moveUp } from "./sketch-entries.ts";

/**
 * Quantile sketches, DDSketch with a relative error of at most 1 % (see `sketch-bucket.ts`), as columns: entry `i` of
 * `starts` and `sizes` belongs to sketch `i`. A sketch is the list of its buckets that have samples, by key. Plain
 * data, so that it can be posted to another thread. Columns may be longer than `length`.
 *
 * Equal samples make equal sketches, in whatever order and over however many sketches they were added and merged.
 */
export interface SketchTable extends SketchBlocks {
  length: number;
  /** Where a sketch's block starts; without meaning while it is empty. */
  starts: Int32Array;
  /** Entries of each sketch. Its block is the smallest that holds them. */
  sizes: Uint16Array;
}

/** Memory of the largest sketch, in bytes: its block, and its place in the columns. */
export const sketchBytesMax = 2 ** blockOrder(sketchEntriesMax) * (4 + 8) + (4 + 2);

export function createSketchTable(capacity = 64): SketchTable {
  return {
    ...createBlocks(capacity),
    length: 0,
    starts: new Int32Array(capacity),
    sizes: new Uint16Array(capacity),
  };
}

/** Makes sketch `at` empty. `at` is an existing index or the next one: then the table grows. */
export function clearSketch(table: SketchTable, at: number): void {
  if (at > table.length) assert.fail("a sketch is added next to the last one");
  if (at === table.length) {
    if (at === table.starts.length) growColumns(table);
    table.length += 1;
  } else if (table.sizes[at] > 0) {
    releaseBlock(table, table.starts[at], table.sizes[at]);
  }
  table.sizes[at] = 0;
}

/** Takes the last sketch away. */
export function dropSketch(table: SketchTable): void {
  clearSketch(table, table.length - 1);
  table.length -= 1;
}

/** @param value finite */
export function addToSketch(table: SketchTable, at: number, value: number): void {
  const key = bucketKey(value);
  const { keys } = table;
  const start = table.starts[at];
  // Readings of one sensor fill neighbouring buckets: without gaps below it, a key is as far from the first as its entry.
  // This takes a third of the time of the search.
  const entry = start + key - keys[start];
  if (entry >= start && entry < start + table.sizes[at] && keys[entry] === key) table.counts[entry] += 1;
  else addCount(table, at, key, 1);
}

/**
 * Merges sketch `index` of another table, or of the same, into sketch `at`: the result is that of all their samples
 * together.
 */
export function mergeSketch(to: SketchTable, at: number, from: SketchTable, index: number): void {
  const size = to.sizes[at];
  const fromSize = from.sizes[index];
  if (fromSize === 0) return;
  if (size === 0) {
    setSketch(to, at, from, index);
  } else if (fromSize * 8 <= size) {
    // A search for each takes less time than to walk through all.
    for (let i = 0; i < fromSize; i += 1) {
      const entry = from.starts[index] + i;
      addCount(to, at, from.keys[entry], from.counts[entry]);
    }
  } else {
    const union = unionSize(to, at, from, index);
    if (union === size) addCounts(to, at, from, index);
    else mergeEntries(to, at, from, index, union);
  }
}

/** Gives sketch `at`, which exists, a copy of sketch `index` of another table or of the same. */
export function setSketch(to: SketchTable, at: number, from: SketchTable, index: number): void {
  const size = from.sizes[index];
  makeRoom(to, at, size);
  copyEntries(from, from.starts[index], to, to.starts[at], size);
}

/** The value at rank `floor(q (n - 1))` of a sketch's `n` samples, within 1 %; NaN if there are none. @param q 0 to 1 */
export function quantileOf(table: SketchTable, at: number, q: number): number {
  const { keys, counts } = table;
  const start = table.starts[at];
  const end = start + table.sizes[at];
  if (start === end) return Number.NaN;
  let total = 0;
  for (let i = start; i < end; i += 1) total += counts[i];
  const rank = Math.floor(q * (total - 1));
  let i = start;
  for (let seen = counts[i]; seen <= rank && i < end - 1; seen += counts[i]) i += 1;
  return bucketValue(keys[i]);
}

/** @returns bytes that are the caller's own, at most `sketchEncodedBytesMax`. */
export function encodeSketch(table: SketchTable, at: number): Uint8Array {
  return encodeEntries(table, table.starts[at], table.sizes[at]);
}

/**
 * Gives sketch `at`, which exists, the entries that were encoded. Throws Error where the bytes are of another version
 * or damaged; then the sketch is as before.
 */
export function decodeSketch(table: SketchTable, at: number, bytes: Uint8Array): void {
  decodeEntries(bytes);
  makeRoom(table, at, decoded.size);
  copyEntries(decoded, 0, table, table.starts[at], decoded.size);
}

/** Memory that the table holds, in bytes, used or not. */
export function sketchBytes(table: SketchTable): number {
  const { keys, counts, freeBlocks, freeCounts, starts, sizes } = table;
  return [keys, counts, freeBlocks, freeCounts, starts, sizes].reduce((sum, column) => sum + column.byteLength, 0);
}

/** @param anyKey of a bucket that the sketch may not keep */
function addCount(table: SketchTable, at: number, anyKey: number, count: number): void {
  const { keys, counts } = table;
  const size = table.sizes[at];
  const start = table.starts[at];
  const end = start + size;
  let key = anyKey;
  if (size > 0) {
    if (key > 0) key = Math.max(key, keys[end - 1] - sketchBucketsMax + 1);
    else if (key < 0) key = Math.min(key, keys[start] + sketchBucketsMax - 1);
  }
  const entry = lowerBound(keys, start, end, key);
  if (entry < end && keys[entry] === key) {
    counts[entry] += count;
    return;
  }
  insert(table, at, entry - start, key, count);
  if (entry === start || entry === end) foldSmallest(table, at);
}

function insert(table: SketchTable, at: number, position: number, key: number, count: number): void {
  const size = table.sizes[at];
  const before = table.starts[at];
  // A block is full when the size is a power of two, or 0.
  const full = (size & (size - 1)) === 0;
  const start = full ? allocateBlock(table, size + 1) : before;
  const { keys, counts } = table;
  moveUp(table, before + position, start + position + 1, size - position);
  if (full && size > 0) {
    copyEntries(table, before, table, start, position);
    releaseBlock(table, before, size);
  }
  keys[start + position] = key;
  counts[start + position] = count;
  table.starts[at] = start;
  table.sizes[at] = size + 1;
}

/** Adds the counts of a sketch whose keys are all in sketch `at`. */
function addCounts(to: SketchTable, at: number, from: SketchTable, index: number): void {
  const { keys, counts } = to;
  const { keys: fromKeys, counts: fromCounts } = from;
  const fromStart = from.starts[index];
  const fromEnd = fromStart + from.sizes[index];
  let i = to.starts[at];
  for (let j = fromStart; j < fromEnd; j += 1) {
    const key = fromKeys[j];
    while (keys[i] < key) i += 1;
    counts[i] += fromCounts[j];
  }
}

/** How many keys two sketches have together. */
function unionSize(to: SketchTable, at: number, from: SketchTable, index: number): number {
  const { keys } = to;
  const { keys: fromKeys } = from;
  let i = to.starts[at];
  let j = from.starts[index];
  const end = i + to.sizes[at];
  const fromEnd = j + from.sizes[index];
  let size = 0;
  while (i < end && j < fromEnd) {
    const difference = keys[i] - fromKeys[j];
    // Not branches, as in lowerBound: on to the next where the key is not above the other.
    i += 1 + (-difference >> 31);
    j += 1 + (difference >> 31);
    size += 1;
  }
  return size + (end - i) + (fromEnd - j);
}

/** Merges from the largest key down, in the block of sketch `at` where it has room for `union` entries. */
function mergeEntries(to: SketchTable, at: number, from: SketchTable, index: number, union: number): void {
  const size = to.sizes[at];
  const before = to.starts[at];
  const start = blockOrder(union) === blockOrder(size) ? before : allocateBlock(to, union);
  const { keys, counts } = to;
  const { keys: fromKeys, counts: fromCounts } = from;
  const fromStart = from.starts[index];
  let i = before + size - 1;
  let j = fromStart + from.sizes[index] - 1;
  let entry = start + union - 1;
  for (; j >= fromStart; entry -= 1) {
    const fromKey = fromKeys[j];
    if (i < before || keys[i] < fromKey) {
      keys[entry] = fromKey;
      counts[entry] = fromCounts[j];
      j -= 1;
    } else {
      keys[entry] = keys[i];
      counts[entry] = counts[i];
      if (keys[i] === fromKey) {
        counts[entry] += fromCounts[j];
        j -= 1;
      }
      i -= 1;
    }
  }
  if (start !== before) {
    copyEntries(to, before, to, start, i - before + 1);
    releaseBlock(to, before, size);
  }
  to.starts[at] = start;
  to.sizes[at] = union;
  foldSmallest(to, at);
}

/** Folds what is `sketchBucketsMax` buckets or more below the largest of its sign. */
function foldSmallest(table: SketchTable, at: number): void {
  const { keys } = table;
  const start = table.starts[at];
  let end = start + table.sizes[at];
  const first = keys[start];
  const last = keys[end - 1];
  if (last - first < sketchBucketsMax) return;
  const lowest = last - sketchBucketsMax + 1;
  if (lowest > 1) {
    end -= foldRun(table, lowerBound(keys, start, end, 1), lowerBound(keys, start, end, lowest + 1), end, lowest);
  }
  const highest = first + sketchBucketsMax - 1;
  if (highest < -1) {
    end -= foldRun(table, lowerBound(keys, start, end, highest), lowerBound(keys, start, end, 0), end, highest);
  }
  shrink(table, at, end - start);
}

/** Keeps the first `size` entries, in a block that is no larger than they need. */
function shrink(table: SketchTable, at: number, size: number): void {
  const before = table.sizes[at];
  table.sizes[at] = size;
  if (blockOrder(size) === blockOrder(before)) return;
  const from = table.starts[at];
  const start = allocateBlock(table, size);
  copyEntries(table, from, table, start, size);
  releaseBlock(table, from, before);
  table.starts[at] = start;
}

/** Gives sketch `at` a block for `size` entries. What entries it had are lost, unless it needs the same block. */
function makeRoom(table: SketchTable, at: number, size: number): void {
  const before = table.sizes[at];
  table.sizes[at] = size;
  if (before > 0 && size > 0 && blockOrder(before) === blockOrder(size)) return;
  if (before > 0) releaseBlock(table, table.starts[at], before);
  if (size > 0) table.starts[at] = allocateBlock(table, size);
}

function growColumns(table: SketchTable): void {
  const capacity = Math.max(16, table.length * 2);
  const starts = new Int32Array(capacity);
  starts.set(table.starts);
  table.starts = starts;
  const sizes = new Uint16Array(capacity);
  sizes.set(table.sizes);
  table.sizes = sizes;
}
