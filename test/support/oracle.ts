import { exact, exactOne, nearest } from "./exact.ts";

/**
 * What the aggregates of samples are by definition: each window from all of its samples, sorted, by the plainest code
 * that can be right. Nothing here is shared with the product.
 */

export interface OracleSample {
  readonly device: string;
  readonly metric: string;
  readonly timeMs: number;
  /** NaN: no sample. */
  readonly value: number;
}

export interface OracleWindow {
  readonly device: string;
  readonly metric: string;
  readonly tierMs: number;
  readonly startMs: number;
  readonly count: number;
  /** The double nearest to the exact sum, as are mean and deviation. */
  readonly sum: number;
  readonly mean: number;
  /** Population standard deviation. */
  readonly deviation: number;
  readonly min: number;
  readonly max: number;
  /** The smallest value at the earliest time. */
  readonly first: number;
  readonly firstMs: number;
  /** The largest value at the latest time. */
  readonly last: number;
  readonly lastMs: number;
  /** By how much a counter has grown from `first` to `last`. Steps between windows are nobody's. */
  readonly increase: number;
  /** All values, sorted. */
  readonly sorted: readonly number[];
}

/** 10 s, 1 min, 1 h, 1 d. */
export const oracleTiersMs = [10_000, 60_000, 3_600_000, 86_400_000];

/** @returns all windows that have samples, by tier, device, metric and start, whatever the order of the samples */
export function oracleWindows(samples: readonly OracleSample[], tiersMs = oracleTiersMs): OracleWindow[] {
  const present = samples.filter(({ value }) => !Number.isNaN(value));
  return tiersMs.flatMap((tierMs) => {
    const groups = Map.groupBy(present, ({ device, metric, timeMs }) =>
      JSON.stringify([device, metric, Math.floor(timeMs / tierMs)]),
    );
    return [...groups.values()].map((group) => windowOf(group, tierMs)).sort(bySeriesAndStart);
  });
}

/** The value at the rank floor(q (n - 1)) of the sorted values, from 0. */
export function oracleQuantile({ sorted }: Pick<OracleWindow, "sorted">, q: number): number {
  return sorted[Math.floor(q * (sorted.length - 1))];
}

/**
 * By how much a counter has grown over values in the order of their times: a value below the one before it has begun
 * again at zero.
 */
export function increaseOf(values: readonly number[]): number {
  let increase = 0n;
  for (let i = 1; i < values.length; i += 1) {
    increase += values[i] < values[i - 1] ? exact(values[i]) : exact(values[i]) - exact(values[i - 1]);
  }
  return nearest(increase, exactOne);
}

/** Earliest first; the smaller value first where times are equal. */
export function inTime<T extends Pick<OracleSample, "timeMs" | "value">>(samples: readonly T[]): T[] {
  return samples.toSorted((a, b) => a.timeMs - b.timeMs || a.value - b.value);
}

function windowOf(group: readonly OracleSample[], tierMs: number): OracleWindow {
  const samples = inTime(group);
  const first = samples[0];
  const last = samples[samples.length - 1];
  const values = samples.map(({ value }) => value);
  const sorted = values.toSorted((a, b) => a - b);
  const n = BigInt(values.length);
  const exactly = values.map(exact);
  const sum = exactly.reduce((total, value) => total + value, 0n);
  const squares = exactly.reduce((total, value) => total + value * value, 0n);
  const variance = nearest(n * squares - sum * sum, n * n * exactOne * exactOne);
  return {
    device: first.device,
    metric: first.metric,
    tierMs,
    startMs: Math.floor(first.timeMs / tierMs) * tierMs,
    count: values.length,
    sum: nearest(sum, exactOne),
    mean: nearest(sum, n * exactOne),
    deviation: Math.sqrt(variance),
    min: sorted[0],
    max: sorted[sorted.length - 1],
    first: first.value,
    firstMs: first.timeMs,
    last: last.value,
    lastMs: last.timeMs,
    increase: increaseOf(values),
    sorted,
  };
}

function bySeriesAndStart(a: OracleWindow, b: OracleWindow): number {
  return compare(a.device, b.device) || compare(a.metric, b.metric) || a.startMs - b.startMs;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
