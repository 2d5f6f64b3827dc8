import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { TelemetryError } from "../lib/base/errors.ts";
import { heartbeatIntervalMs, pageSizeDefault, watcherEventsMax } from "../lib/base/limits.ts";
import { waitFor } from "../lib/base/wait.ts";
import type { DeviceEvent } from "../lib/store/device-feed.ts";
import type { DeviceFilter } from "../lib/store/registry.ts";
import {
  DeviceChangeKind,
  DeviceConnection,
  type DeviceSchema,
  type WatchDevicesRequest,
  type WatchDevicesResponseSchema,
} from "../proto/gen/telemetry/v1/query_service_pb.js";
import { readDevices } from "./devices.ts";
import { PendingDevices } from "./pending-devices.ts";
import { readLabels, readPrefixes } from "./request.ts";
import type { QueryHandlers, QueryOptions } from "./service.ts";

/** What happens to devices, as it happens. */
export function watchHandlers(options: QueryOptions): Pick<QueryHandlers, "watchDevices"> {
  return {
    watchDevices: (request, { signal, draining }) =>
      watch(request, AbortSignal.any([signal, draining, options.ending]), options),
  };
}

type WatchDevicesResponse = MessageInitShape<typeof WatchDevicesResponseSchema>;
type DeviceInit = MessageInitShape<typeof DeviceSchema>;

const kinds: Readonly<Record<DeviceEvent["kind"], DeviceChangeKind>> = {
  created: DeviceChangeKind.CREATED,
  appeared: DeviceChangeKind.APPEARED,
  updated: DeviceChangeKind.UPDATED,
  connected: DeviceChangeKind.CONNECTED,
  silent: DeviceChangeKind.SILENT,
  disconnected: DeviceChangeKind.DISCONNECTED,
  superseded: DeviceChangeKind.SUPERSEDED,
  deleted: DeviceChangeKind.DELETED,
};

async function* watch(
  request: WatchDevicesRequest,
  signal: AbortSignal,
  options: QueryOptions,
): AsyncGenerator<WatchDevicesResponse, void> {
  const { clock, deviceFeed } = options;
  const filter = {
    deviceIdPrefixes: readPrefixes("device_id_prefixes", request.deviceIdPrefixes),
    labels: readLabels("labels", request.labels),
  };
  const heartbeat = (): WatchDevicesResponse => ({
    event: { case: "heartbeat", value: { time: timestampFromMs(clock.nowMs()) } },
  });
  const pending = new PendingDevices(filter);
  const unwatch = await deviceFeed.watch((events) => pending.add(events));
  try {
    if (!request.changesOnly) yield* listed(filter, pending, signal, options);
    yield heartbeat();
    let sentMs = clock.elapsedMs();
    while (!signal.aborted) {
      if (pending.overflowing) throw tooSlow();
      const heartbeatInMs = sentMs + heartbeatIntervalMs - clock.elapsedMs();
      if (pending.length > 0) {
        yield* changes(pending.take(pageSizeDefault), options);
        sentMs = clock.elapsedMs();
      } else if (heartbeatInMs <= 0) {
        yield heartbeat();
        sentMs = clock.elapsedMs();
      } else await waitFor(heartbeatInMs, signal, (wake) => (pending.onChanged = wake));
    }
  } finally {
    unwatch();
  }
}

/** The devices that there are, read page by page as they are taken. */
async function* listed(
  filter: DeviceFilter,
  pending: PendingDevices,
  signal: AbortSignal,
  options: QueryOptions,
): AsyncGenerator<WatchDevicesResponse, void> {
  let ids: string[] = [];
  do {
    if (pending.overflowing) throw tooSlow();
    const page = await options.reader.call("devices", ids.at(-1) ?? "", pageSizeDefault, filter);
    ids = page.map(({ deviceId }) => deviceId);
    const timeMs = options.clock.nowMs();
    for (const device of await readDevices(options, ids)) yield change(DeviceChangeKind.LISTED, device, timeMs);
  } while (ids.length === pageSizeDefault && !signal.aborted);
}

async function* changes(
  events: readonly DeviceEvent[],
  options: QueryOptions,
): AsyncGenerator<WatchDevicesResponse, void> {
  const ids = new Set(events.map(({ deviceId }) => deviceId));
  const devices = new Map((await readDevices(options, [...ids])).map((device) => [device.deviceId, device]));
  for (const { kind, deviceId, timeMs } of events) {
    const device = kind === "deleted" ? { deviceId } : devices.get(deviceId);
    // It has been deleted meanwhile, which is an event of its own.
    if (device !== undefined) yield change(kinds[kind], connectedAs(device, kinds[kind]), timeMs);
  }
}

/** A device whose connection has changed again meanwhile: that is an event of its own. */
function connectedAs(device: DeviceInit, kind: DeviceChangeKind): DeviceInit {
  if (kind === DeviceChangeKind.CONNECTED) return { ...device, connection: DeviceConnection.CONNECTED };
  if (kind === DeviceChangeKind.SILENT) return { ...device, connection: DeviceConnection.SILENT };
  if (kind === DeviceChangeKind.DISCONNECTED) return { ...device, connection: DeviceConnection.DISCONNECTED };
  return device;
}

function change(kind: DeviceChangeKind, device: DeviceInit, timeMs: number): WatchDevicesResponse {
  return { event: { case: "change", value: { kind, device, time: timestampFromMs(timeMs) } } };
}

function tooSlow(): TelemetryError {
  return new TelemetryError(
    "RESOURCE_EXHAUSTED",
    "WATCHER_TOO_SLOW",
    `more than ${watcherEventsMax} changes of devices wait for this watcher; read faster, or watch fewer devices, and ` +
      "watch anew: it begins with the devices as they are",
    { quota: "call:changes" },
  );
}
