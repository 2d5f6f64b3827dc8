import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Handlers } from "../lib/rpc/handlers.ts";
import type { DeviceService } from "../proto/gen/telemetry/v1/device_service_pb.js";
import type { DeviceSchema } from "../proto/gen/telemetry/v1/query_service_pb.js";
import { deviceNotFound } from "./registry.ts";
import type { Writer } from "./writer.ts";

export interface DeviceServiceOptions {
  readonly writer: Pick<Writer, "call">;
  /** How a device is told; undefined when it is not there. */
  readonly describe: (deviceId: string) => Promise<MessageInitShape<typeof DeviceSchema> | undefined>;
}

/** Changes of the registry. The writer thread makes them, as it writes everything. */
export function deviceHandlers(options: DeviceServiceOptions): Handlers<typeof DeviceService, "messages"> {
  const { writer } = options;
  const described = async (deviceId: string) => {
    const device = await options.describe(deviceId);
    // Deleted just after it was changed.
    if (device === undefined) throw deviceNotFound(deviceId);
    return { device };
  };
  return {
    async createDevice({ deviceId, labels, description }) {
      await writer.call("createDevice", { deviceId, labels, description });
      return await described(deviceId);
    },

    async updateDevice({ deviceId, labels, description, updateMask }) {
      await writer.call("updateDevice", { deviceId, labels, description }, updateMask?.paths ?? []);
      return await described(deviceId);
    },

    async deleteDevice({ deviceId, force }) {
      await writer.call("deleteDevice", deviceId, force);
      return {};
    },
  };
}
