import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { invalidField } from "../lib/base/errors.ts";
import { formatTime } from "../lib/base/time.ts";
import { type Device, DeviceConnection } from "../proto/gen/telemetry/v1/query_service_pb.js";

export const deviceHeads = ["device", "connection", "last seen", "acked", "counted", "refused", "lost", "labels"];
/** Columns that a narrow terminal does without, the first one first. */
export const deviceDispensable = ["lost", "refused", "labels", "counted", "last seen"];

/** A row of a table of devices. */
export function deviceCells(device: Device): (string | number)[] {
  const { deviceId, connection, lastSeenAt, ackedSequence, samplesCounted, samplesRefused, samplesLost } = device;
  return [
    deviceId,
    connectionName(connection),
    timeCell(lastSeenAt),
    Number(ackedSequence),
    Number(samplesCounted),
    Number(samplesRefused),
    Number(samplesLost),
    labelsCell(device.labels),
  ];
}

export function connectionName(connection: DeviceConnection): string {
  return connection === DeviceConnection.UNSPECIFIED ? "" : DeviceConnection[connection].toLowerCase();
}

/** To the second; empty where there is none. */
export function timeCell(time: Timestamp | undefined): string {
  return time === undefined ? "" : formatTime(Math.floor(timestampMs(time) / 1_000) * 1_000);
}

export function labelsCell(labels: Readonly<Record<string, string>>): string {
  const names = Object.keys(labels).sort();
  return names.map((name) => `${name}=${labels[name]}`).join(" ");
}

/** `truck-*`: devices are listed by how their ids begin. `*` means all. */
export function prefixesOf(patterns: readonly string[]): string[] {
  const wrong = patterns.find((pattern) => !pattern.endsWith("*"));
  if (wrong !== undefined) {
    throw invalidField("pattern", `is ${JSON.stringify(wrong)}`, `write ${wrong}*, or use: devices get ${wrong}`);
  }
  const prefixes = patterns.map((pattern) => pattern.slice(0, -1));
  return prefixes.includes("") ? [] : prefixes;
}
