import { DeviceConnection } from "../../../../proto/gen/telemetry/v1/query_service_pb.js";

const words: Readonly<Partial<Record<DeviceConnection, string>>> = {
  [DeviceConnection.CONNECTED]: "connected",
  [DeviceConnection.SILENT]: "silent",
  [DeviceConnection.DISCONNECTED]: "disconnected",
};

/** Whether a device is on a call: a dot by its state, and the word for it. */
export function Connection({ of }: { readonly of: DeviceConnection }) {
  const word = words[of] ?? "not known";
  return <span class={`connection connection-${word.replace(" ", "-")}`}>{word}</span>;
}
