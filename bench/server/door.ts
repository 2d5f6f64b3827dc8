import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Inlet } from "../../ingest/inlet.ts";
import type { InletCall } from "../../ingest/inlet-call.ts";
import { anyone } from "../../lib/access/principal.ts";
import { invalidField, TelemetryError } from "../../lib/base/errors.ts";
import { batchBytesMax, messageBytesMax } from "../../lib/base/limits.ts";
import { batchFrameLength, encodeBatch, encodeBatchesMessage } from "../../lib/wire/batch-encoder.ts";
import {
  RejectReason,
  StreamBatchesRequestSchema,
  type StreamBatchesResponse,
  StreamBatchesResponseSchema,
} from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { MetricKind } from "../../proto/gen/telemetry/v1/metric_pb.js";
import { type OnAck, readAck } from "./ack-reader.ts";
import { drainError, rejected } from "./door-errors.ts";
import { DoorSession } from "./door-session.ts";
import type { EncodedBatch, NamedBatch } from "./named-batch.ts";

/** Batches are put together into messages of this size: several of them keep the pipeline busy within a call's bound. */
const gatheredBytesMax = messageBytesMax / 8;

/**
 * The way of batches with names into the pipeline. As a gateway does, it carries all devices over one stream, registers
 * each once, and puts what has come in during one turn of the event loop into one message: what is slow about such
 * requests is to be their own reading, and nothing behind it. What would end the stream, and so fail the requests of
 * others, is refused before.
 */
export class Door {
  readonly #inlet: Inlet;
  /** By device; more than one when a device has had several spools. */
  readonly #sessions = new Map<string, DoorSession[]>();
  readonly #byHandle = new Map<number, DoorSession>();
  #nextHandle = 1;
  #call: InletCall | undefined;
  #registrations: Uint8Array[] = [];
  #batches: Uint8Array[] = [];
  #isPumping = false;

  constructor(inlet: Inlet) {
    this.#inlet = inlet;
  }

  /** Aborted when no more is taken. */
  get draining(): AbortSignal {
    return this.#inlet.draining;
  }

  /**
   * Takes a batch with names. Its tables are read before this returns.
   * @returns the highest settled sequence of its session, when the batch is settled
   * @throws TelemetryError when it is refused
   */
  async push({ deviceId, spoolId, sequence, tables }: NamedBatch): Promise<number> {
    checkSequence(sequence);
    this.#open();
    const session = this.#sessionOf(deviceId, spoolId);
    const encoded = tables.map(({ metrics, ...columns }) => ({
      metricHandles: this.#handlesOf(session, metrics),
      ...columns,
    }));
    return await this.#enqueue(session, sequence, encodeBatch(session.handle, sequence, encoded));
  }

  /**
   * Takes a batch that is encoded with the client's own handles.
   * @returns as `push` @throws TelemetryError
   */
  async pushEncoded({ deviceId, spoolId, metrics, deviceHandle, sequence, bytes }: EncodedBatch): Promise<number> {
    checkSequence(sequence);
    this.#open();
    const session = this.#sessionOf(deviceId, spoolId, deviceHandle);
    if (!session.areNumbered(metrics)) this.#register(session, session.number(metrics));
    return await this.#enqueue(session, sequence, bytes);
  }

