import { TelemetryError } from "../../lib/base/errors.ts";
import {
  type Reject,
  RejectReason,
  SlowDownCause,
  type StreamBatchesResponse,
} from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { type Cargo, type Carrier, gatherMessages, registrationMessage } from "./carrier.ts";
import type { Delivery } from "./delivery.ts";

/**
 * One bidi stream for all devices of the outbox. While the stream is blocked, what is sealed gathers, and
 * goes out together in larger messages.
 */
export const carryByStream: Carrier = async (cargo, signal) => {
  const { client, outbox } = cargo;
  const over = new AbortController();
  const stream = client.streamBatches({ signal });
  const reading = readAnswers(stream.responses, cargo).finally(() => over.abort());
  reading.catch(() => {});
  try {
    outbox.rewind();
    while (!over.signal.aborted) {
      for (const device of outbox.takeUnregistered()) await stream.write(registrationMessage(device));
      const messages = gatherMessages(cargo);
      for (const message of messages) await stream.write(message);
      if (messages.length > 0) continue;
      if (outbox.finished) break;
      await outbox.changed(Number.POSITIVE_INFINITY, over.signal);
    }
    stream.end();
  } catch (error) {
    // The call is over: its status says why.
    if (!(error instanceof TelemetryError) || error.reason !== "CALL_OVER") throw error;
  }
  await reading;
};

async function readAnswers(responses: AsyncIterable<StreamBatchesResponse>, cargo: Cargo): Promise<void> {
  const { outbox, clock, delivery } = cargo;
  for await (const { message } of responses) {
    if (message.case === "registered") {
      const device = outbox.device(message.value.deviceHandle);
      if (device?.onRegistered(message.value, clock.elapsedMs())) outbox.open(device);
    } else if (message.case === "ack") {
      for (const { deviceHandle, ackedSequence, refusals } of message.value.devices) {
        outbox.device(deviceHandle)?.settle(Number(ackedSequence), refusals, clock.elapsedMs());
      }
    } else if (message.case === "reject") onReject(message.value, cargo);
    else if (message.case === "slowDown") countSlowDown(message.value.cause, delivery);
  }
}

function onReject({ reason, detail, deviceHandle, expectedSequence }: Reject, { outbox, clock }: Cargo): void {
  const device = outbox.device(deviceHandle);
  if (device === undefined) {
    throw new TelemetryError("INVALID_ARGUMENT", RejectReason[reason], `device handle ${deviceHandle}: ${detail}`);
  }
  if (reason === RejectReason.UNKNOWN_DEVICE) outbox.unregister(device);
  else if (reason === RejectReason.SEQUENCE_GAP) device.resume(Number(expectedSequence), clock.elapsedMs());
  else device.fail(new TelemetryError("FAILED_PRECONDITION", RejectReason[reason], detail));
}

function countSlowDown(cause: SlowDownCause, { slowDowns }: Delivery): void {
  if (cause === SlowDownCause.DISK) slowDowns.disk += 1;
  else if (cause === SlowDownCause.QUOTA) slowDowns.quota += 1;
  else if (cause === SlowDownCause.MEMORY) slowDowns.memory += 1;
}
