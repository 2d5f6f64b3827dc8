import { increaseOf, inTime, type OracleSample } from "./oracle.ts";

/** By how much a counter has grown in one window. */
export interface OracleIncrease {
  readonly device: string;
  readonly metric: string;
  readonly startMs: number;
  /** From the last sample before the window, where the query knows it, to the last one in it. */
  readonly increase: number;
  /** Times of these two samples, or of the first one in the window. */
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * What each window of a range adds to a counter, from its samples one by one.
 * @param firstMs start of the first window of the range: the query knows samples from one window before on
 */
export function oracleIncreases(samples: readonly OracleSample[], widthMs: number, firstMs: number): OracleIncrease[] {
  const known = samples.filter(({ timeMs }) => timeMs >= firstMs - widthMs);
  const series = Map.groupBy(known, ({ device, metric }) => JSON.stringify([device, metric]));
  return [...series.values()].flatMap((of) => {
    const sorted = inTime(of);
    const starts = new Set(sorted.map(({ timeMs }) => Math.floor(timeMs / widthMs) * widthMs));
    return [...starts]
      .filter((startMs) => startMs >= firstMs)
      .map((startMs): OracleIncrease => {
        const before = sorted.findLast(({ timeMs }) => timeMs < startMs);
        const within = sorted.filter(({ timeMs }) => timeMs >= startMs && timeMs < startMs + widthMs);
        const span = before === undefined ? within : [before, ...within];
        const { device, metric } = within[0];
        const increase = increaseOf(span.map(({ value }) => value));
        return { device, metric, startMs, increase, fromMs: span[0].timeMs, toMs: span[span.length - 1].timeMs };
      });
  });
}
