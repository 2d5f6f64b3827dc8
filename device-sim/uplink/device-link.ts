import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { errorMessage, TelemetryError } from "../../lib/base/errors.ts";
import { encodeBatch } from "../../lib/wire/batch-encoder.ts";
import { type Refusal, type Registered, RegistrationSchema } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { MetricKind } from "../../proto/gen/telemetry/v1/metric_pb.js";
import type { SealedRows } from "../batcher.ts";
import type { DeviceLog } from "../log/device-log.ts";
import type { Signal } from "../signal.ts";
import type { Delivery } from "./delivery.ts";
import type { Outbox } from "./outbox.ts";
import type { SealGroup } from "./seal-group.ts";
import type { Amount, Spool, SpooledBatch, SpooledGap } from "./spool.ts";

export interface DeviceDescription {
  readonly deviceId: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Metric `i` has the handle `i + 1`. */
  readonly metrics: readonly Pick<Signal, "name" | "kind" | "unit" | "description">[];
}

export interface DeviceLinkOptions {
  /** Part of the batches' bytes: the same as long as the spool lives. */
  readonly handle: number;
  readonly spool: Spool;
  readonly outbox: Outbox;
  readonly delivery: Delivery;
  readonly seals: SealGroup;
  readonly log: DeviceLog | undefined;
}

/** One device on its uplink: it seals batches into the spool, and the uplink's carrier takes them out. */
export class DeviceLink {
  readonly deviceId: string;
  readonly handle: number;
  readonly spool: Spool;
  readonly registration: MessageInitShape<typeof RegistrationSchema>;
  readonly registrationBytes: Uint8Array;
  failure: TelemetryError | undefined;
  /**
   * Whether the server can be no further than the spool knows. Not so after a call that failed, nor for a
   * spool of an earlier process: the server is asked first then.
   */
  markKnown: boolean;
  #online = true;
  /** Highest sequence that is kept, and may be sent when the device is online. */
  #keptSequence = 0;
  /** Where the server has told to go on on this call. */
  #resumedAt = 0;
  readonly #outbox: Outbox;
  readonly #delivery: Delivery;
  readonly #seals: SealGroup;
  readonly #log: DeviceLog | undefined;

  constructor(description: DeviceDescription, { handle, spool, outbox, delivery, seals, log }: DeviceLinkOptions) {
    this.deviceId = description.deviceId;
    this.handle = handle;
    this.spool = spool;
    this.markKnown = spool.nextSequence === 1;
    this.#outbox = outbox;
    this.#delivery = delivery;
    this.#seals = seals;
    this.#log = log;
    this.registration = registrationOf(description, handle, spool.id);
    this.registrationBytes = toBinary(RegistrationSchema, create(RegistrationSchema, this.registration));
    // A log is not synced, a spool is: the log may have lost them with the machine.
    if (log !== undefined) for (const batch of spool.batches()) log.sealed(batch);
  }

