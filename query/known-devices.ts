import { TelemetryError } from "../lib/base/errors.ts";
import type { Reader } from "./reader.ts";

/** @throws TelemetryError NOT_FOUND that names those of the devices that are not known */
export async function checkDevicesKnown(reader: Reader, deviceIds: readonly string[] | undefined): Promise<void> {
  if (deviceIds === undefined) return;
  const unknown = await reader.call("unknownDevices", deviceIds);
  if (unknown.length === 0) return;
  const names = unknown.slice(0, 5).map((id) => JSON.stringify(id.slice(0, 100)));
  throw new TelemetryError(
    "NOT_FOUND",
    "DEVICE_NOT_FOUND",
    `selector.device_ids: no device ${names.join(", ")}${unknown.length > 5 ? ` and ${unknown.length - 5} more` : ""}; ` +
      "list the devices to see their ids",
    { field: "selector.device_ids" },
  );
}
