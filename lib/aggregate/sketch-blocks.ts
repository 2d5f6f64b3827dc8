import type { SketchEntries } from "./sketch-entries.ts";

/**
 * Entries of sketches, a key and a count each, in blocks of 1, 2, 4, 8, ... of them. Blocks are kept as buddies
 * (Knowlton 1965): a block of order `n` has `2^n` entries and starts at a multiple of that, and two free halves of
 * one block become that block again. Sketches that grow in step would otherwise leave one free block of each smaller
 * order behind them.
 */
export interface SketchBlocks extends SketchEntries {
  /** The bytes of `counts`. A free block's first two are the next and the previous free block of its order, or -1. */
  links: Int32Array;
  /** By order, the first free block, or -1. */
  freeBlocks: Int32Array;
  /** By order, how many are free. */
  freeCounts: Int32Array;
  /** Entries `0..used` are in blocks, free or not. */
  used: number;
}

/** 16,384 entries: two full sketches, while they merge. */
const orderMax = 14;
/** Plus the order, this is the first key of a free block: far above every bucket's key. */
const freeKey = 0x4000_0000;

/**
 * Free entries of one order that are not joined. Without it, a block that is taken and given back by turns may be cut
 * out of the largest and joined to it again each time: a sketch of one sample took six times as long.
 */
const spareEntries = 256;

export function createBlocks(capacity: number): SketchBlocks {
  const counts = new Float64Array(capacity);
  return {
    keys: new Int32Array(capacity),
    counts,
    links: new Int32Array(counts.buffer),
    freeBlocks: new Int32Array(orderMax + 1).fill(-1),
    freeCounts: new Int32Array(orderMax + 1),
    used: 0,
  };
}

/** The order of the smallest block that holds `size` entries, at least 1. */
export function blockOrder(size: number): number {
  return 32 - Math.clz32(size - 1);
}

/** A block with room for `size` entries, to be written. `keys`, `counts` and `links` may be other arrays afterwards. */
export function allocateBlock(blocks: SketchBlocks, size: number): number {
  const order = blockOrder(size);
  let found = order;
  while (found <= orderMax && blocks.freeBlocks[found] < 0) found += 1;
  if (found > orderMax) return appendBlock(blocks, order);

  const start = blocks.freeBlocks[found];
  unlink(blocks, start, found);
  for (let half = found - 1; half >= order; half -= 1) link(blocks, start + 2 ** half, half);
  blocks.keys[start] = 0;
  return start;
}

/** Takes back a block that was allocated for `size` entries. */
export function releaseBlock(blocks: SketchBlocks, start: number, size: number): void {
  release(blocks, start, blockOrder(size));
}

/** A new block behind all others; what it must leave out to be aligned becomes free blocks. */
function appendBlock(blocks: SketchBlocks, order: number): number {
  const size = 2 ** order;
  const start = Math.ceil(blocks.used / size) * size;
  if (start + size > blocks.keys.length) grow(blocks, start + size);
  while (blocks.used < start) {
    const free = blocks.used;
    const freeOrder = 31 - Math.clz32(free & -free);
    blocks.used += 2 ** freeOrder;
    release(blocks, free, freeOrder);
  }
  blocks.used = start + size;
  blocks.keys[start] = 0;
  return start;
}

/** By half: doubling would leave as much unused as used. */
function grow(blocks: SketchBlocks, needed: number): void {
  const capacity = Math.max(needed, Math.ceil(blocks.keys.length * 1.5));
  const keys = new Int32Array(capacity);
  keys.set(blocks.keys);
  const counts = new Float64Array(capacity);
  counts.set(blocks.counts);
  blocks.keys = keys;
  blocks.counts = counts;
  blocks.links = new Int32Array(counts.buffer);
}

function release(blocks: SketchBlocks, block: number, blockOrder: number): void {
  let start = block;
  let order = blockOrder;
  while (order < orderMax && blocks.freeCounts[order] << order >= spareEntries) {
    // There is always a block that starts here: one that began before it would have `start` inside.
    const buddy = start ^ (1 << order);
    if (buddy >= blocks.used || blocks.keys[buddy] !== freeKey + order) break;
    unlink(blocks, buddy, order);
    start = Math.min(start, buddy);
    order += 1;
  }
  link(blocks, start, order);
}

function link(blocks: SketchBlocks, start: number, order: number): void {
  const { keys, links, freeBlocks } = blocks;
  const next = freeBlocks[order];
  keys[start] = freeKey + order;
  links[2 * start] = next;
  links[2 * start + 1] = -1;
  if (next >= 0) links[2 * next + 1] = start;
  freeBlocks[order] = start;
  blocks.freeCounts[order] += 1;
}

function unlink(blocks: SketchBlocks, start: number, order: number): void {
  const { links, freeBlocks } = blocks;
  const next = links[2 * start];
  const previous = links[2 * start + 1];
  if (next >= 0) links[2 * next + 1] = previous;
  if (previous >= 0) links[2 * previous] = next;
  else freeBlocks[order] = next;
  blocks.freeCounts[order] -= 1;
}