  #sessionOf(deviceId: string, spoolId: string, handle?: number): DoorSession {
    const known = this.#sessions.get(deviceId)?.find((session) => session.spoolId === spoolId);
    if (known !== undefined && (handle === undefined || known.handle === handle)) return known;
    if (known !== undefined) throw wrongHandle(handle, `this device and spool have ${known.handle} here`);
    return this.#newSession(deviceId, spoolId, handle);
  }

  #newSession(deviceId: string, spoolId: string, wanted: number | undefined): DoorSession {
    while (this.#byHandle.has(this.#nextHandle)) this.#nextHandle += 1;
    const handle = wanted ?? this.#nextHandle;
    const taken = this.#byHandle.get(handle);
    if (handle === 0) throw wrongHandle(handle, "handles begin at 1");
    if (taken !== undefined) throw wrongHandle(handle, `it is that of device ${taken.deviceId} with its spool`);
    const session = new DoorSession(deviceId, spoolId, handle);
    this.#byHandle.set(handle, session);
    this.#sessions.set(deviceId, [...(this.#sessions.get(deviceId) ?? []), session]);
    return session;
  }

  #handlesOf(session: DoorSession, metrics: readonly string[]): number[] {
    const handles = session.handlesOf(metrics);
    if (!handles.includes(0)) return handles;
    this.#register(session, session.add(metrics));
    return session.handlesOf(metrics);
  }

  #register({ deviceId, spoolId, handle: deviceHandle }: DoorSession, handles: ReadonlyMap<string, number>): void {
    const value = {
      deviceHandle,
      deviceId,
      spoolId: Buffer.from(spoolId, "hex"),
      metrics: Array.from(handles, ([name, handle]) => ({ name, handle, kind: MetricKind.GAUGE })),
    };
    const message = create(StreamBatchesRequestSchema, { message: { case: "registration", value } });
    this.#registrations.push(toBinary(StreamBatchesRequestSchema, message));
  }

  #enqueue(session: DoorSession, sequence: number, batch: Uint8Array): Promise<number> {
    if (batch.length > batchBytesMax) {
      throw invalidField("batch", `has ${batch.length} bytes, the limit is ${batchBytesMax}`, "send smaller batches");
    }
    this.#batches.push(batch);
    if (!this.#isPumping) {
      this.#isPumping = true;
      setImmediate(() => void this.#pump());
    }
    return session.settled(sequence);
  }

  /** Sends what has been gathered, no faster than the pipeline takes it. */
  async #pump(): Promise<void> {
    while (this.#call !== undefined && this.#registrations.length + this.#batches.length > 0) {
      // Registrations first: each is there before the batches that need it. What a call does not take any more fails
      // with all that waits when its answers end.
      await this.#call.send(this.#registrations.shift() ?? this.#takeBatches());
    }
    this.#isPumping = false;
  }

  #takeBatches(): Uint8Array {
    let count = 0;
    for (let bytes = 0; count < this.#batches.length; count += 1) {
      bytes += batchFrameLength(this.#batches[count]);
      if (count > 0 && bytes > gatheredBytesMax) break;
    }
    return encodeBatchesMessage(this.#batches.splice(0, count));
  }

  /** @throws TelemetryError UNAVAILABLE while draining */
  #open(): void {
    if (this.#call !== undefined) return;
    this.#call = this.#inlet.open("stream", anyone);
    void this.#read(this.#call);
  }

  async #read(call: InletCall): Promise<void> {
    let failure: unknown;
    try {
      for await (const answer of call.answers()) {
        if (!readAck(answer, this.#onAck)) failure ??= this.#onAnswer(fromBinary(StreamBatchesResponseSchema, answer));
      }
    } catch (error) {
      failure = error;
    }
    this.#end(failure instanceof TelemetryError ? failure : drainError());
  }

  readonly #onAck: OnAck = (deviceHandle, ackedSequence, refusals) => {
    this.#byHandle.get(deviceHandle)?.onAck(ackedSequence, refusals);
  };

  /** What is no ack. @returns why the call ends */
  #onAnswer({ message }: StreamBatchesResponse): TelemetryError | undefined {
    if (message.case !== "reject") return undefined;
    const { deviceHandle, reason, expectedSequence } = message.value;
    const error = rejected(message.value);
    if (deviceHandle === 0) return error;
    const session = this.#byHandle.get(deviceHandle);
    if (reason === RejectReason.SEQUENCE_GAP) session?.fail(error, Number(expectedSequence));
    else {
      session?.forgetMetrics();
      session?.fail(error);
    }
    return undefined;
  }

  /** The call is over: nothing that waits is answered any more, and whatever comes next begins anew. */
  #end(error: TelemetryError): void {
    this.#call = undefined;
    this.#registrations = [];
    this.#batches = [];
    for (const session of this.#byHandle.values()) {
      session.forgetMetrics();
      session.fail(error);
    }
  }
}

function checkSequence(sequence: number): void {
  if (Number.isSafeInteger(sequence) && sequence >= 1) return;
  throw invalidField("sequence", `is ${sequence}`, "send a whole number from 1 to 2^53 - 1");
}

function wrongHandle(handle: number | undefined, problem: string): TelemetryError {
  return invalidField("batch.device_handle", `is ${handle}: ${problem}`, "send one that no other device has");
}
