import { fromBinary } from "@bufbuild/protobuf";
import type { Cell } from "../../../../bench/cell.ts";
import { metricName } from "../../../../bench/load/device.ts";
import { NamedRowsSchema, PushNamedRequestSchema } from "../../../../proto/gen/bench/v1/named_service_pb.js";
import { type Batch, BatchSchema } from "../../../../proto/gen/telemetry/v1/batch_pb.js";

/** One sample, as every encoding tells it. */
export interface DecodedSample {
  readonly metric: string;
  readonly timeMs: number;
  readonly value: number;
}

export interface DecodedBatch {
  /** Undefined where the encoding has a handle instead. */
  readonly device: string | undefined;
  /** Hexadecimal. */
  readonly spool: string | undefined;
  readonly handle: number | undefined;
  readonly sequence: number;
  /** By time, then metric. */
  readonly samples: readonly DecodedSample[];
}

/** Reads a batch by generic means. */
export function decode({ way, encoding }: Pick<Cell, "way" | "encoding">, bytes: Uint8Array): DecodedBatch {
  if (way === "grpc-push" || way === "grpc-upload" || way === "grpc-stream") {
    return fromBatch(fromBinary(BatchSchema, bytes), metricName);
  }
  return named[encoding](bytes);
}

const named: Readonly<Record<Cell["encoding"], (bytes: Uint8Array) => DecodedBatch>> = {
  "json-rows": (bytes) => {
    const { device, spool, sequence, samples } = JSON.parse(text(bytes));
    const rows = samples.map((row: { metric: string; time: number; value: number }) => ({
      metric: row.metric,
      timeMs: row.time,
      value: row.value,
    }));
    return { device, spool, handle: undefined, sequence, samples: sorted(rows) };
  },
  "json-columns": (bytes) => {
    const { device, spool, sequence, metrics, baseTimeMs, offsetsMs, values } = JSON.parse(text(bytes));
    const samples = columns(metrics, baseTimeMs, offsetsMs, values);
    return { device, spool, handle: undefined, sequence, samples };
  },
  "protobuf-rows": (bytes) => {
    const { deviceId, spoolId, sequence, rows } = fromBinary(NamedRowsSchema, bytes);
    const samples = rows.map(({ metric, timeUnixMs, value }) => ({ metric, timeMs: Number(timeUnixMs), value }));
    return {
      device: deviceId,
      spool: hex(spoolId),
      handle: undefined,
      sequence: Number(sequence),
      samples: sorted(samples),
    };
  },
  "protobuf-columns": (bytes) => {
    const { deviceId, spoolId, metrics, batch } = fromBinary(PushNamedRequestSchema, bytes);
    if (batch === undefined) throw new Error("the request has no batch");
    return { ...fromBatch(batch, (handle) => metrics[handle - 1]), device: deviceId, spool: hex(spoolId) };
  },
};

function fromBatch({ deviceHandle, sequence, tables }: Batch, nameOf: (handle: number) => string): DecodedBatch {
  const samples = tables.flatMap(({ metricHandles, baseTimeUnixMs, timeOffsetsMs, values }) =>
    columns(metricHandles.map(nameOf), Number(baseTimeUnixMs), timeOffsetsMs, values),
  );
  return {
    device: undefined,
    spool: undefined,
    handle: deviceHandle,
    sequence: Number(sequence),
    samples: sorted(samples),
  };
}

function columns(metrics: string[], baseTimeMs: number, offsetsMs: number[], values: number[]): DecodedSample[] {
  if (metrics.length * offsetsMs.length !== values.length) throw new Error("the columns do not fit together");
  return sorted(
    values.map((value, i) => ({
      metric: metrics[Math.floor(i / offsetsMs.length)],
      timeMs: baseTimeMs + offsetsMs[i % offsetsMs.length],
      value,
    })),
  );
}

function sorted(samples: DecodedSample[]): DecodedSample[] {
  return samples.sort((a, b) => a.timeMs - b.timeMs || (a.metric < b.metric ? -1 : Number(a.metric > b.metric)));
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
