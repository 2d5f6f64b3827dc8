import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { increaseDurationMs, increaseSinceBefore } from "../../lib/aggregate/counter.ts";
import type { WindowTable } from "../../lib/aggregate/window-table.ts";
import type { Revision, SeriesRow } from "../../lib/store/store.ts";
import { deviationOf, encodeMetric } from "../../lib/wire/window-frame.ts";
import type { WindowFrameSchema } from "../../proto/gen/telemetry/v1/query_service_pb.js";

/** The oracle of `encodeFrame`: the same as a message, for generic encoding. Series ids serve as the call's series handles. */
export function encodeFrame(
  widthMs: number,
  revision: Revision,
  series: readonly SeriesRow[],
  windows: WindowTable,
  quantileValues: Float64Array = new Float64Array(),
): MessageInitShape<typeof WindowFrameSchema> {
  const { length } = windows;
  const derived = (of: (table: WindowTable, at: number) => number) => Array.from({ length }, (_, i) => of(windows, i));
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
    deviations: derived(deviationOf),
    increases: derived(increaseSinceBefore),
    increaseDurationsMs: derived((table, at) =>
      Number.isNaN(table.resetOffsets[at]) ? 0 : increaseDurationMs(table, at),
    ),
    increasesApproximate: Array.from({ length }, (_, i) => windows.approximates[i] === 1),
    states: Array.from(windows.states.subarray(0, length)),
    quantileValues: Array.from(quantileValues),
  };
}
