import { momentsOf } from "./moments.ts";
import { studentT } from "./student-t.ts";

/** How much `y` changes per unit of `x`, and its 95 % interval. */
export interface Trend {
  readonly slope: number;
  readonly low: number;
  readonly high: number;
}

/** With fewer independent values there is no interval: t has at least one degree of freedom. */
const independentMin = 3;

/**
 * Least squares. What is looked at again and again stays above its trend for a while, and below it: n values with a lag-1
 * autocorrelation of r say as much as n (1 - r) / (1 + r) independent ones (Santer et al., "Statistical significance of
 * trends and trend differences in layer-average atmospheric temperature time series", 2000, equations 4 to 6).
 * @param x evenly spaced, ascending; at least 3
 */
export function trendOf(x: readonly number[], y: readonly number[]): Trend {
  const [ofX, ofY] = [momentsOf(x), momentsOf(y)];
  const n = ofX.count;
  const spread = ofX.variance * (n - 1);
  const slope = x.reduce((sum, value, i) => sum + (value - ofX.mean) * (y[i] - ofY.mean), 0) / spread;
  const rests = x.map((value, i) => y[i] - ofY.mean - slope * (value - ofX.mean));
  const rest = momentsOf(rests).variance * (n - 1);
  const ofNeighbours = rests.slice(1).reduce((sum, value, i) => sum + value * rests[i], 0);
  const correlation = rest === 0 ? 0 : Math.max(0, ofNeighbours / rest);
  const independent = Math.max(independentMin, (n * (1 - correlation)) / (1 + correlation));
  const error = Math.sqrt(rest / (independent - 2) / spread) * studentT(0.95, independent - 2);
  return { slope, low: slope - error, high: slope + error };
}
