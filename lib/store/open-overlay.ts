import type { SeriesRange } from "../aggregate/roll-up.ts";
import { copyWindow, createWindowTable, type WindowTable } from "../aggregate/window-table.ts";
import type { OpenWindows } from "./store.ts";

/** Finds the windows of `OpenWindows`, tier by tier. */
export class OpenOverlay {
  readonly #tiers: readonly WindowTable[];

  constructor(open: OpenWindows | undefined) {
    this.#tiers = open?.windows ?? [];
  }

  table(tier: number): WindowTable {
    return this.#tiers[tier] ?? none;
  }

  /** The latest start of a tier; -infinity when it has none. */
  latestStart(tier: number): number {
    const table = this.table(tier);
    return table.length === 0 ? Number.NEGATIVE_INFINITY : table.starts[table.length - 1];
  }

  /** The earliest start of a tier with `fromMs` <= start < `toMs`. */
  nextStart(tier: number, fromMs: number, toMs: number): number | undefined {
    const table = this.table(tier);
    const at = this.indexAfter(tier, fromMs, Number.NEGATIVE_INFINITY);
    return at < table.length && table.starts[at] < toMs ? table.starts[at] : undefined;
  }

  /** The index of the first window of a tier that starts later, or at that time and is of a series with a higher id. */
  indexAfter(tier: number, startMs: number, series: number): number {
    const { starts, series: ids, length } = this.table(tier);
    let low = 0;
    let high = length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const isAfter = starts[middle] > startMs || (starts[middle] === startMs && ids[middle] > series);
      if (isAfter) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Puts the windows of a tier with this start over those that were read of some series. @returns the result */
  over(tier: number, startMs: number, { first, last }: SeriesRange, stored: WindowTable): WindowTable {
    const table = this.table(tier);
    const from = this.indexAfter(tier, startMs, first - 1);
    let to = from;
    while (to < table.length && table.starts[to] === startMs && table.series[to] <= last) to += 1;
    return from === to ? stored : mergeNewer(stored, table, from, to);
  }
}

/**
 * All windows of two tables that are in the order of start and series; of a window that both have, the newer.
 * @param from first entry of `open` that takes part
 * @param to behind the last one
 */
export function mergeNewer(stored: WindowTable, open: WindowTable, from: number, to: number): WindowTable {
  const merged = createWindowTable(Math.max(1, stored.length + to - from));
  let at = 0;
  let next = from;
  while (at < stored.length || next < to) {
    const order = at === stored.length ? 1 : next === to ? -1 : compareKeys(stored, at, open, next);
    if (order < 0) copyWindow(stored, at, merged);
    else if (order > 0 || open.revisions[next] >= stored.revisions[at]) copyWindow(open, next, merged);
    else copyWindow(stored, at, merged);
    if (order <= 0) at += 1;
    if (order >= 0) next += 1;
  }
  return merged;
}

function compareKeys(a: WindowTable, i: number, b: WindowTable, j: number): number {
  return a.starts[i] - b.starts[j] || a.series[i] - b.series[j];
}

const none = createWindowTable(1);
