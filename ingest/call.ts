import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { fromFields, TelemetryError, type TelemetryErrorFields, toFields } from "../lib/base/errors.ts";
import {
  batchBytesMax,
  batchSamplesMax,
  messageBytesMax,
  refusalsPerAckMax,
  rejectsPerAnswerMax,
} from "../lib/base/limits.ts";
import { type AckedDevice, encodeStreamAck } from "../lib/wire/ack-encoder.ts";
import type {
  DeviceAckSchema,
  IngestLimitsSchema,
  RefusalReason,
  RefusalSchema,
  RegisteredSchema,
} from "../proto/gen/telemetry/v1/batch_pb.js";
import {
  PushBatchResponseSchema,
  RejectReason,
  type RejectSchema,
  StreamBatchesResponseSchema,
  UploadBatchesResponseSchema,
} from "../proto/gen/telemetry/v1/ingest_service_pb.js";
import type { DeviceState } from "./device-states.ts";
import type { Grant } from "./grant.ts";
import type { IngestQuotas } from "./quotas.ts";
import type { RateDelay } from "./rates.ts";
import type { CallMethod } from "./slab.ts";

/** What the I/O thread does with a call after a group. */
export interface Settlement {
  readonly call: number;
  /** Request bytes of the call that are no longer in flight. */
  readonly bytes: number;
  /** Encoded responses, to be sent in this order. */
  readonly answers: readonly Uint8Array[];
  /** Undefined: the call goes on. */
  readonly end: "ok" | TelemetryErrorFields | undefined;
  /** The call is not read for so long. */
  readonly delay?: RateDelay | undefined;
}

export type Refusal = MessageInitShape<typeof RefusalSchema> & {
  sequence: bigint;
  reason: RefusalReason;
  samples: number;
  detail: string;
};

/** A device as registered on one call. */
export interface CallDevice {
  readonly handle: number;
  readonly state: DeviceState;
  /** The session that was registered: a newer one of the device supersedes it. */
  readonly session: DeviceState["session"];
  refusals: Refusal[];
}

/** The writer's side of a call: its devices, and what it is to be told when the group is on disk. */
export class Call {
  readonly id: number;
  readonly method: CallMethod;
  /** Undefined: of nobody in particular, who may write all devices. */
  readonly grant: Grant | undefined;
  readonly devices = new Map<number, CallDevice>();
  /** Request bytes since the last settlement. */
  bytes = 0;
  /** Why the call ends, or that its client has closed its side. */
  end: "open" | "half-closed" | TelemetryError = "open";
  readonly #incarnation: Uint8Array;
  readonly #quotas: IngestQuotas;
  readonly #toAck = new Set<CallDevice>();
  readonly #registered = new Set<CallDevice>();
  #delay: RateDelay | undefined;
  #rejects: MessageInitShape<typeof RejectSchema>[] = [];

  constructor(id: number, method: CallMethod, incarnation: Uint8Array, quotas: IngestQuotas, grant: Grant | undefined) {
    this.id = id;
    this.method = method;
    this.grant = grant;
    this.#incarnation = incarnation;
    this.#quotas = quotas;
  }

  /** A device has registered. */
  register(handle: number, state: DeviceState): CallDevice {
    let device = this.devices.get(handle);
    if (device?.session !== state.session) {
      // What was settled of an older session is not an ack of the new one.
      if (device !== undefined) this.#toAck.delete(device);
      device = { handle, state, session: state.session, refusals: [] };
      this.devices.set(handle, device);
    }
    this.#registered.add(device);
    return device;
  }

  /** The device's session has moved on, or was told again where it is. */
  ack(device: CallDevice): void {
    this.#toAck.add(device);
  }

  /** Some samples of an accepted batch do not count. */
  refuse(device: CallDevice, refusal: Refusal): void {
    this.#toAck.add(device);
    const same = device.refusals.find(({ reason }) => reason === refusal.reason);
    if (device.refusals.length < refusalsPerAckMax || same === undefined) device.refusals.push(refusal);
    else same.samples += refusal.samples;
  }

