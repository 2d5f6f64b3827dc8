import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { Clock } from "../../lib/base/clock.ts";
import { type StatusName, TelemetryError } from "../../lib/base/errors.ts";
import type { Client } from "../../lib/rpc/client.ts";
import { batchFrameLength, encodeBatchesMessage } from "../../lib/wire/batch-encoder.ts";
import { embed } from "../../lib/wire/embed.ts";
import { type IngestService, StreamBatchesRequestSchema } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import type { Delivery } from "./delivery.ts";
import type { DeviceLink } from "./device-link.ts";
import { gapOf } from "./gap-message.ts";
import type { Mischief } from "./mischief.ts";
import type { Outbox } from "./outbox.ts";

/** What a carrier works with. */
export interface Cargo {
  readonly client: Client<typeof IngestService, "bytes">;
  readonly outbox: Outbox;
  readonly delivery: Delivery;
  readonly clock: Clock;
  /** Undefined: everything is sent once, in turn. */
  readonly mischief: Mischief | undefined;
}

/**
 * Brings what is in the outbox to the server, in one of three ways. Returns when the outbox is finished,
 * or the call has ended in good order.
 * @throws TelemetryError when the call fails; what was not acked is still in the spools
 */
export type Carrier = (cargo: Cargo, signal: AbortSignal) => Promise<void>;

/** Messages cost, samples hardly do: 64 KiB is where larger ones earn nothing more. */
const messageBytesTarget = 64 * 1024;

/**
 * Batches of the devices whose turn it is, as one message of `StreamBatches` or `UploadBatches`, and a gap
 * behind it when one of the devices has one. Empty when there is nothing to send.
 */
export function gatherMessages({ outbox, delivery, clock, mischief }: Cargo): Uint8Array[] {
  const batches: Uint8Array[] = [];
  const messages: Uint8Array[] = [];
  let bytes = 0;
  const add = (batch: Uint8Array) => {
    batches.push(batch);
    bytes += batchFrameLength(batch);
  };
  for (const batch of mischief?.takeRepeats() ?? []) {
    add(batch);
    delivery.batchesRepeated += 1;
  }
  while (bytes < messageBytesTarget && messages.length === 0) {
    const device = outbox.next();
    const entry = device?.take(clock.elapsedMs());
    if (device === undefined || entry === undefined) break;
    outbox.enqueue(device);
    if (entry.kind === "batch") {
      add(entry.bytes);
      mischief?.mayRepeat(entry.bytes);
    } else messages.push(streamMessage({ case: "gap", value: gapOf(device, entry) }));
  }
  if (batches.length > 0) messages.unshift(encodeBatchesMessage(batches));
  return messages;
}

/** A registration as a message of `StreamBatches` or `UploadBatches`. */
export function registrationMessage(device: DeviceLink): Uint8Array {
  return embed(StreamBatchesRequestSchema.field.registration.number, device.registrationBytes);
}

type Message = NonNullable<MessageInitShape<typeof StreamBatchesRequestSchema>["message"]>;

/** The two requests have the same fields. */
function streamMessage(message: Message): Uint8Array {
  return toBinary(StreamBatchesRequestSchema, create(StreamBatchesRequestSchema, { message }));
}

const finalStatuses: readonly StatusName[] = [
  "INVALID_ARGUMENT",
  "FAILED_PRECONDITION",
  "UNAUTHENTICATED",
  "PERMISSION_DENIED",
  "UNIMPLEMENTED",
  "NOT_FOUND",
];

/** Whether the same call would fail again. */
export function isFinal(error: unknown): boolean {
  if (!(error instanceof TelemetryError)) return true;
  return finalStatuses.includes(error.status);
}
