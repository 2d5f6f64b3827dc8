/**
 * Quantile sketches as columns: DDSketch (Masson, Rim and Lee, "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with
 * Relative-Error Guarantees", VLDB 2019). A sketch counts values in buckets whose bounds grow by a constant factor, so
 * that a quantile is known within 1 % of its value, and the sum of two sketches is the sketch of all their values.
 *
 * A sketch is a list of its buckets that are not empty, in the order of the values: a few samples cost a few entries. The
 * lists of a table lie together in two arrays, in blocks of 1, 2, 4 and on entries. Plain data, so that it can be posted
 * to another thread.
 */
export interface SketchTable {
  length: number;
  /** By sketch: where its block begins; -1 when it has none. */
  offsets: Int32Array;
  /** By sketch: entries in use. */
  lengths: Uint16Array;
  /** By sketch: its block has room for 2 to this power. */
  classes: Uint8Array;
  /** Keys of buckets (`keyOf`), ascending within a sketch. The first of a free block links to the next one. */
  keys: Int32Array;
  counts: Float64Array;
  /** Entries in blocks, used or free. */
  used: number;
  /** By class: the first free block; -1 when there is none. */
  free: Int32Array;
}

/** A quantile is at most this far from an exact one, as a part of its value. */
export const sketchErrorMax = 0.01;
/**
 * Buckets per sign: 17 decades of magnitude. A wider sketch counts its values of smallest magnitude in the last of them.
 */
export const bucketsMax = 2_048;
/** With both signs, and zero: 48 KiB in memory, at most some 20 KiB encoded. */
export const entriesMax = 2 * bucketsMax + 1;

/** The last one has room for two whole sketches, before they are folded. */
const classesMax = 15;

export function createSketchTable(capacity = 64): SketchTable {
  return {
    length: 0,
    offsets: new Int32Array(capacity),
    lengths: new Uint16Array(capacity),
    classes: new Uint8Array(capacity),
    keys: new Int32Array(capacity),
    counts: new Float64Array(capacity),
    used: 0,
    free: new Int32Array(classesMax).fill(-1),
  };
}

/** Makes sketch `at` empty; `at` is an existing index or the next one. */
export function clearSketch(table: SketchTable, at: number): void {
  if (at < table.length) release(table, at);
  else {
    if (at === table.offsets.length) growTable(table);
    table.length = at + 1;
  }
  table.offsets[at] = -1;
  table.lengths[at] = 0;
}

/** Takes the last sketch away. */
export function dropSketch(table: SketchTable): void {
  table.length -= 1;
  release(table, table.length);
}

/** @param value finite */
export function addToSketch(table: SketchTable, at: number, value: number): void {
  addToBucket(table, at, keyOf(value), 1);
}

/** Adds sketch `index` of another table to sketch `at`. Associative and commutative, exactly. */
export function mergeSketch(to: SketchTable, at: number, from: SketchTable, index: number): void {
  const length = from.lengths[index];
  const start = from.offsets[index];
  if (to.lengths[at] === 0) {
    setSketch(to, at, from, index);
  } else if (length <= fewEntries) {
    for (let i = start; i < start + length; i += 1) addToBucket(to, at, from.keys[i], from.counts[i]);
  } else mergeLists(to, at, from, index);
}

/** Gives sketch `at` the buckets of sketch `index` of another table. */
export function setSketch(to: SketchTable, at: number, from: SketchTable, index: number): void {
  const length = from.lengths[index];
  const start = from.offsets[index];
  makeRoom(to, at, length);
  const target = to.offsets[at];
  for (let i = 0; i < length; i += 1) {
    to.keys[target + i] = from.keys[start + i];
    to.counts[target + i] = from.counts[start + i];
  }
  to.lengths[at] = length;
}

/**
 * The value of which a part `q` (0 to 1) of all others are smaller: the one at rank floor(q * (count - 1)), within
 * `sketchErrorMax`. NaN when the sketch is empty.
 */
export function quantileOf(table: SketchTable, at: number, q: number): number {
  const start = table.offsets[at];
  const end = start + table.lengths[at];
  let total = 0;
  for (let i = start; i < end; i += 1) total += table.counts[i];
  let left = Math.floor(q * (total - 1));
  for (let i = start; i < end; i += 1) {
    left -= table.counts[i];
    if (left < 0) return bucketValue(table.keys[i]);
  }
  return Number.NaN;
}

