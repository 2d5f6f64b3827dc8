/** A value with the interval that it lies in; without one where there is too little to tell. */
export interface Interval {
  readonly value: number;
  readonly low?: number;
  readonly high?: number;
}

export interface Median extends Interval {
  /** How many values it is the median of. */
  readonly count: number;
  /** With which probability the interval covers the median of all that could have come; 0 without an interval. */
  readonly confidence: number;
}

/**
 * The median, with an interval between two of the values that says nothing about how they are distributed: the k-th
 * smallest to the k-th largest of n covers the median with probability 1 - 2 (C(n, 0) + ... + C(n, k - 1)) / 2^n (David
 * and Nagaraja, Order Statistics, 3rd edition, 7.1). The narrowest that covers it with 95 % is taken; up to 5 values none
 * does, and it is from the smallest to the largest: 93.75 % with 5, 75 % with 3. One value has no interval.
 * @throws RangeError when there is none
 */
export function medianOf(values: readonly number[]): Median {
  const sorted = [...values].sort((a, b) => a - b);
  const count = sorted.length;
  if (count === 0) throw new RangeError("there is no median of nothing");
  const value = (sorted[(count - 1) >> 1] + sorted[count >> 1]) / 2;
  if (count === 1) return { value, count, confidence: 0 };
  let k = 1;
  while (coverage(count, k + 1) >= 0.95) k += 1;
  return { value, low: sorted[k - 1], high: sorted[count - k], count, confidence: coverage(count, k) };
}

function coverage(n: number, k: number): number {
  let ways = 1;
  let below = 0;
  for (let i = 0; i < k; i += 1) {
    below += ways / 2 ** n;
    ways = (ways * (n - i)) / (i + 1);
  }
  return 1 - 2 * below;
}
