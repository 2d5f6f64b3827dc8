import type { SeriesRange } from "./roll-up.ts";

/**
 * Series are flushed shard by shard: a shard is a run of neighbouring series ids, so that its windows lie side by side
 * in the store. A window each of its 256 series is a transaction of some 3 ms, for which acks wait.
 */
export type Shard = number;

const shardSeriesBits = 8;
export const shardSeries = 2 ** shardSeriesBits;

export function shardOf(series: number): Shard {
  return series >> shardSeriesBits;
}

export function seriesOf(shard: Shard): SeriesRange {
  return { first: shard << shardSeriesBits, last: ((shard + 1) << shardSeriesBits) - 1 };
}
