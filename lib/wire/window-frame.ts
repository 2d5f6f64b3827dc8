import type { MessageInitShape } from "@bufbuild/protobuf";
import { MetricKind } from "../../proto/gen/telemetry/v1/metric_pb.js";
import type { MetricSchema } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { quantileOf } from "../aggregate/sketch-table.ts";
import type { WindowTable } from "../aggregate/window-table.ts";
import type { SeriesRow } from "../store/store.ts";

// The reading half imports nothing of Node: the dashboard runs it in a browser.
export { FrameReader, type Window } from "./frame-reader.ts";

export function encodeMetric(row: SeriesRow): MessageInitShape<typeof MetricSchema> {
  return {
    deviceId: row.deviceId,
    name: row.name,
    kind: row.kind === "counter" ? MetricKind.COUNTER : MetricKind.GAUGE,
    unit: row.unit,
    description: row.description,
    ...(row.group !== undefined && { group: { ...row.group } }),
  };
}

/** Quantiles of all windows of a table, one window after the other. */
export function quantilesOf(windows: WindowTable, quantiles: readonly number[]): Float64Array {
  const values = new Float64Array(windows.length * quantiles.length);
  for (let i = 0, next = 0; i < windows.length; i += 1) {
    for (const quantile of quantiles) values[next++] = quantileAt(windows, i, quantile);
  }
  return values;
}

/** A quantile of window `i`. */
export function quantileAt({ sketches, mins, maxs }: WindowTable, i: number, quantile: number): number {
  // Nothing lies beyond the extremes, which are exact.
  return Math.min(maxs[i], Math.max(mins[i], quantileOf(sketches, i, quantile)));
}

/** The standard deviation of the population. */
export function deviationOf(table: WindowTable, at: number): number {
  return Math.sqrt(table.m2s[at] / table.counts[at]);
}
