import { DeviceConnection } from "../../../../proto/gen/telemetry/v1/query_service_pb.js";
import type { Api } from "./transport.ts";

const pageSize = 1_000;
/** More pages than this are not asked for just to count. */
const pagesMax = 20;

export interface FleetSize {
  readonly devices: number;
  readonly connected: number;
  readonly silent: number;
  /** Whether there are more, which were not counted. */
  readonly isCut: boolean;
}

/** Counts the devices. @throws ConnectError */
export async function countFleet({ query }: Api, signal: AbortSignal): Promise<FleetSize> {
  const size = { devices: 0, connected: 0, silent: 0 };
  let pageToken = "";
  for (let page = 0; page < pagesMax; page += 1) {
    const { devices, nextPageToken } = await query.listDevices({ pageSize, pageToken }, { signal });
    size.devices += devices.length;
    for (const { connection } of devices) {
      if (connection === DeviceConnection.CONNECTED) size.connected += 1;
      if (connection === DeviceConnection.SILENT) size.silent += 1;
    }
    pageToken = nextPageToken;
    if (pageToken === "") return { ...size, isCut: false };
  }
  return { ...size, isCut: true };
}
