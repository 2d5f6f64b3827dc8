import { fromBinary } from "@bufbuild/protobuf";
import { TelemetryError } from "../../lib/base/errors.ts";
import { BatchSchema } from "../../proto/gen/telemetry/v1/batch_pb.js";
import type { SealedEvent } from "../log/log-event.ts";
import type { PlainSample } from "./plain-windows.ts";

export interface PlainBatch {
  readonly sequence: number;
  /** All samples, those included that the server must refuse. */
  readonly samples: number;
  readonly finite: readonly PlainSample[];
}

/**
 * The samples of a logged batch, by generic decoding: the server has its own decoder, and this is to be
 * independent of it.
 * @throws TelemetryError when the batch is not what the log says
 */
export function readBatch({ device, sequence, bytes }: SealedEvent, metrics: ReadonlyMap<number, string>): PlainBatch {
  const batch = fromBinary(BatchSchema, Buffer.from(bytes, "base64"));
  if (Number(batch.sequence) !== sequence) throw damaged(device, sequence, `its bytes say ${batch.sequence}`);
  const finite: PlainSample[] = [];
  let samples = 0;
  for (const { metricHandles, baseTimeUnixMs, timeOffsetsMs, values } of batch.tables) {
    for (const [i, value] of values.entries()) {
      if (Number.isNaN(value)) continue;
      samples += 1;
      if (!Number.isFinite(value)) continue;
      const metric = metrics.get(metricHandles[Math.floor(i / timeOffsetsMs.length)]);
      if (metric === undefined) throw damaged(device, sequence, "it has a metric that the log does not name");
      finite.push({ metric, timeMs: Number(baseTimeUnixMs) + timeOffsetsMs[i % timeOffsetsMs.length], value });
    }
  }
  return { sequence, samples, finite };
}

function damaged(device: string, sequence: number, problem: string): TelemetryError {
  return new TelemetryError("INVALID_ARGUMENT", "LOG_DAMAGED", `batch ${sequence} of ${device} in the log: ${problem}`);
}
