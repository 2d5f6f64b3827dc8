import type { Interval } from "./median.ts";
import { momentsOf } from "./moments.ts";
import { studentT } from "./student-t.ts";

/** How many times as large one thing is as another. */
export interface Ratio extends Interval {
  /** How many pairs it comes from, or values of the side that has fewer. */
  readonly count: number;
}

const confidence = 0.95;
/** Equal values on both sides make an interval of no width, next to 1. */
const rounding = 1e-9;

/**
 * The geometric mean of ratios that were measured in pairs, with its 95 % interval: Student's t on their logarithms, with
 * one degree of freedom fewer than there are pairs. What both sides of a pair have in common, such as what else the
 * machine did then, falls out. One pair has no interval.
 * @param pairs [of, against]; those that are not positive are left out
 * @returns undefined when there is none
 */
export function pairedRatio(pairs: readonly (readonly [of: number, against: number])[]): Ratio | undefined {
  const logs = pairs
    .filter(([of, against]) => isPositive(of) && isPositive(against))
    .map(([of, against]) => Math.log(of / against));
  if (logs.length === 0) return undefined;
  const { mean, variance } = momentsOf(logs);
  return ratioOf(mean, Math.sqrt(variance / logs.length), logs.length - 1, logs.length);
}

/**
 * The ratio of two geometric means whose values have nothing to do with each other, with its 95 % interval: Welch's t on
 * the logarithms, degrees of freedom after Satterthwaite (Welch 1947, "The generalization of Student's problem when
 * several different population variances are involved"). No interval where a side has one value only.
 * @returns undefined when a side has no positive value
 */
export function welchRatio(of: readonly number[], against: readonly number[]): Ratio | undefined {
  const [a, b] = [of, against].map((side) => momentsOf(side.filter(isPositive).map(Math.log)));
  if (a.count === 0 || b.count === 0) return undefined;
  const [partA, partB] = [a.variance / a.count, b.variance / b.count];
  const error = partA + partB;
  const freedom = error ** 2 / (partA ** 2 / (a.count - 1) + partB ** 2 / (b.count - 1));
  const count = Math.min(a.count, b.count);
  // Without any spread it is 0 / 0, and whatever it is, the interval is a point.
  return ratioOf(a.mean - b.mean, Math.sqrt(error), count < 2 ? 0 : Math.max(1, freedom || 1), count);
}

/** Whether it may be none: its interval has 1 in it, or there is no interval. */
export function spansOne({ low, high }: Interval): boolean {
  return low === undefined || high === undefined || (low <= 1 + rounding && high >= 1 - rounding);
}

export function inverse<T extends Interval>(ratio: T): T {
  const { value, low, high } = ratio;
  if (low === undefined || high === undefined) return { ...ratio, value: 1 / value };
  return { ...ratio, value: 1 / value, low: 1 / high, high: 1 / low };
}

function ratioOf(mean: number, error: number, degreesOfFreedom: number, count: number): Ratio {
  const value = Math.exp(mean);
  if (degreesOfFreedom < 1) return { value, count };
  const reach = studentT(confidence, degreesOfFreedom) * error;
  return { value, low: Math.exp(mean - reach), high: Math.exp(mean + reach), count };
}

function isPositive(value: number): boolean {
  return value > 0 && Number.isFinite(value);
}
