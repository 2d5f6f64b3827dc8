import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { encodeBatchHeader, encodeTables, type Table } from "../../lib/wire/batch-encoder.ts";
import type { Cell, Encoding } from "../cell.ts";
import { type Device, metricName, metricNames } from "./device.ts";

/**
 * How a batch is written down: `head`, `middle` and `tail` behind one another. All encodings are made alike: what stands
 * in each batch of a device (its name, its spool, and the names of its metrics where they stand apart) is encoded once,
 * and so is what stands in each batch of the same samples (`bodies.ts`). Made for each batch are its sequence, the
 * lengths that depend on it, and one copy of everything.
 */
export interface BodyFormat {
  head(device: Device): Uint8Array;
  middle(device: Device, sequence: number, tailLength: number): Uint8Array;
  tail(table: Table): Uint8Array;
}

/** What the cell's way carries: a named batch, or one of the product's, whose names are registered. */
export function bodyFormatOf({ way, encoding }: Pick<Cell, "way" | "encoding">): BodyFormat {
  const isProduct = way === "grpc-push" || way === "grpc-upload" || way === "grpc-stream";
  return isProduct ? registered : named[encoding];
}

const jsonHead = ({ id, spoolId }: Device) =>
  Buffer.from(`{"device":"${id}","spool":"${Buffer.from(spoolId).toString("hex")}","sequence":`);
const jsonMiddle = (_: Device, sequence: number) => Buffer.from(String(sequence), "latin1");

const jsonRows: BodyFormat = {
  head: jsonHead,
  middle: jsonMiddle,
  tail: (table) => {
    const rows = rowsOf(table).map(
      ({ metric, timeMs, value }) => `{"metric":"${metricName(metric)}","time":${timeMs},"value":${value}}`,
    );
    return Buffer.from(`,"samples":[${rows.join(",")}]}`);
  },
};

const jsonColumns: BodyFormat = {
  head: jsonHead,
  middle: jsonMiddle,
  tail: ({ metricHandles, baseTimeMs, offsetsMs, values }) => {
    const metrics = Array.from(metricHandles, metricName);
    const columns = { metrics, baseTimeMs, offsetsMs: Array.from(offsetsMs), values: Array.from(values) };
    return Buffer.from(`,${JSON.stringify(columns).slice(1)}`);
  },
};

/** `bench.v1.NamedRows`. */
const protobufRows: BodyFormat = {
  head: ({ id, spoolId }) => protobufHead(id, spoolId).finish(),
  middle: (_, sequence) => new BinaryWriter().tag(3, WireType.Varint).uint64(sequence).finish(),
  tail: (table) => {
    const writer = new BinaryWriter();
    for (const { metric, timeMs, value } of rowsOf(table)) {
      writer.tag(4, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.LengthDelimited).string(metricName(metric));
      writer.tag(2, WireType.Varint).int64(timeMs);
      // Proto3 leaves out a zero.
      if (value !== 0) writer.tag(3, WireType.Bit64).double(value);
      writer.join();
    }
    return writer.finish();
  },
};

/**
 * `bench.v1.PushNamedRequest`. It names all metrics of the device, also where a small batch has a few of them: a handle
 * is a position in this list, and stands for one metric as long as the session lives.
 */
const protobufColumns: BodyFormat = {
  head: ({ id, spoolId, metrics }) => {
    const writer = protobufHead(id, spoolId);
    for (const name of metricNames(metrics)) writer.tag(3, WireType.LengthDelimited).string(name);
    return writer.finish();
  },
  middle: ({ handle }, sequence, tailLength) => {
    const header = encodeBatchHeader(handle, sequence);
    const length = header.length + tailLength;
    return new BinaryWriter().tag(4, WireType.LengthDelimited).uint32(length).raw(header).finish();
  },
  tail: (table) => encodeTables([table]),
};

const named: Readonly<Record<Encoding, BodyFormat>> = {
  "json-rows": jsonRows,
  "json-columns": jsonColumns,
  "protobuf-rows": protobufRows,
  "protobuf-columns": protobufColumns,
};

/** `telemetry.v1.Batch`. */
const registered: BodyFormat = {
  head: () => new Uint8Array(0),
  middle: ({ handle }, sequence) => encodeBatchHeader(handle, sequence),
  tail: (table) => encodeTables([table]),
};

function protobufHead(id: string, spoolId: Uint8Array): BinaryWriter {
  return new BinaryWriter().tag(1, WireType.LengthDelimited).string(id).tag(2, WireType.LengthDelimited).bytes(spoolId);
}

/** In the order in which a device reads them: all metrics of one time, then those of the next. */
function rowsOf({ metricHandles, baseTimeMs, offsetsMs, values }: Table) {
  return Array.from({ length: values.length }, (_, i) => {
    const m = i % metricHandles.length;
    const t = Math.floor(i / metricHandles.length);
    return {
      metric: metricHandles[m],
      timeMs: baseTimeMs + offsetsMs[t],
      value: values[m * offsetsMs.length + t],
    };
  });
}
