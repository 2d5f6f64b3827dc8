import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BatchDecoder } from "../../lib/wire/batch-decoder.ts";
import { encodeBatch } from "../../lib/wire/batch-encoder.ts";
import { NamedRowsSchema } from "../../proto/gen/bench/v1/named_service_pb.js";
import { BatchSchema } from "../../proto/gen/telemetry/v1/batch_pb.js";
import type { MicroSuite } from "./suite.ts";

const metrics = 10;

/** Decoding one batch of 10 metrics: ours against generic protobuf-es and JSON, columns and rows. */
export function* codecSuites(): Iterable<MicroSuite> {
  const decoder = new BatchDecoder();
  for (const times of [1, 10, 100]) {
    const units = metrics * times;
    const { columns, jsonColumns, rows, jsonRows } = bodiesOf(times);
    const sizes = `columns ${columns.length} bytes, as JSON ${jsonColumns.length}, rows ${rows.length}, as JSON ${jsonRows.length}`;
    yield {
      name: `decode ${units} samples (${sizes})`,
      unit: "sample",
      arms: {
        "columns, BatchDecoder": { run: () => decoder.decode(columns, 0, columns.length), units },
        "columns, fromBinary": { run: () => fromBinary(BatchSchema, columns), units },
        "columns, JSON.parse": { run: () => JSON.parse(jsonColumns), units },
        "rows, fromBinary": { run: () => fromBinary(NamedRowsSchema, rows), units },
        "rows, JSON.parse": { run: () => JSON.parse(jsonRows), units },
      },
    };
  }
}

/** The same samples in four forms, without the names of device and session. */
function bodiesOf(times: number) {
  const metricHandles = Array.from({ length: metrics }, (_, i) => i + 1);
  const offsetsMs = Array.from({ length: times }, (_, i) => i * 1_000);
  // Sums of such values are exact, and they are as long as readings are.
  const values = Float64Array.from({ length: metrics * times }, (_, i) => 20 + ((i * 7) % 64) / 8);
  const baseTimeMs = 1_790_000_000_000;
  const samples = Array.from(values, (value, i) => ({
    metric: `metric-${metricHandles[Math.floor(i / times)]}`,
    time: baseTimeMs + offsetsMs[i % times],
    value,
  }));
  const rows = samples.map(({ metric, time, value }) => ({ metric, timeUnixMs: BigInt(time), value }));
  return {
    columns: encodeBatch(7, 12_345, [{ metricHandles, baseTimeMs, offsetsMs, values }]),
    jsonColumns: JSON.stringify({ metricHandles, baseTimeMs, offsetsMs, values: [...values] }),
    rows: toBinary(NamedRowsSchema, create(NamedRowsSchema, { rows })),
    jsonRows: JSON.stringify({ samples }),
  };
}
