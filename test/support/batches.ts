import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { BatchSchema, GapSchema, RegistrationSchema } from "../../proto/gen/telemetry/v1/batch_pb.js";
import {
  PushBatchRequestSchema,
  type StreamBatchesRequest,
  StreamBatchesRequestSchema,
} from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { MetricKind } from "../../proto/gen/telemetry/v1/metric_pb.js";

/** Registrations, batches and messages of tests, in few words. */

export type Registration = MessageInitShape<typeof RegistrationSchema>;
export type Batch = MessageInitShape<typeof BatchSchema>;
export type Gap = MessageInitShape<typeof GapSchema>;

/** Start of a day, and so of a window of every tier. */
export const dayMs = Date.UTC(2026, 0, 15);

export function spool(n: number): Uint8Array {
  return new Uint8Array(16).fill(n);
}

export interface RegistrationOptions {
  readonly handle?: number;
  readonly spool?: number;
  readonly metrics?: readonly string[];
  /** Of the first metric; 1 unless told otherwise. */
  readonly metricHandle?: number;
  readonly labels?: Readonly<Record<string, string>>;
  /** Those of the metrics that are counters. */
  readonly counters?: readonly string[];
}

export function registration(deviceId: string, options: RegistrationOptions = {}): Registration {
  const { handle = 1, spool: spoolNumber = 1, metrics = ["temperature"], metricHandle = 1 } = options;
  const { labels = {}, counters = [] } = options;
  return {
    deviceHandle: handle,
    deviceId,
    spoolId: spool(spoolNumber),
    labels: { ...labels },
    metrics: metrics.map((name, i) => ({
      handle: metricHandle + i,
      name,
      kind: counters.includes(name) ? MetricKind.COUNTER : MetricKind.GAUGE,
    })),
  };
}

export interface BatchOptions {
  readonly handle?: number;
  readonly metric?: number;
  readonly timeMs?: number;
  /** Between the times of two values. */
  readonly stepMs?: number;
}

/** One metric's values, one after the other in time. */
export function batch(sequence: number, values: readonly number[], options: BatchOptions = {}): Batch {
  const { handle = 1, metric = 1, timeMs = dayMs, stepMs = 1 } = options;
  const table = {
    metricHandles: [metric],
    baseTimeUnixMs: BigInt(timeMs),
    timeOffsetsMs: values.map((_, i) => i * stepMs),
    values: [...values],
  };
  return { deviceHandle: handle, sequence: BigInt(sequence), tables: [table] };
}

export function gap(first: number, last: number, samples = 0, handle = 1): Gap {
  return {
    deviceHandle: handle,
    firstSequence: BigInt(first),
    lastSequence: BigInt(last),
    samples: BigInt(samples),
  };
}

/** What a message of a stream or an upload, or the payload of a push, carries. */
export type Part =
  | { case: "registration"; value: Registration }
  | { case: "batches"; value: { batches: Batch[] } }
  | { case: "gap"; value: Gap };

export const asRegistration = (value: Registration): { message: Part } => ({
  message: { case: "registration", value },
});
export const asBatches = (...batches: Batch[]): { message: Part } => ({
  message: { case: "batches", value: { batches } },
});
export const asGap = (value: Gap): { message: Part } => ({ message: { case: "gap", value } });

/** Bytes of a message of a stream; an upload's has the same fields. */
export function streamBytes(message: MessageInitShape<typeof StreamBatchesRequestSchema>): Uint8Array {
  return toBinary(StreamBatchesRequestSchema, create(StreamBatchesRequestSchema, message) as StreamBatchesRequest);
}

export function pushBytes(registration: Registration, payload?: { batch: Batch } | { gap: Gap }): Uint8Array {
  const part =
    payload === undefined
      ? undefined
      : "batch" in payload
        ? { case: "batch" as const, value: payload.batch }
        : { case: "gap" as const, value: payload.gap };
  const request = create(PushBatchRequestSchema, { registration, ...(part !== undefined && { payload: part }) });
  return toBinary(PushBatchRequestSchema, request);
}