/** Replaces sketch `at` by these buckets, which must be in order and within the bounds of a sketch. */
export function setBuckets(
  table: SketchTable,
  at: number,
  keys: Int32Array,
  counts: Float64Array,
  length: number,
): void {
  makeRoom(table, at, length);
  for (let i = 0; i < length; i += 1) {
    table.keys[table.offsets[at] + i] = keys[i];
    table.counts[table.offsets[at] + i] = counts[i];
  }
  table.lengths[at] = length;
}

/** Bytes that a table holds. */
export function sketchBytes({ offsets, lengths, classes, keys, counts }: SketchTable): number {
  return [offsets, lengths, classes, keys, counts].reduce((sum, column) => sum + column.byteLength, 0);
}

// Buckets: the logarithm is taken piecewise. For a value of exponent e and mantissa 1 + s, the cubic
//
//     P(s) = ((6/35 s - 3/5) s + 10/7) s,   P(0) = 0, P(1) = 1
//
// makes e + P(s) a line that grows with the logarithm, nowhere slower than 10/7 per factor of Euler's number: buckets of
// equal width on it have bounds whose ratio is at most gamma. It is a third as dear as Math.log, for 1 % more buckets
// ("cubic interpolation" in the paper's reference implementations).
const a = 6 / 35;
const b = -3 / 5;
const c = 10 / 7;
const gamma = (1 + sketchErrorMax) / (1 - sketchErrorMax);
const bucketsPerOctave = 1 / (c * Math.log(gamma));

/** Above every index of a bucket, so that keys are in the order of values: negative, zero, positive. */
const keyOffset = 40_000;
const double = new Float64Array(1);
/** The halves of `double`, the lower one first: every machine of Node is little-endian. */
const halves = new Uint32Array(double.buffer);
const smallest = 2 ** -1022;
/** Keys of the smallest and the largest magnitude that are not zero. */
export const keyMin = keyOf(smallest);
export const keyMax = keyOf(Number.MAX_VALUE);

/** The bucket of a value. Subnormal ones count as zero. */
function keyOf(value: number): number {
  const magnitude = Math.abs(value);
  if (magnitude < smallest) return 0;
  double[0] = magnitude;
  const high = halves[1];
  halves[1] = (high & 0x000f_ffff) | 0x3ff0_0000;
  const s = double[0] - 1;
  const line = (high >>> 20) - 1_023 + ((a * s + b) * s + c) * s;
  const key = Math.ceil(line * bucketsPerOctave) + keyOffset;
  return value < 0 ? -key : key;
}

/** The value of a bucket that is nearest, as a part of itself, to all others in it. */
function bucketValue(key: number): number {
  if (key === 0) return 0;
  const bucket = Math.abs(key) - keyOffset;
  const low = boundOf(bucket - 1);
  const high = boundOf(bucket);
  // 2 low high / (low + high), without an overflow.
  const value = low * (2 / (1 + low / high));
  return key < 0 ? -value : value;
}

function boundOf(bucket: number): number {
  const line = bucket / bucketsPerOctave;
  const exponent = Math.floor(line);
  const wanted = line - exponent;
  let s = wanted;
  // Newton's method: P is nearly a line.
  for (let i = 0; i < 6; i += 1) s -= (((a * s + b) * s + c) * s - wanted) / ((3 * a * s + 2 * b) * s + c);
  return exponent > 1_023 ? Number.MAX_VALUE : (1 + s) * 2 ** exponent;
}

/** Merged one by one: each is found by bisection. */
const fewEntries = 4;

function addToBucket(table: SketchTable, at: number, key: number, count: number): void {
  const start = table.offsets[at];
  const length = table.lengths[at];
  const { keys } = table;
  let low = start;
  let high = start + length;
  if (length > 0) {
    // Where it is when no bucket before it is empty, as in a sketch of many samples; never further on.
    const guess = start + Math.min(Math.max(0, key - keys[start]), length - 1);
    if (keys[guess] === key) {
      table.counts[guess] += count;
      return;
    }
    if (keys[guess] > key) high = guess;
  }
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle] < key) low = middle + 1;
    else high = middle;
  }
  if (low < start + length && keys[low] === key) {
    table.counts[low] += count;
    return;
  }
  insert(table, at, length === 0 ? 0 : low - start, key, count);
  fold(table, at);
}

