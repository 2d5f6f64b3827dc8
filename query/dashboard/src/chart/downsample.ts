import type { Points } from "./band.ts";

/**
 * Merges points until there are no more than a chart has room for. The line is the mean by count, and the band has all
 * bands that are in it, so that no peak is lost.
 * @param tierMs width of the windows
 * @returns the merged points, and the width of each
 */
export function downsample(points: Points, tierMs: number, span: number, pointsMax: number): [Points, number] {
  const stride = Math.max(1, Math.ceil(span / tierMs / Math.max(1, pointsMax)));
  if (stride === 1) return [points, tierMs];
  const widthMs = stride * tierMs;
  const merged = {
    starts: [] as number[],
    counts: [] as number[],
    lines: [] as number[],
    lows: [] as number[],
    highs: [] as number[],
    isProvisional: [] as boolean[],
  };
  for (let i = 0; i < points.starts.length; i += 1) {
    // By the time and not by the place, so that a point does not change as the span moves on.
    const start = Math.floor(points.starts[i] / widthMs) * widthMs;
    const at = merged.starts.length - 1;
    if (merged.starts[at] !== start) {
      merged.starts.push(start);
      merged.counts.push(points.counts[i]);
      merged.lines.push(points.lines[i]);
      merged.lows.push(points.lows[i]);
      merged.highs.push(points.highs[i]);
      merged.isProvisional.push(points.isProvisional[i]);
      continue;
    }
    const count = merged.counts[at] + points.counts[i];
    merged.lines[at] = meanOf(merged.lines[at], merged.counts[at], points.lines[i], points.counts[i]);
    merged.counts[at] = count;
    merged.lows[at] = Math.min(merged.lows[at], points.lows[i]);
    merged.highs[at] = Math.max(merged.highs[at], points.highs[i]);
    merged.isProvisional[at] ||= points.isProvisional[i];
  }
  return [merged, widthMs];
}

/** By count; what is not known (NaN, the first rate of a counter) leaves the other as it is. */
function meanOf(a: number, aCount: number, b: number, bCount: number): number {
  if (Number.isNaN(a)) return b;
  if (Number.isNaN(b)) return a;
  return (a * aCount + b * bCount) / (aCount + bCount);
}
