import { bucketKeyMax, sketchBucketsMax, sketchEntriesMax } from "./sketch-bucket.ts";
import type { SketchEntries } from "./sketch-entries.ts";

/**
 * A sketch as bytes: the version, the number of entries, then for each entry the difference of its key to the one
 * before, zigzag, and its count. Numbers are varints (https://protobuf.dev/programming-guides/encoding/).
 */
const version = 1;

/** Counts are doubles: exact up to here. */
const countMax = 2 ** 53;
const countBytesMax = 8;
/**
 * A byte and a count for each entry, and two bytes more where keys lie further apart: in front of the first, of zero
 * and of the first positive. Where 64 keys or more are left out, entries are missing that would take more.
 */
export const sketchEncodedBytesMax = 1 + 2 + sketchEntriesMax * (1 + countBytesMax) + 3 * 2;

const scratch = new Uint8Array(sketchEncodedBytesMax);

/** @returns bytes that are the caller's own. */
export function encodeEntries({ keys, counts }: SketchEntries, start: number, size: number): Uint8Array {
  scratch[0] = version;
  let length = writeVarint(1, size);
  let previous = 0;
  for (let i = start; i < start + size; i += 1) {
    const delta = keys[i] - previous;
    previous = keys[i];
    length = writeVarint(length, (delta << 1) ^ (delta >> 31));
    length = writeVarint(length, counts[i]);
  }
  return scratch.slice(0, length);
}

/** Entries that were decoded, until the next are. */
export const decoded = {
  size: 0,
  keys: new Int32Array(sketchEntriesMax),
  counts: new Float64Array(sketchEntriesMax),
};

/** Reads bytes that come from outside into `decoded`. Throws Error where they are not those of a sketch. */
export function decodeEntries(bytes: Uint8Array): void {
  if (bytes.length === 0) throw damaged("it has no bytes");
  if (bytes[0] !== version) throw new Error(`a sketch has version ${bytes[0]}, this release reads version ${version}`);
  position = 1;
  const size = readVarint(bytes);
  if (size > sketchEntriesMax) throw damaged(`it has ${size} entries, the limit is ${sketchEntriesMax}`);
  const { keys, counts } = decoded;
  let key = 0;
  for (let i = 0; i < size; i += 1) {
    const zigzag = readVarint(bytes);
    const delta = zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
    if (i > 0 && delta <= 0) throw damaged(`key ${i} is not above the one before it`);
    key += delta;
    if (Math.abs(key) > bucketKeyMax) throw damaged(`key ${key} is outside of ±${bucketKeyMax}`);
    const count = readVarint(bytes);
    if (count === 0) throw damaged(`the count of key ${key} is 0`);
    keys[i] = key;
    counts[i] = count;
  }
  if (position !== bytes.length) throw damaged(`it has ${bytes.length} bytes, its entries end at ${position}`);
  if (!isFolded(keys, size)) throw damaged(`its keys span more than ${sketchBucketsMax} buckets of one sign`);
  decoded.size = size;
}

function isFolded(keys: Int32Array, size: number): boolean {
  const first = keys[0];
  const last = keys[size - 1];
  for (let i = 0; i < size; i += 1) {
    const key = keys[i];
    if (key > 0 ? last - key >= sketchBucketsMax : key < 0 && key - first >= sketchBucketsMax) return false;
  }
  return true;
}

/** Writes to `scratch` from `start`. @returns where the number ends. */
function writeVarint(start: number, value: number): number {
  let end = start;
  let rest = value;
  while (rest >= 0x80) {
    scratch[end++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  scratch[end++] = rest;
  return end;
}

/** Where `readVarint` reads. */
let position = 0;

function readVarint(bytes: Uint8Array): number {
  let value = 0;
  let scale = 1;
  for (let i = 0; i < countBytesMax; i += 1) {
    if (position >= bytes.length) throw damaged("it is cut off");
    const byte = bytes[position++];
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      if (value > countMax) throw damaged("a number is over 2^53");
      return value;
    }
    scale *= 0x80;
  }
  throw damaged(`a number is longer than ${countBytesMax} bytes`);
}

function damaged(problem: string): Error {
  return new Error(`the bytes of a sketch are damaged: ${problem}`);
}
