import { encodeMetric } from "../lib/wire/window-frame.ts";
import { readDevices } from "./devices.ts";
import { checkDevicesKnown } from "./known-devices.ts";
import { checkPageSize, decodePageToken, encodePageToken } from "./page-token.ts";
import { readLabels, readPrefixes, readSelector } from "./request.ts";
import type { QueryHandlers, QueryOptions } from "./service.ts";

/** Devices and metrics, page by page. */
export function listHandlers(options: QueryOptions): Pick<QueryHandlers, "listDevices" | "listMetrics"> {
  const { reader } = options;
  return {
    async listDevices({ pageSize, pageToken, ...request }) {
      const size = checkPageSize(pageSize);
      const filter = {
        deviceIdPrefixes: readPrefixes("device_id_prefixes", request.deviceIdPrefixes),
        labels: readLabels("labels", request.labels),
      };
      const [after = ""] = pageToken === "" ? [] : decodePageToken("devices", filter, pageToken, 1);
      // One more than asked for tells whether there is a next page.
      const rows = await reader.call("devices", after, size + 1, filter);
      const ids = rows.slice(0, size).map(({ deviceId }) => deviceId);
      const last = rows.length > size ? ids.at(-1) : undefined;
      return {
        devices: await readDevices(options, ids),
        nextPageToken: last === undefined ? "" : encodePageToken("devices", filter, [last]),
      };
    },

    async listMetrics(request) {
      const selector = readSelector(request.selector);
      const size = checkPageSize(request.pageSize);
      const [deviceId, name] =
        request.pageToken === "" ? [] : decodePageToken("metrics", selector, request.pageToken, 2);
      const after = deviceId === undefined || name === undefined ? undefined : { deviceId, name };
      await checkDevicesKnown(reader, selector.deviceIds);
      const rows = await reader.call("series", selector, after, size + 1);
      const series = rows.slice(0, size);
      const last = rows.length > size ? series[series.length - 1] : undefined;
      return {
        metrics: series.map(encodeMetric),
        nextPageToken: last === undefined ? "" : encodePageToken("metrics", selector, [last.deviceId, last.name]),
      };
    },
  };
}
