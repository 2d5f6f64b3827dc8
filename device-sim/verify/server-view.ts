import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { TelemetryError } from "../../lib/base/errors.ts";
import { timeMsMax, timeMsMin } from "../../lib/base/limits.ts";
import type { Client } from "../../lib/rpc/client.ts";
import { FrameReader, type Window } from "../../lib/wire/window-frame.ts";
import type { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";

export type QueryClient = Client<typeof QueryService, "messages">;

/** A device as the server tells it. */
export interface ServerDevice {
  /** Of its current session, hexadecimal. */
  readonly spool: string;
  readonly ackedSequence: number;
  readonly samplesCounted: number;
  readonly samplesRefused: number;
  readonly samplesLost: number;
  readonly batchesLost: number;
}

const pageSize = 1_000;

/**
 * @param deviceIdPrefixes what the ids of all of them begin with, if that is known
 * @returns those of the devices that the server knows
 */
export async function readDevices(
  query: QueryClient,
  wanted: ReadonlyMap<string, unknown>,
  deviceIdPrefixes: string[] = [],
): Promise<Map<string, ServerDevice>> {
  const devices = new Map<string, ServerDevice>();
  let pageToken = "";
  do {
    const page = await query.listDevices({ pageSize, pageToken, deviceIdPrefixes });
    for (const device of page.devices) {
      if (!wanted.has(device.deviceId)) continue;
      devices.set(device.deviceId, {
        spool: Buffer.from(device.spoolId).toString("hex"),
        ackedSequence: Number(device.ackedSequence),
        samplesCounted: Number(device.samplesCounted),
        samplesRefused: Number(device.samplesRefused),
        samplesLost: Number(device.samplesLost),
        batchesLost: Number(device.batchesLost),
      });
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return devices;
}

/** @returns the windows of a tier; undefined when the server does not have that tier */
export async function readWindows(
  query: QueryClient,
  deviceIds: readonly string[],
  widthMs: number,
): Promise<Window[] | undefined> {
  const windows: Window[] = [];
  const frames = new FrameReader();
  const range = { from: timestampFromMs(timeMsMin), to: timestampFromMs(timeMsMax), tier: durationFromMs(widthMs) };
  try {
    for await (const { frame } of query.queryRange({ selector: { deviceIds: [...deviceIds] }, ...range })) {
      if (frame !== undefined) windows.push(...frames.read(frame));
    }
  } catch (error) {
    if (error instanceof TelemetryError && error.status === "INVALID_ARGUMENT") return undefined;
    throw error;
  }
  return windows;
}