  /**
   * Something was not taken. A stream is told and goes on, unless the message could not be read; the
   * other methods end with the error.
   */
  reject(error: TelemetryError, deviceHandle = 0): void {
    if (this.method !== "stream" || deviceHandle === 0) {
      this.end = deviceHandle === 0 ? error : withDevice(error, deviceHandle);
      return;
    }
    if (this.#rejects.length < rejectsPerAnswerMax) this.#rejects.push(toReject(error, deviceHandle));
  }

  /** A device of the call is over its rate: the call is not to be read meanwhile. */
  wait(delay: RateDelay): void {
    if (this.#delay === undefined || delay.delayMs > this.#delay.delayMs) this.#delay = delay;
  }

  /** Nothing of the group, nor of what it builds on, may be told: the call ends with the error. */
  abandon(error: TelemetryError): void {
    this.end = error;
    this.devices.clear();
    this.#forget();
  }

  /** What the client is to be told now that the group is on disk; call once per group. */
  settle(): Settlement {
    const settlement = { call: this.id, bytes: this.bytes, delay: this.#delay, ...this.#answer() };
    this.#forget();
    return settlement;
  }

  #forget(): void {
    this.bytes = 0;
    this.#toAck.clear();
    this.#registered.clear();
    this.#rejects = [];
    this.#delay = undefined;
  }

  #answer(): Pick<Settlement, "answers" | "end"> {
    if (this.method === "stream") return this.#answerStream();
    if (this.end instanceof TelemetryError) return { answers: [], end: toFields(this.end) };
    if (this.end === "open") return { answers: [], end: undefined };
    return { answers: [this.method === "push" ? this.#pushResponse() : this.#uploadResponse()], end: "ok" };
  }

  #answerStream(): Pick<Settlement, "answers" | "end"> {
    const answers: Uint8Array[] = [];
    for (const device of this.#registered) {
      answers.push(encodeStream({ case: "registered", value: this.#registeredOf(device) }));
    }
    if (this.#toAck.size > 0) {
      answers.push(this.#takeAcks());
    }
    // Behind the acks: a client that is told to stop has settled what it can.
    for (const value of this.#rejects) answers.push(encodeStream({ case: "reject", value }));
    if (!(this.end instanceof TelemetryError)) return { answers, end: this.end === "open" ? undefined : "ok" };
    if (!(this.end.reason in rejectReasons)) return { answers, end: toFields(this.end) };
    // An error status would overtake the acks before it: the reason goes in band, the stream ends with OK.
    answers.push(encodeStream({ case: "reject", value: toReject(this.end, 0) }));
    return { answers, end: "ok" };
  }

  #takeAcks(): Uint8Array {
    const plain: AckedDevice[] = [];
    for (const { handle, session, refusals } of this.#toAck) {
      if (refusals.length > 0) {
        const devices = [...this.#toAck].map(takeAck);
        return encodeStream({ case: "ack", value: { devices } });
      }
      plain.push({ deviceHandle: handle, ackedSequence: session.ackedSequence });
    }
    return encodeStreamAck(plain);
  }

  #pushResponse(): Uint8Array {
    const devices = [...this.devices.values()];
    const refusals = devices.flatMap((device) => device.refusals);
    const registered = devices.map((device) => this.#registeredOf(device))[0];
    return toBinary(
      PushBatchResponseSchema,
      create(PushBatchResponseSchema, { refusals, ...(registered !== undefined && { registered }) }),
    );
  }

  #uploadResponse(): Uint8Array {
    const devices = [...this.devices.values()].map(takeAck);
    return toBinary(UploadBatchesResponseSchema, create(UploadBatchesResponseSchema, { devices }));
  }

  /** Where the session of a device is, now that the group is on disk. */
  #registeredOf({ handle, session }: CallDevice): MessageInitShape<typeof RegisteredSchema> {
    return {
      deviceHandle: handle,
      ackedSequence: BigInt(session.ackedSequence),
      samplesCounted: BigInt(session.samplesCounted),
      samplesRefused: BigInt(session.samplesRefused),
      limits: ingestLimits(this.#quotas),
      storeIncarnation: this.#incarnation,
    };
  }
}

function ingestLimits(quotas: IngestQuotas): MessageInitShape<typeof IngestLimitsSchema> {
  const { seriesPerDeviceMax, samplesPerSecondMax, timeAheadMsMax } = quotas;
  return {
    messageBytesMax,
    batchBytesMax,
    batchSamplesMax,
    futureMax: durationFromMs(timeAheadMsMax),
    seriesPerDeviceMax,
    samplesPerSecondMax: samplesPerSecondMax === Number.POSITIVE_INFINITY ? 0 : samplesPerSecondMax,
  };
}

/** An upload carries many devices: its client must know which one ended it. */
function withDevice(error: TelemetryError, deviceHandle: number): TelemetryError {
  const fields = toFields(error);
  return fromFields({ ...fields, metadata: { ...fields.metadata, device_handle: String(deviceHandle) } });
}

function takeAck(device: CallDevice): MessageInitShape<typeof DeviceAckSchema> {
  const { refusals } = device;
  device.refusals = [];
  return { deviceHandle: device.handle, ackedSequence: BigInt(device.session.ackedSequence), refusals };
}

function encodeStream(message: MessageInitShape<typeof StreamBatchesResponseSchema>["message"] & object): Uint8Array {
  return toBinary(StreamBatchesResponseSchema, create(StreamBatchesResponseSchema, { message }));
}

const rejectReasons: Readonly<Record<string, RejectReason>> = {
  MALFORMED_MESSAGE: RejectReason.MALFORMED_MESSAGE,
  INVALID_FIELD: RejectReason.INVALID_REGISTRATION,
  UNKNOWN_DEVICE: RejectReason.UNKNOWN_DEVICE,
  SEQUENCE_GAP: RejectReason.SEQUENCE_GAP,
  SUPERSEDED: RejectReason.SUPERSEDED,
  DEVICE_DELETED: RejectReason.DEVICE_DELETED,
  DEVICE_NOT_ALLOWED: RejectReason.DEVICE_NOT_ALLOWED,
};

function toReject(error: TelemetryError, deviceHandle: number): MessageInitShape<typeof RejectSchema> {
  return {
    deviceHandle,
    reason: rejectReasons[error.reason] ?? RejectReason.UNSPECIFIED,
    detail: error.message,
    expectedSequence: BigInt(error.metadata["expected_sequence"] ?? 0),
  };
}
