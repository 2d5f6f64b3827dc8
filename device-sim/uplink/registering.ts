import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { TelemetryError } from "../../lib/base/errors.ts";
import { PushBatchRequestSchema } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { type Cargo, isFinal } from "./carrier.ts";
import type { DeviceLink } from "./device-link.ts";

/** Unary calls under way at a time on one connection. */
export const pushesMax = 32;

type Payload = MessageInitShape<typeof PushBatchRequestSchema>["payload"];

/** A push of anything but a batch, which has a faster way. */
export function pushMessage({ registration }: DeviceLink, payload?: NonNullable<Payload>): Uint8Array {
  const request = { registration, ...(payload !== undefined && { payload }) };
  return toBinary(PushBatchRequestSchema, create(PushBatchRequestSchema, request));
}

/**
 * Opens a device where the answer to its registration does not come with the call itself: the server is
 * asked where it is, unless that is known. A device that the server refuses has failed then.
 * @throws TelemetryError when the server cannot be asked
 */
export async function openDevice(cargo: Cargo, device: DeviceLink, signal: AbortSignal): Promise<void> {
  const { client, outbox, clock } = cargo;
  if (!device.markKnown) {
    try {
      const { registered } = await client.pushBatch(pushMessage(device), { signal });
      if (registered === undefined) throw unanswered(device);
      device.onRegistered(registered, clock.elapsedMs());
    } catch (error) {
      if (!isFinal(error) || !(error instanceof TelemetryError)) throw error;
      device.fail(error);
    }
  }
  if (device.failure === undefined) outbox.open(device);
}

/** Opens all devices that are not registered on this call. */
export async function openDevices(cargo: Cargo, signal: AbortSignal): Promise<DeviceLink[]> {
  const opened: DeviceLink[] = [];
  const work = async () => {
    for (let device = cargo.outbox.nextUnregistered(); device !== undefined; device = cargo.outbox.nextUnregistered()) {
      await openDevice(cargo, device, signal);
      if (device.failure === undefined) opened.push(device);
    }
  };
  const workers = Array.from({ length: pushesMax }, work);
  await Promise.allSettled(workers);
  await Promise.all(workers);
  return opened;
}

function unanswered({ deviceId }: DeviceLink): TelemetryError {
  return new TelemetryError("INTERNAL", "NO_ANSWER", `the server has not answered the registration of ${deviceId}`);
}
