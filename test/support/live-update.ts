import { createWindowTable } from "../../lib/aggregate/window-table.ts";
import type { LiveUpdate } from "../../lib/store/live-feed.ts";
import type { SeriesRow } from "../../lib/store/store.ts";
import { windowSet } from "../aggregate/plain-windows.ts";

/** What the writer hands on when each of these series has got a sample. */
export function updateOf(revision: number, widthMs: number, series: readonly SeriesRow[]): LiveUpdate {
  const samples = series.map(({ id }) => ({ series: id, timeMs: 0, value: 1 }));
  const windows = samples.length === 0 ? createWindowTable(1) : windowSet([widthMs], samples).tiers[0].table;
  return {
    revision,
    timeMs: 0,
    changes: [{ revision, widthMs, windows, series }],
    provisionalFromMs: [Number.POSITIVE_INFINITY],
    gone: [],
  };
}
