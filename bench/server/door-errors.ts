import { TelemetryError } from "../../lib/base/errors.ts";
import { type Reject, RejectReason } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";

/** What the pipeline's answers mean for a request that waits at a door. */

const preconditions: ReadonlySet<RejectReason> = new Set([
  RejectReason.SEQUENCE_GAP,
  RejectReason.SUPERSEDED,
  RejectReason.DEVICE_DELETED,
]);

export function rejected({ reason, detail, expectedSequence }: Reject): TelemetryError {
  return new TelemetryError(
    preconditions.has(reason) ? "FAILED_PRECONDITION" : "INVALID_ARGUMENT",
    RejectReason[reason] ?? "",
    detail,
    { metadata: { expected_sequence: String(expectedSequence) } },
  );
}

/** A benchmark counts samples that were taken: an ack that names a refusal is a failure here. */
export function batchRefused(sequence: number, reason: string, detail: string): TelemetryError {
  const message = `${detail}; sequence ${sequence} is used up`;
  return new TelemetryError("INVALID_ARGUMENT", `BATCH_REFUSED_${reason}`, message, { field: "batch" });
}

export function drainError(): TelemetryError {
  return new TelemetryError("UNAVAILABLE", "DRAINING", "the server is shutting down; send the batch again later");
}
