import { saturate } from "./saturate.ts";
import type { WindowTable } from "./window-table.ts";

/**
 * Counters only grow, and begin again at zero when their device does: a value below the one before it is a reset, and
 * counts whole. The increase of a span is last - first + its reset offset: the sum of the values from which the counter
 * fell.
 *
 * Spans that follow each other merge exactly. Those that overlap (late samples) do too while no sample shows a reset:
 * then the counter grew all the way, and the increase is last - first. Where a reset lies in an overlap, a summary
 * cannot tell which samples came before it: the larger of the two increases stands, marked approximate. A reset whose fall
 * lies between samples of both spans, and from which the counter had grown back within one of them, is not seen at all:
 * the increase is too small then, and not marked.
 */

/** `valuesBefore` of a window of several counters: `resetOffsets` is the whole increase then, exact beside any values. */
const ofGroup = Number.POSITIVE_INFINITY;

/** The increase of window `at` between its first sample and its last. NaN for a gauge. */
export function increaseOf(table: WindowTable, at: number): number {
  return saturate(table.lasts[at] - table.firsts[at] + table.resetOffsets[at]);
}

/** The increase of window `at` from the last sample before it, where that is known, to its last sample. */
export function increaseSinceBefore(table: WindowTable, at: number): number {
  const before = table.valuesBefore[at];
  if (before === ofGroup) return table.resetOffsets[at];
  if (Number.isNaN(before)) return increaseOf(table, at);
  const first = table.firsts[at];
  return increaseOf(table, at) + (first - before + fallBetween(before, first));
}

/** The time that `increaseSinceBefore` took, in milliseconds. */
export function increaseDurationMs(table: WindowTable, at: number): number {
  const beforeMs = table.timesBeforeMs[at];
  return table.lastTimesMs[at] - (Number.isNaN(beforeMs) ? table.firstTimesMs[at] : beforeMs);
}

/** The windows are of counters of several devices: `to` then tells the sum of their increases. */
export function mergeGroupCounter(to: WindowTable, at: number, from: WindowTable, index: number): () => void {
  const increase = (to.counts[at] === 0 ? 0 : increaseSinceBefore(to, at)) + increaseSinceBefore(from, index);
  const startMs = Math.min(
    to.counts[at] === 0 ? Number.POSITIVE_INFINITY : to.lastTimesMs[at] - increaseDurationMs(to, at),
    from.lastTimesMs[index] - increaseDurationMs(from, index),
  );
  const approximate = (to.counts[at] === 0 ? 0 : to.approximates[at]) | from.approximates[index];
  return () => {
    to.resetOffsets[at] = saturate(increase);
    to.valuesBefore[at] = ofGroup;
    to.timesBeforeMs[at] = startMs;
    to.approximates[at] = approximate;
  };
}

/** Merges reset offset and mark of window `index` into window `at`, before any other column is merged. */
export function mergeCounter(to: WindowTable, at: number, from: WindowTable, index: number): void {
  const offset = from.resetOffsets[index];
  if (to.counts[at] === 0) {
    to.resetOffsets[at] = offset;
    to.approximates[at] = from.approximates[index];
    return;
  }
  const offsetBefore = to.resetOffsets[at];
  // Gauges, the usual case: NaN is not equal to itself.
  if (Number.isNaN(offset) || Number.isNaN(offsetBefore)) return;
  to.approximates[at] |= from.approximates[index];
  if (follows(from, index, to, at)) {
    to.resetOffsets[at] = saturate(offsetBefore + offset + fallBetween(to.lasts[at], from.firsts[index]));
  } else if (follows(to, at, from, index)) {
    to.resetOffsets[at] = saturate(offsetBefore + offset + fallBetween(from.lasts[index], to.firsts[at]));
  } else if (offsetBefore !== 0 || offset !== 0 || !growsAllAlong(to, at, from, index)) {
    const increase = Math.max(increaseOf(to, at), increaseOf(from, index));
    to.resetOffsets[at] = Math.max(0, increase - (mergedLast(to, at, from, index) - mergedFirst(to, at, from, index)));
    to.approximates[at] = 1;
  }
}

/** What a fall to `after` takes from a counter that stood at `before`; 0 when it did not fall. */
export function fallBetween(before: number, after: number): number {
  return after < before ? before : 0;
}

/** Whether every sample of window `b` may be placed after every sample of window `a`. */
function follows(b: WindowTable, bAt: number, a: WindowTable, aAt: number): boolean {
  const endMs = a.lastTimesMs[aAt];
  const startMs = b.firstTimesMs[bAt];
  return startMs > endMs || (startMs === endMs && b.firsts[bAt] >= a.lasts[aAt]);
}

/** Whether the ends of two spans without a reset can lie on one line that never falls. */
function growsAllAlong(a: WindowTable, aAt: number, b: WindowTable, bAt: number): boolean {
  const ends: [timeMs: number, value: number][] = [
    [a.firstTimesMs[aAt], a.firsts[aAt]],
    [a.lastTimesMs[aAt], a.lasts[aAt]],
    [b.firstTimesMs[bAt], b.firsts[bAt]],
    [b.lastTimesMs[bAt], b.lasts[bAt]],
  ];
  ends.sort((x, y) => x[0] - y[0] || x[1] - y[1]);
  return ends.every(([, value], i) => i === 0 || value >= (ends[i - 1]?.[1] ?? value));
}

function mergedFirst(a: WindowTable, aAt: number, b: WindowTable, bAt: number): number {
  const aMs = a.firstTimesMs[aAt];
  const bMs = b.firstTimesMs[bAt];
  if (aMs === bMs) return Math.min(a.firsts[aAt], b.firsts[bAt]);
  return aMs < bMs ? a.firsts[aAt] : b.firsts[bAt];
}

function mergedLast(a: WindowTable, aAt: number, b: WindowTable, bAt: number): number {
  const aMs = a.lastTimesMs[aAt];
  const bMs = b.lastTimesMs[bAt];
  if (aMs === bMs) return Math.max(a.lasts[aAt], b.lasts[bAt]);
  return aMs > bMs ? a.lasts[aAt] : b.lasts[bAt];
}
