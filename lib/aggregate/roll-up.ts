import type { Tier } from "./tiers.ts";
import { TierWindows } from "./window-set.ts";
import { createWindowTable, mergeWindow, type WindowTable } from "./window-table.ts";

/**
 * A tier above the finest is stored window by window, when the window is over: it is merged from the tier below. Windows
 * that start before the tier's mark (`rolledMs`) are stored whole, and late samples are merged into them; what a store
 * has of later ones, if anything, does not count.
 */

/** What is stored, for those who merge it. */
export interface StoredWindows {
  /** Finest first. */
  readonly tiers: readonly Tier[];
  /** By tier: its mark. The finest has everything: infinity. */
  readonly rolledMs: readonly number[];
  /** The earliest stored start of a tier with `fromMs` <= start < `toMs`. */
  nextStart(widthMs: number, fromMs: number, toMs: number): number | undefined;
  /** Appends the stored windows of a tier with this start, of the series `first..last`, in the order of their ids. */
  readWindows(widthMs: number, startMs: number, first: number, last: number, into: WindowTable): void;
}

/** Series ids, both included. */
export interface SeriesRange {
  readonly first: number;
  readonly last: number;
}

/**
 * Merges into `into` what the tiers below have of a window of tier `t`, earliest first.
 * @param untilMs nothing is stored from here on: saves looking
 */
export function mergeBelow(
  stored: StoredWindows,
  t: number,
  startMs: number,
  series: SeriesRange,
  untilMs: number,
  into: TierWindows,
): void {
  const { widthMs } = stored.tiers[t - 1];
  const endMs = Math.min(startMs + into.widthMs, untilMs);
  const rolledMs = Math.min(endMs, stored.rolledMs[t - 1]);
  for (let at = stored.nextStart(widthMs, startMs, rolledMs); at !== undefined; ) {
    mergeStart(stored, widthMs, at, series, startMs, into);
    at = stored.nextStart(widthMs, at + widthMs, rolledMs);
  }
  if (t === 1) return;
  for (let at = Math.max(startMs, rolledMs); at < endMs; at += widthMs) {
    const below = new TierWindows(widthMs);
    mergeBelow(stored, t - 1, at, series, untilMs, below);
    mergeAll(below.table, startMs, into);
  }
}

/** Merges the stored windows of one start into the windows that start at `startMs`. @returns how many there were */
export function mergeStart(
  stored: StoredWindows,
  widthMs: number,
  atMs: number,
  { first, last }: SeriesRange,
  startMs: number,
  into: TierWindows,
): number {
  const rows = createWindowTable();
  stored.readWindows(widthMs, atMs, first, last, rows);
  mergeAll(rows, startMs, into);
  return rows.length;
}

function mergeAll(from: WindowTable, startMs: number, into: TierWindows): void {
  for (let i = 0; i < from.length; i += 1) {
    mergeWindow(into.table, into.indexOf(from.series[i], startMs), from, i);
  }
}
