import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DeviceConnection, type DeviceSchema } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import type { Connection } from "../store/device-feed.ts";
import type { DeviceRow } from "../store/store.ts";

const connections: Readonly<Record<Connection, DeviceConnection>> = {
  connected: DeviceConnection.CONNECTED,
  silent: DeviceConnection.SILENT,
  disconnected: DeviceConnection.DISCONNECTED,
};

/** The wire's form of a device. */
export function encodeDevice(row: DeviceRow, connection: Connection): MessageInitShape<typeof DeviceSchema> {
  return {
    deviceId: row.deviceId,
    labels: { ...row.labels },
    setLabels: { ...row.setLabels },
    description: row.description,
    createdAt: timestampFromMs(row.createdAtMs),
    ...(row.lastSeenAtMs !== undefined && { lastSeenAt: timestampFromMs(row.lastSeenAtMs) }),
    ...(row.latestSampleMs !== undefined && { latestEventAt: timestampFromMs(row.latestSampleMs) }),
    ackedSequence: BigInt(row.ackedSequence),
    samplesCounted: BigInt(row.samplesCounted),
    samplesRefused: BigInt(row.samplesRefused),
    samplesLost: BigInt(row.samplesLost),
    batchesLost: BigInt(row.batchesLost),
    spoolId: Buffer.from(row.spoolId, "hex"),
    connection: connections[connection],
  };
}