function insert(table: SketchTable, at: number, place: number, key: number, count: number): void {
  const length = table.lengths[at];
  makeRoom(table, at, length + 1);
  const start = table.offsets[at];
  const { keys, counts } = table;
  for (let i = start + length; i > start + place; i -= 1) {
    keys[i] = keys[i - 1];
    counts[i] = counts[i - 1];
  }
  keys[start + place] = key;
  counts[start + place] = count;
  table.lengths[at] = length + 1;
}

const mergedKeys = new Int32Array(2 * entriesMax);
const mergedCounts = new Float64Array(2 * entriesMax);

function mergeLists(to: SketchTable, at: number, from: SketchTable, index: number): void {
  let i = to.offsets[at];
  let j = from.offsets[index];
  const iEnd = i + to.lengths[at];
  const jEnd = j + from.lengths[index];
  let length = 0;
  while (i < iEnd || j < jEnd) {
    const iKey = i < iEnd ? to.keys[i] : Number.MAX_SAFE_INTEGER;
    const jKey = j < jEnd ? from.keys[j] : Number.MAX_SAFE_INTEGER;
    const key = iKey < jKey ? iKey : jKey;
    let count = 0;
    if (iKey === key) count += to.counts[i++];
    if (jKey === key) count += from.counts[j++];
    mergedKeys[length] = key;
    mergedCounts[length] = count;
    length += 1;
  }
  // Twice as many as a sketch may have, at most; the last block class has room for them.
  setBuckets(to, at, mergedKeys, mergedCounts, length);
  fold(to, at);
}

/**
 * Keeps each sign within `bucketsMax` keys of its largest magnitude. Which bucket takes a value depends on that alone, so
 * folding at any time, and again, comes to the same.
 */
function fold(table: SketchTable, at: number): void {
  const start = table.offsets[at];
  const length = table.lengths[at];
  const { keys, counts } = table;
  const lowest = keys[start];
  const highest = keys[start + length - 1];
  if (highest - lowest < bucketsMax) return;
  const negativeMax = lowest < 0 ? lowest + bucketsMax - 1 : 0;
  const positiveMin = highest > 0 ? highest - bucketsMax + 1 : 0;
  let kept = start;
  for (let i = start; i < start + length; i += 1) {
    let key = keys[i];
    if (key < 0 && key > negativeMax) key = negativeMax;
    else if (key > 0 && key < positiveMin) key = positiveMin;
    if (kept > start && keys[kept - 1] === key) counts[kept - 1] += counts[i];
    else {
      keys[kept] = key;
      counts[kept] = counts[i];
      kept += 1;
    }
  }
  table.lengths[at] = kept - start;
}

/** Gives a sketch a block with room for so many entries; those it has move along. */
function makeRoom(table: SketchTable, at: number, length: number): void {
  const before = table.offsets[at];
  if (length === 0 || (before >= 0 && length <= 1 << table.classes[at])) return;
  const size = length === 1 ? 0 : 32 - Math.clz32(length - 1);
  const block = takeBlock(table, size);
  if (before >= 0) {
    table.keys.copyWithin(block, before, before + table.lengths[at]);
    table.counts.copyWithin(block, before, before + table.lengths[at]);
    release(table, at);
  }
  table.offsets[at] = block;
  table.classes[at] = size;
}

function takeBlock(table: SketchTable, size: number): number {
  const free = table.free[size];
  if (free >= 0) {
    table.free[size] = table.keys[free];
    return free;
  }
  const block = table.used;
  table.used += 1 << size;
  if (table.used > table.keys.length) growArena(table);
  return block;
}

function release(table: SketchTable, at: number): void {
  const block = table.offsets[at];
  if (block < 0) return;
  const size = table.classes[at];
  table.keys[block] = table.free[size];
  table.free[size] = block;
}

function growArena(table: SketchTable): void {
  const capacity = Math.max(table.used, Math.ceil(table.keys.length * 1.5));
  const keys = new Int32Array(capacity);
  keys.set(table.keys);
  table.keys = keys;
  const counts = new Float64Array(capacity);
  counts.set(table.counts);
  table.counts = counts;
}

function growTable(table: SketchTable): void {
  const capacity = table.offsets.length * 2;
  const offsets = new Int32Array(capacity);
  offsets.set(table.offsets);
  table.offsets = offsets;
  const lengths = new Uint16Array(capacity);
  lengths.set(table.lengths);
  table.lengths = lengths;
  const classes = new Uint8Array(capacity);
  classes.set(table.classes);
  table.classes = classes;
}
