import { create, toBinary } from "@bufbuild/protobuf";
import { type Metric, type SampleFrame, SampleFrameSchema } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import type { SeriesRow } from "../store/store.ts";
import { columnHeadBytes, PackedColumns } from "./packed-columns.ts";
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

/** The bytes of a SampleFrame, in a buffer of their own. */
export function encodeSamples({ series, seriesIds, timesMs, values }: SampleTable): Uint8Array {
  const named = series.map((row) => ({ handle: row.id, metric: encodeMetric(row) }));
  const head = toBinary(SampleFrameSchema, create(SampleFrameSchema, { series: named }));
  const { length } = values;
  const bytes = new PackedColumns(head, 3 * columnHeadBytes + length * (5 + 8 + 8));
  bytes.varints(2, length, (i) => seriesIds[i]);
  bytes.doubles(3, timesMs, length);
  bytes.doubles(4, values, length);
  return bytes.take();
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
