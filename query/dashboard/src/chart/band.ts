import type { SeriesColumns } from "../state/series-columns.ts";
import type { Span } from "../state/time-range.ts";
import type { BandName } from "../state/url-state.ts";

/** What is drawn of one series: entry `i` of each list belongs to point `i`. */
export interface Points {
  readonly starts: readonly number[];
  readonly counts: readonly number[];
  /** Mean of a gauge, growth per second of a counter. */
  readonly lines: readonly number[];
  /** Edges of the band; NaN where there is none. */
  readonly lows: readonly number[];
  readonly highs: readonly number[];
  readonly isProvisional: readonly boolean[];
}

/** The points of a series in a span, with the band that was chosen. A counter is drawn as its rate, which has no band. */
export function pointsOf(series: SeriesColumns, { fromMs, toMs }: Span, tierMs: number, band: BandName): Points {
  // The window that contains the first moment begins before it.
  const from = series.indexFrom(fromMs - tierMs + 1);
  const to = series.indexFrom(toMs);
  const cut = <T>(column: readonly T[]) => column.slice(from, to);
  const isCounter = series.metricKind === "counter";
  const none = () => Array<number>(Math.max(0, to - from)).fill(Number.NaN);
  const [lows, highs] =
    isCounter || band === "none"
      ? [none(), none()]
      : band === "min-max"
        ? [cut(series.mins), cut(series.maxs)]
        : [cut(series.p50s), cut(series.p99s)];
  return {
    starts: cut(series.starts),
    counts: cut(series.counts),
    lines: cut(isCounter ? series.rates : series.means),
    lows,
    highs,
    isProvisional: cut(series.isProvisional),
  };
}
