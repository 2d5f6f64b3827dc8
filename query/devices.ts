import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { TelemetryError } from "../lib/base/errors.ts";
import type { GapRow, RefusalRow } from "../lib/store/registry.ts";
import { encodeDevice } from "../lib/wire/device-message.ts";
import type { RefusedSamplesSchema } from "../proto/gen/telemetry/v1/admin_service_pb.js";
import type { DeviceSchema, RecordedGapSchema } from "../proto/gen/telemetry/v1/query_service_pb.js";
import type { QueryHandlers, QueryOptions } from "./service.ts";

/** What is needed to read devices with all that was acked before. */
export type DeviceSource = Pick<QueryOptions, "reader" | "standing">;

/** One device, with all that is known of it. */
export function deviceHandlers(options: QueryOptions): Pick<QueryHandlers, "getDevice"> {
  const { reader, standing, clock } = options;
  return {
    async getDevice({ deviceId }) {
      // The writer first: what it stores after it was asked, the tables show by the time that they are read.
      const { connections, marks } = await standing([deviceId]);
      const detail = await reader.call("deviceDetail", deviceId, marks);
      if (detail === undefined) throw deviceNotFound(deviceId);
      const { device, gaps, refusals, series, sessions } = detail;
      const { latestSampleMs } = device;
      return {
        device: encodeDevice(device, connections.get(deviceId) ?? "disconnected"),
        ...(latestSampleMs !== undefined && {
          latestEventAt: timestampFromMs(latestSampleMs),
          lag: durationFromMs(Math.max(0, clock.nowMs() - latestSampleMs)),
        }),
        gaps: gaps.map(encodeGap),
        refused: refusals.map(encodeRefusal),
        series,
        sessions,
      };
    },
  };
}

/** Those of the devices that are there, by id, as of everything that was acked before. */
export async function readDevices(
  { reader, standing }: DeviceSource,
  deviceIds: readonly string[],
): Promise<(MessageInitShape<typeof DeviceSchema> & { deviceId: string })[]> {
  const { connections, marks } = await standing(deviceIds);
  const rows = await reader.call("devicesOf", deviceIds, marks);
  return rows.map((row) => ({
    ...encodeDevice(row, connections.get(row.deviceId) ?? "disconnected"),
    deviceId: row.deviceId,
  }));
}

function encodeGap(gap: GapRow): MessageInitShape<typeof RecordedGapSchema> {
  return {
    firstSequence: BigInt(gap.firstSequence),
    lastSequence: BigInt(gap.lastSequence),
    samples: BigInt(gap.samples),
    reason: gap.reason,
    recordedAt: timestampFromMs(gap.recordedAtMs),
  };
}

function encodeRefusal({ reason, samples, batches }: RefusalRow): MessageInitShape<typeof RefusedSamplesSchema> {
  return { reason, samples: BigInt(samples), batches: BigInt(batches) };
}

function deviceNotFound(deviceId: string): TelemetryError {
  return new TelemetryError(
    "NOT_FOUND",
    "DEVICE_NOT_FOUND",
    `device_id: no device ${JSON.stringify(deviceId.slice(0, 100))}; list the devices to see their ids`,
    { field: "device_id" },
  );
}
