import type { Points } from "./band.ts";

/** Columns of each series in what the chart draws: final line, provisional line, and the edges of the band. */
export const columnsPerSeries = 4;

type Column = (number | null)[];

/**
 * Aligns series for one chart: times first, then four columns of each series, null where nothing is drawn. Where all
 * series lack a window the time after it is there with nulls, so that a gap is drawn as one and not as a line over it.
 * @param widthMs of a point
 */
export function chartColumns(series: readonly Points[], widthMs: number): [number[], ...Column[]] {
  const times = timesOf(series, widthMs);
  const at = new Map(times.map((time, i) => [time, i]));
  const columns = series.flatMap((points) => columnsOf(points, at, times.length, widthMs));
  return [times, ...columns];
}

function timesOf(series: readonly Points[], widthMs: number): number[] {
  const sorted = [...new Set(series.flatMap(({ starts }) => starts))].sort((a, b) => a - b);
  const times: number[] = [];
  for (const [i, time] of sorted.entries()) {
    if (i > 0 && time - sorted[i - 1] > widthMs) times.push(sorted[i - 1] + widthMs);
    times.push(time);
  }
  return times;
}

function columnsOf(points: Points, at: ReadonlyMap<number, number>, length: number, widthMs: number): Column[] {
  const [settled, provisional, low, high] = Array.from({ length: columnsPerSeries }, () =>
    Array<number | null>(length).fill(null),
  ) as [Column, Column, Column, Column];
  for (const [i, start] of points.starts.entries()) {
    const index = at.get(start) ?? 0;
    const line = drawn(points.lines[i]);
    if (points.isProvisional[i]) {
      provisional[index] = line;
      // The dashes begin where the line before ends.
      const isNext = i > 0 && start - points.starts[i - 1] === widthMs;
      if (isNext && !points.isProvisional[i - 1]) provisional[index - 1] = settled[index - 1];
    } else {
      settled[index] = line;
      // Of two devices in a group one may be behind: a final window after a provisional one.
      const isNext = i > 0 && start - points.starts[i - 1] === widthMs;
      if (isNext && points.isProvisional[i - 1]) provisional[index] = line;
    }
    low[index] = drawn(points.lows[i]);
    high[index] = drawn(points.highs[i]);
  }
  return [settled, provisional, low, high];
}

function drawn(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
