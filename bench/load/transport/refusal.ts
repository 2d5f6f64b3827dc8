import { TelemetryError } from "../../../lib/base/errors.ts";
import { type Refusal, RefusalReason } from "../../../proto/gen/telemetry/v1/batch_pb.js";

/** A trial sends nothing that a server should refuse. @throws TelemetryError */
export function expectNoRefusals(refusals: readonly Refusal[]): void {
  const [refusal] = refusals;
  if (refusal === undefined) return;
  throw new TelemetryError("FAILED_PRECONDITION", RefusalReason[refusal.reason], refusal.detail);
}
