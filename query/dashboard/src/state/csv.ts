import { formatTime } from "../../../../lib/base/time.ts";
import type { SeriesColumns } from "./series-columns.ts";
import type { Span } from "./time-range.ts";

export interface CsvSeries {
  /** Device or group. */
  readonly source: string;
  readonly metric: string;
  readonly series: SeriesColumns;
}

const head = "source,metric,window,state,count,mean,min,max,last,p50,p99,rate_per_second";

/** RFC 4180, times in UTC, numbers with all digits, nothing where there is none. */
export function csvOf(all: readonly CsvSeries[], { fromMs, toMs }: Span): string {
  const lines = [head];
  for (const { source, metric, series } of all) {
    const name = `${csvText(source)},${csvText(metric)}`;
    for (let i = series.indexFrom(fromMs); i < series.indexFrom(toMs); i += 1) {
      const values = [
        series.counts[i],
        series.means[i],
        series.mins[i],
        series.maxs[i],
        series.lasts[i],
        series.p50s[i],
        series.p99s[i],
        series.rates[i],
      ];
      const state = series.isProvisional[i] ? "provisional" : "final";
      lines.push(`${name},${formatTime(series.starts[i])},${state},${values.map(csvNumber).join(",")}`);
    }
  }
  return `${lines.join("\r\n")}\r\n`;
}

function csvNumber(value: number): string {
  return Number.isFinite(value) ? String(value) : "";
}

/** A name that a spreadsheet would take for a formula is made text: names come from devices. */
function csvText(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
