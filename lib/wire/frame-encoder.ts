import { create, toBinary } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Aggregate, WindowFrameSchema } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { increaseDurationMs, increaseSinceBefore } from "../aggregate/counter.ts";
import type { WindowTable } from "../aggregate/window-table.ts";
import type { Revision, SeriesRow } from "../store/store.ts";
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
 * machine of Node is): it is copied whole, 9 times as fast as encoding it as a list (`bench/micro/frame.ts`).
 * @param quantileValues of the first window, then of the next
 * @returns bytes that are the caller's, in a buffer of their own
 */
export function encodeFrame(
  { widthMs, revision, series }: FrameHead,
  windows: WindowTable,
  columns?: FrameColumns,
  quantileValues: Float64Array = noValues,
): Uint8Array {
  const { length } = windows;
  const head = toBinary(
    WindowFrameSchema,
    create(WindowFrameSchema, {
      tier: durationFromMs(widthMs),
      revision: BigInt(revision),
      series: series.map((row) => ({ handle: row.id, metric: encodeMetric(row) })),
    }),
  );
  const bytes = new FrameBytes(head, length, quantileValues.length);
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
const columnHeadBytes = 2 + 5;

class FrameBytes {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(head: Uint8Array, windows: number, quantileValues: number) {
    const columns = doublesMax + varintsMax + bytesMax + 1;
    const perWindow = doublesMax * 8 + varintsMax * 5 + bytesMax;
    this.#bytes = new Uint8Array(head.length + columns * columnHeadBytes + windows * perWindow + quantileValues * 8);
    this.#bytes.set(head);
    this.#at = head.length;
  }

  doubles(field: number, column: Float64Array, length: number): void {
    if (length === 0) return;
    this.#tag(field);
    this.#varint(length * 8);
    this.#bytes.set(new Uint8Array(column.buffer, column.byteOffset, length * 8), this.#at);
    this.#at += length * 8;
  }

  varints(field: number, length: number, numberAt: (i: number) => number): void {
    if (length === 0) return;
    this.#tag(field);
    // Its length stands before it: room for the longest, moved up when it is known.
    const from = this.#at + 5;
    const headAt = this.#at;
    this.#at = from;
    for (let i = 0; i < length; i += 1) this.#varint(numberAt(i));
    const end = this.#at;
    this.#at = headAt;
    this.#varint(end - from);
    this.#bytes.copyWithin(this.#at, from, end);
    this.#at += end - from;
  }

  take(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  #tag(field: number): void {
    this.#varint((field << 3) | lengthDelimited);
  }

  #varint(value: number): void {
    const bytes = this.#bytes;
    let rest = value;
    while (rest > 0x7f) {
      bytes[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[this.#at++] = rest;
  }
}

const lengthDelimited = 2;
