import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Aggregate, SeriesSchema } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { increaseDurationMs, increaseSinceBefore } from "../aggregate/counter.ts";
import type { WindowTable } from "../aggregate/window-table.ts";
import type { Revision, SeriesRow } from "../store/store.ts";
import { columnHeadBytes, PackedColumns } from "./packed-columns.ts";
import { deviationOf, encodeMetric } from "./window-frame.ts";

/** Which columns of a frame are filled; undefined: all. */
export type FrameColumns = ReadonlySet<Aggregate> | undefined;

export interface FrameHead {
  readonly widthMs: number;
  readonly revision: Revision;
  /** Series that no earlier frame of the call has told. Their ids serve as the call's series handles. */
  readonly series: readonly SeriesRow[];
}

/**
 * The bytes of a WindowFrame. A column of a table has the bytes of packed doubles already (little-endian, as every
 * machine of Node is): it is copied whole, some 2 times as fast as encoding lists, which had to be made first
 * (`bench/micro/frame.ts`).
 * @param quantileValues of the first window, then of the next
 * @returns bytes that are the caller's, in a buffer of their own
 */
export function encodeFrame(
  head: FrameHead,
  windows: WindowTable,
  columns?: FrameColumns,
  quantileValues: Float64Array = noValues,
): Uint8Array {
  const { length } = windows;
  const bytes = new PackedColumns(encodeHead(head), columnBytesMax(length, quantileValues.length));
  const has = (aggregate: Aggregate) => columns === undefined || columns.has(aggregate);
  bytes.varints(4, length, (i) => windows.series[i]);
  bytes.doubles(5, windows.starts, length);
  if (has(Aggregate.COUNT)) bytes.doubles(6, windows.counts, length);
  if (has(Aggregate.SUM)) bytes.doubles(7, windows.sums, length);
  if (has(Aggregate.MIN)) bytes.doubles(8, windows.mins, length);
  if (has(Aggregate.MAX)) bytes.doubles(9, windows.maxs, length);
  if (has(Aggregate.FIRST)) {
    bytes.doubles(10, windows.firsts, length);
    bytes.varints(11, length, (i) => windows.firstTimesMs[i] - windows.starts[i]);
  }
  if (has(Aggregate.LAST)) {
    bytes.doubles(12, windows.lasts, length);
    bytes.varints(13, length, (i) => windows.lastTimesMs[i] - windows.starts[i]);
  }
  if (has(Aggregate.DEVIATION)) bytes.doubles(14, derive(windows, deviationOf), length);
  if (has(Aggregate.INCREASE)) {
    bytes.doubles(15, derive(windows, increaseSinceBefore), length);
    bytes.doubles(16, derive(windows, durationOf), length);
    bytes.varints(17, length, (i) => windows.approximates[i]);
  }
  bytes.varints(18, length, (i) => windows.states[i]);
  bytes.doubles(19, quantileValues, quantileValues.length);
  return bytes.take();
}

const noValues = new Float64Array();

/** Field by field: most frames of subscriptions are small, and to make a message of it would cost as much as the rest. */
function encodeHead({ widthMs, revision, series }: FrameHead): Uint8Array {
  const { seconds, nanos } = durationFromMs(widthMs);
  const writer = new BinaryWriter();
  writer.uint32(0x0a).fork();
  if (seconds !== 0n) writer.uint32(0x08).int64(seconds);
  if (nanos !== 0) writer.uint32(0x10).int32(nanos);
  writer.join();
  if (revision !== 0) writer.uint32(0x10).uint64(revision);
  for (const row of series) {
    const named = create(SeriesSchema, { handle: row.id, metric: encodeMetric(row) });
    writer.uint32(0x1a).bytes(toBinary(SeriesSchema, named));
  }
  return writer.finish();
}

function derive(windows: WindowTable, of: (windows: WindowTable, at: number) => number): Float64Array {
  const values = new Float64Array(windows.length);
  for (let i = 0; i < windows.length; i += 1) values[i] = of(windows, i);
  return values;
}

function durationOf(windows: WindowTable, at: number): number {
  return Number.isNaN(windows.resetOffsets[at]) ? 0 : increaseDurationMs(windows, at);
}

/** Columns of doubles, of numbers of 32 bits, and of such that fit in a byte. */
const doublesMax = 11;
const varintsMax = 3;
const bytesMax = 2;

function columnBytesMax(windows: number, quantileValues: number): number {
  const columns = doublesMax + varintsMax + bytesMax + 1;
  const perWindow = doublesMax * 8 + varintsMax * 5 + bytesMax;
  return columns * columnHeadBytes + windows * perWindow + quantileValues * 8;
}
