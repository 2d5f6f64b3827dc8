import { durationMs } from "@bufbuild/protobuf/wkt";
import { MetricKind } from "../../proto/gen/telemetry/v1/metric_pb.js";
import type { Metric, WindowFrame } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { type WindowState, windowStates } from "../aggregate/watermark.ts";

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
  readonly deviation: number;
  /** Of a counter, from the sample before the window, and the time that it took; NaN for a gauge. */
  readonly increase: number;
  readonly increaseDurationMs: number;
  readonly increaseApproximate: boolean;
  readonly state: WindowState | undefined;
  /** In the order of the request. */
  readonly quantiles: readonly number[];
  readonly metricKind: "gauge" | "counter";
  /** Labels of a group of devices. */
  readonly group: Readonly<Record<string, string>>;
}

/** Reads the frames of one call in their order. */
export class FrameReader {
  readonly #metrics = new Map<number, Metric>();

  *read(frame: WindowFrame): Generator<Window> {
    for (const { handle, metric } of frame.series) {
      if (metric !== undefined) this.#metrics.set(handle, metric);
    }
    const quantiles = frame.quantileValues.length / Math.max(1, frame.seriesHandles.length);
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
        deviation: frame.deviations[i],
        increase: frame.increases[i],
        increaseDurationMs: frame.increaseDurationsMs[i],
        increaseApproximate: frame.increasesApproximate[i],
        state: windowStates[frame.states[i] - 1],
        quantiles: frame.quantileValues.slice(i * quantiles, (i + 1) * quantiles),
        metricKind: metric.kind === MetricKind.COUNTER ? "counter" : "gauge",
        group: metric.group,
      };
    }
  }
}
