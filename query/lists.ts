import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { DeviceRow } from "../lib/store/store.ts";
import { encodeMetric } from "../lib/wire/window-frame.ts";
import type { DeviceSchema } from "../proto/gen/telemetry/v1/query_service_pb.js";
import { checkDevicesKnown } from "./known-devices.ts";
import { checkPageSize, decodePageToken, encodePageToken } from "./page-token.ts";
import { readSelector } from "./request.ts";
import type { QueryHandlers, QueryOptions } from "./service.ts";

/** Devices and metrics, page by page. */
export function listHandlers({ reader, barrier }: QueryOptions): Pick<QueryHandlers, "listDevices" | "listMetrics"> {
  return {
    async listDevices({ pageSize, pageToken }) {
      const size = checkPageSize(pageSize);
      const [after = ""] = pageToken === "" ? [] : decodePageToken("devices", pageToken, 1);
      await barrier(undefined, true);
      // One more than asked for tells whether there is a next page.
      const rows = await reader.call("devices", after, size + 1);
      const devices = rows.slice(0, size);
      const last = rows.length > size ? devices[devices.length - 1] : undefined;
      return {
        devices: devices.map(encodeDevice),
        nextPageToken: last === undefined ? "" : encodePageToken("devices", [last.deviceId]),
      };
    },

    async listMetrics(request) {
      const selector = readSelector(request.selector);
      const size = checkPageSize(request.pageSize);
      const [deviceId, name] = request.pageToken === "" ? [] : decodePageToken("metrics", request.pageToken, 2);
      const after = deviceId === undefined || name === undefined ? undefined : { deviceId, name };
      await checkDevicesKnown(reader, selector.deviceIds);
      const rows = await reader.call("series", selector, after, size + 1);
      const series = rows.slice(0, size);
      const last = rows.length > size ? series[series.length - 1] : undefined;
      return {
        metrics: series.map(encodeMetric),
        nextPageToken: last === undefined ? "" : encodePageToken("metrics", [last.deviceId, last.name]),
      };
    },
  };
}

function encodeDevice(row: DeviceRow): MessageInitShape<typeof DeviceSchema> {
  return {
    deviceId: row.deviceId,
    labels: { ...row.labels },
    createdAt: timestampFromMs(row.createdAtMs),
    ...(row.lastSeenAtMs !== undefined && { lastSeenAt: timestampFromMs(row.lastSeenAtMs) }),
    ackedSequence: BigInt(row.ackedSequence),
    samplesCounted: BigInt(row.samplesCounted),
    samplesRefused: BigInt(row.samplesRefused),
    samplesLost: BigInt(row.samplesLost),
    batchesLost: BigInt(row.batchesLost),
    spoolId: Buffer.from(row.spoolId, "hex"),
  };
}
