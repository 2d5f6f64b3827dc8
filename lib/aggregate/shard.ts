/**
 * Series are flushed shard by shard: a shard is a run of neighbouring series ids, so that its windows lie side by side
 * in the store. 256 series in 4 tiers with one open window each are about 1,000 rows, some 8 ms for which acks wait.
 */
export type Shard = number;

const shardSeriesBits = 8;

export function shardOf(series: number): Shard {
  return series >> shardSeriesBits;
}
