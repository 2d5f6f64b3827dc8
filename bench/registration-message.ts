import { create, toBinary } from "@bufbuild/protobuf";
import { StreamBatchesRequestSchema } from "../proto/gen/telemetry/v1/ingest_service_pb.js";
import { MetricKind } from "../proto/gen/telemetry/v1/metric_pb.js";

/** The message by which a device of a new spool registers gauges of these handles. */
export function registrationMessage(deviceHandle: number, deviceId: string, handles: readonly number[]): Uint8Array {
  const value = {
    deviceHandle,
    deviceId,
    spoolId: crypto.getRandomValues(new Uint8Array(16)),
    metrics: handles.map((handle) => ({ handle, name: `metric-${handle}`, kind: MetricKind.GAUGE })),
  };
  return toBinary(
    StreamBatchesRequestSchema,
    create(StreamBatchesRequestSchema, { message: { case: "registration", value } }),
  );
}
