import { bucketsMax, entriesMax, keyMax, keyMin, type SketchTable, setBuckets } from "./sketch-table.ts";

/**
 * A sketch as bytes, for the store:
 *
 *     version u8, entries varint, then per entry: key - key before it (zigzag varint), count (varint)
 *
 * One sample takes 6 bytes, 100 different buckets some 250.
 */
const version = 1;

const varintBytesMax = 8;
const scratch = new Uint8Array(1 + 3 + entriesMax * (3 + varintBytesMax));

/** @returns bytes of their own */
export function encodeSketch({ offsets, lengths, keys, counts }: SketchTable, at: number): Uint8Array {
  const start = offsets[at];
  const length = lengths[at];
  scratch[0] = version;
  let end = putVarint(length, 1);
  let before = 0;
  for (let i = start; i < start + length; i += 1) {
    const delta = keys[i] - before;
    end = putVarint(delta < 0 ? -2 * delta - 1 : 2 * delta, end);
    end = putVarint(counts[i], end);
    before = keys[i];
  }
  return scratch.slice(0, end);
}

const decodedKeys = new Int32Array(entriesMax);
const decodedCounts = new Float64Array(entriesMax);

/** Gives sketch `at` what was encoded. @throws Error when the bytes are damaged, or of another version */
export function decodeSketch(table: SketchTable, at: number, bytes: Uint8Array): void {
  if (bytes[0] !== version) throw new Error(`a sketch has version ${bytes[0]}, this program reads version ${version}`);
  position = 1;
  const length = takeVarint(bytes);
  if (length > entriesMax) throw new Error(`a sketch has ${length} entries, at most ${entriesMax} are possible`);
  let before = 0;
  for (let i = 0; i < length; i += 1) {
    const zigzag = takeVarint(bytes);
    const delta = zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
    const key = before + delta;
    const count = takeVarint(bytes);
    if ((i > 0 && delta <= 0) || !isKey(key) || count === 0 || count > Number.MAX_SAFE_INTEGER) {
      throw new Error(`entry ${i} of a sketch is damaged: key ${key} after ${before}, count ${count}`);
    }
    decodedKeys[i] = key;
    decodedCounts[i] = count;
    before = key;
  }
  checkWidth(length);
  if (position !== bytes.length) throw new Error(`a sketch has ${bytes.length} bytes, ${position} of them are used`);
  setBuckets(table, at, decodedKeys, decodedCounts, length);
}

function isKey(key: number): boolean {
  const magnitude = Math.abs(key);
  return key === 0 || (magnitude >= keyMin && magnitude <= keyMax);
}

/** Each sign keeps within `bucketsMax` keys of its largest magnitude. */
function checkWidth(length: number): void {
  const keys = decodedKeys;
  let positive = 0;
  while (positive < length && keys[positive] < 0) positive += 1;
  const negativeWidth = positive === 0 ? 0 : keys[positive - 1] - keys[0];
  if (positive < length && keys[positive] === 0) positive += 1;
  const positiveWidth = positive === length ? 0 : keys[length - 1] - keys[positive];
  if (negativeWidth >= bucketsMax || positiveWidth >= bucketsMax) {
    throw new Error(`a sketch is damaged: it is wider than ${bucketsMax} buckets per sign`);
  }
}

/** @param value a whole number up to 2^53 @returns where it ends */
function putVarint(value: number, at: number): number {
  let rest = value;
  let end = at;
  for (; rest >= 128; rest = Math.floor(rest / 128)) scratch[end++] = (rest % 128) | 128;
  scratch[end++] = rest;
  return end;
}

/** Where `takeVarint` reads. */
let position = 0;

function takeVarint(bytes: Uint8Array): number {
  let value = 0;
  let unit = 1;
  for (let i = 0; i < varintBytesMax; i += 1) {
    const byte = bytes[position++];
    if (byte === undefined) throw new Error("a sketch is cut off");
    value += (byte & 127) * unit;
    // As short as it can be, so that equal sketches have equal bytes.
    if (byte === 0 && i > 0) break;
    if (byte < 128) return value;
    unit *= 128;
  }
  throw new Error("a number in a sketch is too long");
}
