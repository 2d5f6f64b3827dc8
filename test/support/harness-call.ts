import { fromBinary } from "@bufbuild/protobuf";
import type { Settlement } from "../../ingest/call.ts";
import type { RateDelay } from "../../ingest/rates.ts";
import type { CallMethod } from "../../ingest/slab.ts";
import type { DeviceAck, Refusal, Registered } from "../../proto/gen/telemetry/v1/batch_pb.js";
import {
  type PushBatchResponse,
  PushBatchResponseSchema,
  type Reject,
  type StreamBatchesResponse,
  StreamBatchesResponseSchema,
  type UploadBatchesResponse,
  UploadBatchesResponseSchema,
} from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import {
  asBatches,
  asGap,
  asRegistration,
  type Batch,
  type Gap,
  pushBytes,
  type RegistrationOptions,
  registration,
  streamBytes,
} from "./batches.ts";

/** A call, as its client sees it. What it was told is kept until `take`. */
export class HarnessCall {
  readonly method: CallMethod;
  readonly #send: (event: "message" | "half-close" | "cancel", message?: Uint8Array) => void;
  #told: Settlement[] = [];

  constructor(method: CallMethod, send: (event: "message" | "half-close" | "cancel", message?: Uint8Array) => void) {
    this.method = method;
    this.#send = send;
  }

  register(deviceId: string, options: RegistrationOptions = {}): void {
    this.send(streamBytes(asRegistration(registration(deviceId, options))));
  }

  batches(...batches: Batch[]): void {
    this.send(streamBytes(asBatches(...batches)));
  }

  gap(gap: Gap): void {
    this.send(streamBytes(asGap(gap)));
  }

  /** A whole push. */
  push(deviceId: string, payload?: { batch: Batch } | { gap: Gap }, options: RegistrationOptions = {}): void {
    this.send(pushBytes(registration(deviceId, options), payload));
    this.halfClose();
  }

  send(message: Uint8Array): void {
    this.#send("message", message);
  }

  halfClose(): void {
    this.#send("half-close");
  }

  cancel(): void {
    this.#send("cancel");
  }

  /** For the harness. */
  settle(settlement: Settlement): void {
    this.#told.push(settlement);
  }

  /** What the call was told since it was asked last. */
  take(): Told {
    const told = this.#told;
    this.#told = [];
    const answers = told.flatMap((settlement) => settlement.answers);
    const messages =
      this.method === "stream" ? answers.map((bytes) => fromBinary(StreamBatchesResponseSchema, bytes).message) : [];
    return {
      messages,
      kinds: messages.map((message) => message.case),
      registered: messages.flatMap((message) => (message.case === "registered" ? [message.value] : [])),
      acks: messages.flatMap((message) => (message.case === "ack" ? message.value.devices : [])),
      rejects: messages.flatMap((message) => (message.case === "reject" ? [message.value] : [])),
      pushed: this.method === "push" ? answers.map((bytes) => fromBinary(PushBatchResponseSchema, bytes)) : [],
      uploaded: this.method === "upload" ? answers.map((bytes) => fromBinary(UploadBatchesResponseSchema, bytes)) : [],
      bytes: told.reduce((bytes, settlement) => bytes + settlement.bytes, 0),
      delays: told.flatMap(({ delay }) => delay ?? []),
      end: told.find((settlement) => settlement.end !== undefined)?.end,
    };
  }
}

export interface Told {
  /** The messages of a stream, in their order. */
  readonly messages: readonly StreamBatchesResponse["message"][];
  readonly kinds: readonly (string | undefined)[];
  readonly registered: readonly Registered[];
  readonly acks: readonly DeviceAck[];
  readonly rejects: readonly Reject[];
  readonly pushed: readonly PushBatchResponse[];
  readonly uploaded: readonly UploadBatchesResponse[];
  readonly bytes: number;
  /** Why and how long its call is not to be read. */
  readonly delays: readonly RateDelay[];
  readonly end: Settlement["end"];
}

/** A refusal without its text. */
export function refusalOf({ reason, samples, metricHandle, timeUnixMs, sequence }: Refusal) {
  return { sequence: Number(sequence), reason, samples, metricHandle, timeMs: Number(timeUnixMs) };
}
