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
  const n = x.length;
  const [meanX, meanY] = [mean(x), mean(y)];
  const spread = sum(x.map((value) => (value - meanX) ** 2));
  const slope = sum(x.map((value, i) => (value - meanX) * (y[i] - meanY))) / spread;
  const rests = x.map((value, i) => y[i] - meanY - slope * (value - meanX));
  const rest = sum(rests.map((value) => value * value));
  const correlation = rest === 0 ? 0 : Math.max(0, sum(rests.slice(1).map((value, i) => value * rests[i])) / rest);
  const independent = Math.max(independentMin, (n * (1 - correlation)) / (1 + correlation));
  const error = Math.sqrt(rest / (independent - 2) / spread) * studentT(0.95, independent - 2);
  return { slope, low: slope - error, high: slope + error };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