  /**
   * Seals a batch. Resolves when there is room for the next.
   * @throws TelemetryError when the server has refused the device for good, or the batch cannot be kept
   */
  async send({ tables, samples }: SealedRows): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    const sequence = this.spool.nextSequence;
    const bytes = encodeBatch(this.handle, sequence, tables);
    const room = this.spool.append(bytes, samples);
    this.#seals.add(
      () => {
        this.#keptSequence = sequence;
        this.#release();
      },
      (error) => this.fail(notKept(error)),
    );
    this.#log?.sealed({ sequence, samples, bytes });
    // Nothing would make room any more, and its source would wait for ever.
    if (!this.#online && this.spool.full) this.goOnline();
    await room;
    if (this.failure !== undefined) throw this.failure;
  }

  /** What is sealed from now on is not sent before `goOnline`, or before the spool is full. */
  goOffline(): void {
    this.#online = false;
  }

  goOnline(): void {
    this.#online = true;
    this.#release();
  }

  /** Takes the next batch or gap to send. */
  take(nowMs: number): SpooledBatch | SpooledGap | undefined {
    const resent = this.spool.nextWasSent;
    const entry = this.spool.takeUnsent(nowMs);
    if (entry?.kind === "gap") this.#log?.gap(entry);
    else if (entry !== undefined && !resent) this.#countSent(entry.samples);
    return entry;
  }

  /** A new call begins: what is not settled is sent again. */
  rewind(): void {
    this.#resumedAt = 0;
    this.spool.rewind();
  }

  /** A call has failed: what was under way on it may have arrived. */
  forgetMark(): void {
    if (this.spool.nextSequence > 1) this.markKnown = false;
  }

  /** A registration is answered. @returns whether the device can go on */
  onRegistered({ ackedSequence, storeIncarnation }: Registered, nowMs: number): boolean {
    const { spool } = this;
    const mark = Number(ackedSequence);
    if (mark >= spool.nextSequence) this.fail(ahead(this, mark));
    else if (mark < spool.ackedSequence) this.#onSetBack(mark, storeIncarnation);
    else spool.meet(storeIncarnation);
    if (this.failure !== undefined) return false;
    this.markKnown = true;
    this.settle(mark, [], nowMs);
    return true;
  }

  /** Everything up to the sequence is settled. */
  settle(ackedSequence: number, refusals: readonly Refusal[], nowMs: number): void {
    const ackedBefore = this.spool.ackedSequence;
    const { batches, kept, lost } = this.spool.ack(ackedSequence);
    for (const { samples, sentAtMs, reopened } of batches) {
      this.#countAcked({ batches: 1, samples });
      if (sentAtMs > 0) this.#delivery.recordAck(nowMs - sentAtMs);
      // An earlier process has sent it, and never saw the ack.
      else if (reopened) this.#countSent(samples);
    }
    this.#countAcked(kept);
    this.#delivery.batchesLost += lost.batches;
    this.#delivery.samplesLost += lost.samples;
    for (const refusal of refusals) this.#refuse(refusal, batches);
    if (ackedSequence > ackedBefore) this.#log?.acked(ackedSequence);
    this.#outbox.enqueue(this);
  }

  /** The server goes on with this sequence: what follows is sent again. */
  resume(expectedSequence: number, nowMs: number): void {
    if (expectedSequence <= this.spool.ackedSequence) {
      // It was further before: its registration tells whether it is another store.
      this.markKnown = false;
      this.#outbox.unregister(this);
      return;
    }
    // Each batch that was under way is rejected: the first reject says it all.
    if (expectedSequence === this.#resumedAt) return;
    this.#resumedAt = expectedSequence;
    if (this.spool.startsWithGap) this.settle(expectedSequence - 1, [], nowMs);
    this.spool.rewind();
    this.#outbox.enqueue(this);
  }

  /** The server will never take this device's batches: its source is told at the next `send`. */
  fail(failure: TelemetryError): void {
    this.failure ??= failure;
    this.spool.abandon();
    this.#outbox.wake();
  }

  /** Whether nothing is left to be done for it. */
  get idle(): boolean {
    return this.failure !== undefined || this.spool.unackedBatches === 0;
  }

  #release(): void {
    if (!this.#online) return;
    this.spool.release(this.#keptSequence);
    this.#outbox.enqueue(this);
  }

  #onSetBack(mark: number, incarnation: Uint8Array): void {
    if (Buffer.compare(incarnation, this.spool.incarnation) === 0) this.fail(brokenPromise(this, mark));
    else this.spool.restore(mark, incarnation);
  }

  #countSent(samples: number): void {
    this.#delivery.batchesSent += 1;
    this.#delivery.samplesSent += samples;
  }

  #countAcked({ batches, samples }: Amount): void {
    this.#delivery.batchesAcked += batches;
    this.#delivery.samplesAcked += samples;
  }

  #refuse(refusal: Refusal, settled: readonly SpooledBatch[]): void {
    const { sequence, samples, metricHandle, reason, detail } = refusal;
    const delivery = this.#delivery;
    const batch = settled.find((each) => each.sequence === Number(sequence));
    const whole = metricHandle === 0;
    const refused = whole ? (batch?.samples ?? samples) : samples;
    this.#log?.refused(refusal, refused, whole);
    if (batch === undefined) return;
    delivery.samplesAcked -= refused;
    delivery.samplesRejected += refused;
    if (!delivery.refusals.has(reason)) delivery.refusals.set(reason, `${this.deviceId}: ${detail}`);
  }
}

function registrationOf({ deviceId, labels, metrics }: DeviceDescription, handle: number, spoolId: Uint8Array) {
  return {
    deviceHandle: handle,
    deviceId,
    spoolId,
    labels: { ...labels },
    metrics: metrics.map(({ name, kind, unit, description }, i) => ({
      handle: i + 1,
      name,
      kind: kind === "counter" ? MetricKind.COUNTER : MetricKind.GAUGE,
      unit,
      description,
    })),
  };
}

function notKept(error: unknown): TelemetryError {
  const message = `a batch cannot be kept: ${errorMessage(error)}; free space for --spool and --log, then start again`;
  return new TelemetryError("RESOURCE_EXHAUSTED", "SPOOL_WRITE_FAILED", message, { cause: error });
}

function brokenPromise({ deviceId, spool }: DeviceLink, mark: number): TelemetryError {
  const lost = `sequences ${mark + 1} to ${spool.ackedSequence}`;
  const message = `the server has lost ${lost} of ${deviceId}, which it had acked, and it is the same store; report this`;
  return new TelemetryError("INTERNAL", "ACKED_BATCHES_LOST", message);
}

function ahead({ deviceId, spool }: DeviceLink, mark: number): TelemetryError {
  const message =
    `the server has sequence ${mark} of ${deviceId}, its spool has only come to ${spool.nextSequence - 1}: was an ` +
    "older copy of the spool put back? Go on with a new one";
  return new TelemetryError("FAILED_PRECONDITION", "SPOOL_BEHIND", message);
}
