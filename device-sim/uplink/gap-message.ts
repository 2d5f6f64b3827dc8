import type { MessageInitShape } from "@bufbuild/protobuf";
import type { GapSchema } from "../../proto/gen/telemetry/v1/batch_pb.js";
import type { DeviceLink } from "./device-link.ts";
import type { SpooledGap } from "./spool.ts";

export function gapOf(
  { handle }: DeviceLink,
  { firstSequence, lastSequence, samples, reason }: SpooledGap,
): MessageInitShape<typeof GapSchema> {
  return {
    deviceHandle: handle,
    firstSequence: BigInt(firstSequence),
    lastSequence: BigInt(lastSequence),
    samples: BigInt(samples),
    reason,
  };
}
