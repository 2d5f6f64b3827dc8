/** Keys and counts of sketches' entries, as columns. A sketch's entries lie together, by key. */
export interface SketchEntries {
  keys: Int32Array;
  /** Whole numbers, exact to 2^53. */
  counts: Float64Array;
}

/** With fewer, moving them one by one takes less time than calls do: of `copyWithin` below 36, of `set` below 64. */
const bulkEntriesMin = 48;

/**
 * The first entry of `start..end` whose key is at least `key`, or `end`. Keys differ by 1 or more, which bounds where
 * it can be from both ends: to one place where there are no gaps.
 */
export function lowerBound(keys: Int32Array, start: number, end: number, key: number): number {
  if (start === end) return end;
  let low = Math.min(end, Math.max(start, end - 1 - (keys[end - 1] - key)));
  let length = Math.min(end, start + key - keys[start]) - low;
  while (length > 0) {
    const half = (length + 1) >>> 1;
    // Not a branch, which nobody could foresee: the sign of the difference is all ones or all zeros.
    low += ((keys[low + half - 1] - key) >> 31) & half;
    length -= half;
  }
  return low;
}

/** Moves entries to a place further up, which may overlap, or to another block. */
export function moveUp({ keys, counts }: SketchEntries, from: number, to: number, size: number): void {
  if (size >= bulkEntriesMin) {
    keys.copyWithin(to, from, from + size);
    counts.copyWithin(to, from, from + size);
    return;
  }
  for (let i = size - 1; i >= 0; i -= 1) {
    keys[to + i] = keys[from + i];
    counts[to + i] = counts[from + i];
  }
}

/** Copies entries to another block, of the same table or of another. */
export function copyEntries(
  { keys: fromKeys, counts: fromCounts }: SketchEntries,
  from: number,
  { keys, counts }: SketchEntries,
  to: number,
  size: number,
): void {
  if (size >= bulkEntriesMin) {
    keys.set(fromKeys.subarray(from, from + size), to);
    counts.set(fromCounts.subarray(from, from + size), to);
    return;
  }
  for (let i = 0; i < size; i += 1) {
    keys[to + i] = fromKeys[from + i];
    counts[to + i] = fromCounts[from + i];
  }
}

/** Makes one entry of the entries `from..to` of those that end at `end`. @returns how many fewer there are. */
export function foldRun({ keys, counts }: SketchEntries, from: number, to: number, end: number, key: number): number {
  if (from === to) return 0;
  let sum = 0;
  for (let i = from; i < to; i += 1) sum += counts[i];
  keys[from] = key;
  counts[from] = sum;
  keys.copyWithin(from + 1, to, end);
  counts.copyWithin(from + 1, to, end);
  return to - from - 1;
}
