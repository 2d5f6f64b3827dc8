import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Metric, SampleFrame, SampleFrameSchema } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import type { SeriesRow } from "../store/store.ts";
import { encodeMetric } from "./window-frame.ts";

/** Samples as columns: entry i of each belongs to sample i. */
export interface SampleTable {
  /** Series that no earlier frame of the call has told. Their ids serve as the call's series handles. */
  readonly series: readonly SeriesRow[];
  readonly seriesIds: Int32Array;
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  readonly timesMs: Float64Array;
  readonly values: Float64Array;
}

/** The wire's form of samples. */
export function encodeSamples({
  series,
  seriesIds,
  timesMs,
  values,
}: SampleTable): MessageInitShape<typeof SampleFrameSchema> {
  return {
    series: series.map((row) => ({ handle: row.id, metric: encodeMetric(row) })),
    seriesHandles: Array.from(seriesIds),
    timesUnixMs: Array.from(timesMs),
    values: Array.from(values),
  };
}

/** One sample of a frame. */
export interface Sample {
  readonly deviceId: string;
  readonly metric: string;
  readonly timeMs: number;
  readonly value: number;
}

/** Reads the frames of one call in their order. */
export class SampleFrameReader {
  readonly #metrics = new Map<number, Metric>();

  *read(frame: SampleFrame): Generator<Sample> {
    for (const { handle, metric } of frame.series) {
      if (metric !== undefined) this.#metrics.set(handle, metric);
    }
    for (let i = 0; i < frame.seriesHandles.length; i += 1) {
      const metric = this.#metrics.get(frame.seriesHandles[i]);
      if (metric === undefined) throw new Error(`the server has not named series ${frame.seriesHandles[i]}`);
      yield { deviceId: metric.deviceId, metric: metric.name, timeMs: frame.timesUnixMs[i], value: frame.values[i] };
    }
  }
}
