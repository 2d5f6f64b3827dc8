import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { MetricKind } from "../../proto/gen/telemetry/v1/metric_pb.js";
import type {
  Metric,
  MetricSchema,
  WindowFrame,
  WindowFrameSchema,
} from "../../proto/gen/telemetry/v1/query_service_pb.js";
import type { WindowTable } from "../aggregate/window-table.ts";
import type { Revision, SeriesRow } from "../store/store.ts";

/** The wire's form of windows of one tier. Series ids serve as the call's series handles. */
export function encodeFrame(
  widthMs: number,
  revision: Revision,
  series: readonly SeriesRow[],
  windows: WindowTable,
): MessageInitShape<typeof WindowFrameSchema> {
  const { length } = windows;
  const column = (values: Float64Array) => Array.from(values.subarray(0, length));
  const offsets = (times: Float64Array) => Array.from({ length }, (_, i) => times[i] - windows.starts[i]);
  return {
    tier: durationFromMs(widthMs),
    revision: BigInt(revision),
    series: series.map((row) => ({ handle: row.id, metric: encodeMetric(row) })),
    seriesHandles: Array.from(windows.series.subarray(0, length)),
    windowStartsUnixMs: column(windows.starts),
    counts: column(windows.counts),
    sums: column(windows.sums),
    mins: column(windows.mins),
    maxs: column(windows.maxs),
    firsts: column(windows.firsts),
    firstOffsetsMs: offsets(windows.firstTimesMs),
    lasts: column(windows.lasts),
    lastOffsetsMs: offsets(windows.lastTimesMs),
  };
}

export function encodeMetric(row: SeriesRow): MessageInitShape<typeof MetricSchema> {
  return {
    deviceId: row.deviceId,
    name: row.name,
    kind: row.kind === "counter" ? MetricKind.COUNTER : MetricKind.GAUGE,
    unit: row.unit,
    description: row.description,
  };
}

/** One window of a frame. */
export interface Window {
  readonly deviceId: string;
  readonly metric: string;
  readonly tierMs: number;
  readonly startMs: number;
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  readonly first: number;
  readonly last: number;
}

/** Reads the frames of one call in their order. */
export class FrameReader {
  readonly #metrics = new Map<number, Metric>();

  *read(frame: WindowFrame): Generator<Window> {
    for (const { handle, metric } of frame.series) {
      if (metric !== undefined) this.#metrics.set(handle, metric);
    }
    const tierMs = frame.tier === undefined ? 0 : durationMs(frame.tier);
    for (let i = 0; i < frame.seriesHandles.length; i += 1) {
      const metric = this.#metrics.get(frame.seriesHandles[i]);
      if (metric === undefined) throw new Error(`the server has not named series ${frame.seriesHandles[i]}`);
      yield {
        deviceId: metric.deviceId,
        metric: metric.name,
        tierMs,
        startMs: frame.windowStartsUnixMs[i],
        count: frame.counts[i],
        sum: frame.sums[i],
        min: frame.mins[i],
        max: frame.maxs[i],
        first: frame.firsts[i],
        last: frame.lasts[i],
      };
    }
  }
}
