import { TelemetryError } from "../../../lib/base/errors.ts";
import type { Channel, ClientStream } from "../../../lib/rpc/client.ts";
import { encodeBatchesMessage } from "../../../lib/wire/batch-encoder.ts";
import { embed } from "../../../lib/wire/embed.ts";
import { NamedService } from "../../../proto/gen/bench/v1/named_service_pb.js";
import {
  IngestService,
  RejectReason,
  type StreamBatchesResponse,
} from "../../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { type Device, registrationOf } from "../device.ts";
import type { Outgoing } from "../message-source.ts";
import { expectNoRefusals } from "./refusal.ts";

/** Who is told what the server answers. */
export interface StreamListener {
  onRegistered(): void;
  onAck(deviceHandle: number, ackedSequence: number): void;
}

/** A bidi stream of batches: the product's, or the one whose batches carry their names. */
export interface StreamWay {
  /** @returns a stream whose answers go to the listener as they are read: `answers` ends with the stream, or throws */
  open(channel: Channel, listener: StreamListener, signal: AbortSignal): OpenStream;
  /** Undefined: the way has none. */
  registration?(device: Device): Uint8Array;
  message(batches: readonly Outgoing[]): Uint8Array;
}

export interface OpenStream {
  write(message: Uint8Array): Promise<void>;
  end(): void;
  readonly answers: Promise<void>;
}

const registrationField = 1;

export const productStream: StreamWay = {
  open: (channel, listener, signal) =>
    opened(channel.client(IngestService, "bytes").streamBatches({ signal }), (response) =>
      readAnswer(response, listener),
    ),
  registration: (device) => embed(registrationField, registrationOf(device)),
  message: (batches) => encodeBatchesMessage(batches.map(({ bytes }) => bytes)),
};

export const namedStream: StreamWay = {
  open: (channel, listener, signal) =>
    opened(channel.client(NamedService, "bytes").streamNamed({ signal }), ({ deviceHandle, ackedSequence }) =>
      listener.onAck(deviceHandle, Number(ackedSequence)),
    ),
  message: ([batch]) => batch.bytes,
};

function opened<Response>(
  { write, end, responses }: ClientStream<Uint8Array, Response>,
  read: (response: Response) => void,
): OpenStream {
  const readAll = async () => {
    for await (const response of responses) read(response);
  };
  return { write, end, answers: readAll() };
}

function readAnswer({ message }: StreamBatchesResponse, listener: StreamListener): void {
  if (message.case === "registered") listener.onRegistered();
  else if (message.case === "ack") {
    for (const { deviceHandle, ackedSequence, refusals } of message.value.devices) {
      expectNoRefusals(refusals);
      listener.onAck(deviceHandle, Number(ackedSequence));
    }
  } else if (message.case === "reject") {
    const { reason, detail } = message.value;
    throw new TelemetryError("FAILED_PRECONDITION", RejectReason[reason], detail);
  } else if (message.case === "drain") {
    throw new TelemetryError("UNAVAILABLE", "DRAIN", `the server ends the stream: ${message.value.detail}`);
  }
}
