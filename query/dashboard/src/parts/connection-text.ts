import { DeviceConnection } from "../../../../proto/gen/telemetry/v1/query_service_pb.js";

export function deviceConnectionText(connection: DeviceConnection): string {
  switch (connection) {
    case DeviceConnection.CONNECTED:
      return "connected";
    case DeviceConnection.SILENT:
      return "silent";
    case DeviceConnection.DISCONNECTED:
      return "disconnected";
    default:
      return "not known";
  }
}
