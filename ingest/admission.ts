import { SampleRuns } from "../lib/aggregate/sample-runs.ts";
import { keptFromMs } from "../lib/aggregate/tiers.ts";
import { latestEventAfter, latestSampleAfter, watermarkOf } from "../lib/aggregate/watermark.ts";
import { invalidField, TelemetryError } from "../lib/base/errors.ts";
import { BatchIntake } from "../lib/journal/batch-intake.ts";
import { type GroupBounds, type JournalRecord, JournalRecords } from "../lib/journal/journal-records.ts";
import { timeBounds } from "../lib/journal/sample-check.ts";
import { type AggregateStore, type GroupSpan, type JournalPosition, noSpan } from "../lib/store/store.ts";
import { type BatchHeader, BatchRefused } from "../lib/wire/batch-decoder.ts";
import { type Gap, RefusalReason, type Registration } from "../proto/gen/telemetry/v1/batch_pb.js";
import { Call, type CallDevice, type Refusal } from "./call.ts";
import type { CatalogChanges } from "./catalog-changes.ts";
import type { DeviceState } from "./device-states.ts";
import { checkGrant, decodeGrant } from "./grant.ts";
import { MessageReader, malformed } from "./message-reader.ts";
import { RateGate } from "./rate-gate.ts";
import { RefusalCounts } from "./refusal-counts.ts";
import { deviceDeleted, type Sessions } from "./sessions.ts";
import { type CallEvent, readSlab, type Slab } from "./slab.ts";

/** What a group of slabs comes to: all of it is stored and answered together. */
export interface Group {
  readonly bounds: GroupBounds;
  /** For the journal, until the next group is admitted; undefined when nothing was settled. */
  readonly records: Uint8Array | undefined;
  readonly span: GroupSpan;
  /** Undefined when nothing of it has changed. */
  readonly catalog: CatalogChanges | undefined;
  /** Its samples, until the next group is admitted. */
  readonly samples: SampleRuns;
  /** Devices with samples in the group. */
  readonly devices: ReadonlySet<DeviceState>;
  /** Calls to answer. */
  readonly calls: ReadonlySet<Call>;
}

/** What has been admitted since the start. */
export interface AdmissionCounters {
  samplesCounted: number;
  samplesRefused: number;
  /** Batches, and gaps, that were settled and acked. */
  batchesSettled: number;
  batchesDuplicate: number;
  /** Times that a call was made to wait, or not taken, because a device of it was over its rate. */
  rateDelays: number;
  /** By reason. */
  readonly refused: RefusalCounts;
}

/**
 * Holds the batches of messages against sessions, sequence and limits, and keeps the samples that count. Nothing of it
 * is visible to anyone before the group is stored: `commit` or `rollback` follows each `admit`.
 */
export class Admission {
  /** Of the groups that were stored. */
  readonly counters = noCounters();
  readonly #store: AggregateStore;
  readonly #sessions: Sessions;
  readonly #incarnation: Uint8Array;
  readonly #calls = new Map<number, Call>();
  readonly #intake: BatchIntake;
  readonly #latenessMs: number;
  readonly #rates: RateGate;
  readonly #messages = new MessageReader({
    onRegistration: (call, registration) => this.#onRegistration(call, registration),
    onBatch: (call, bytes, header) => this.#onBatch(call, bytes, header),
    onGap: (call, gap) => this.#onGap(call, gap),
  });
  readonly #records = new JournalRecords();

  // Of the group that is being admitted.
  readonly #samples = new SampleRuns();
  #span = { fromMs: Number.POSITIVE_INFINITY, toMs: Number.NEGATIVE_INFINITY };
  #devices = new Set<DeviceState>();
  #touched = new Set<Call>();
  #nowMs = 0;
  #elapsedMs = 0;
  #counted = noCounters();

  /** @param latenessMs how late a sample may be before its window counts as final */
  constructor(store: AggregateStore, sessions: Sessions, latenessMs: number) {
    this.#store = store;
    this.#sessions = sessions;
    this.#intake = new BatchIntake(sessions.counters);
    this.#latenessMs = latenessMs;
    this.#rates = new RateGate(sessions.quotas);
    this.#incarnation = Buffer.from(store.incarnation, "hex");
  }

  /** @param slabs in the order in which they came */
  admit(slabs: readonly Slab[], nowMs: number, elapsedMs: number): Group {
    this.#nowMs = nowMs;
    this.#elapsedMs = elapsedMs;
    this.#samples.clear();
    this.#span = { fromMs: Number.POSITIVE_INFINITY, toMs: Number.NEGATIVE_INFINITY };
    this.#devices = new Set();
    this.#touched = new Set();
    this.#rates.begin(elapsedMs);
    this.#counted = noCounters();
    const keptFrom = Math.min(...this.#store.tiers.map((tier) => keptFromMs(tier, nowMs)));
    const bounds = {
      nowMs,
      latenessMs: this.#latenessMs,
      ...timeBounds(keptFrom, nowMs, this.#sessions.quotas.timeAheadMsMax),
    };
    this.#intake.setBounds(bounds);
    for (const slab of slabs) {
      readSlab(slab, (id, event, start, end) => this.#onEvent(id, event, slab.bytes, start, end));
    }
    this.#counted.rateDelays += this.#rates.delayCalls();
    return {
      bounds,
      records: this.#records.take(bounds),
      span: { ...(this.#span.fromMs > this.#span.toMs ? noSpan : this.#span), receivedMs: nowMs },
      catalog: this.#sessions.changes.isEmpty ? undefined : this.#sessions.changes,
      samples: this.#samples,
      devices: this.#devices,
      calls: this.#touched,
    };
  }

  /** The group is stored, at this position of the journal. */
  commit(position: JournalPosition, elapsedMs: number): void {
    this.#sessions.commit(position, elapsedMs);
    this.#rates.commit();
    this.counters.samplesCounted += this.#counted.samplesCounted;
    this.counters.samplesRefused += this.#counted.samplesRefused;
    this.counters.batchesSettled += this.#counted.batchesSettled;
    this.counters.batchesDuplicate += this.#counted.batchesDuplicate;
    this.counters.rateDelays += this.#counted.rateDelays;
    this.counters.refused.addAll(this.#counted.refused);
  }

  /** The group could not be stored: everything is as before it, and its calls end with the error. */
  rollback(group: Group, error: TelemetryError): void {
    for (const call of group.calls) {
      if (this.#calls.has(call.id)) this.#close(call);
      call.abandon(error);
    }
    this.#sessions.rollback();
    this.#rates.rollback();
  }

  #onEvent(id: number, event: CallEvent, bytes: Uint8Array, start: number, end: number): void {
    if (event === "open push" || event === "open upload" || event === "open stream") {
      const method = event.slice("open ".length) as Call["method"];
      const grant = decodeGrant(bytes.subarray(start, end));
      this.#calls.set(id, new Call(id, method, this.#incarnation, this.#sessions.quotas, grant));
      return;
    }
    const call = this.#calls.get(id);
    // After its end a call can still bring what was under way.
    if (call === undefined) return;
    if (event === "cancel") {
      this.#close(call);
      return;
    }
    this.#touched.add(call);
    if (event === "message") {
      call.bytes += end - start;
      this.#messages.read(call, bytes, start, end);
    } else if (call.end === "open") call.end = "half-closed";
    if (call.end !== "open") this.#close(call);
  }

  #close(call: Call): void {
    this.#calls.delete(call.id);
    for (const device of call.devices.values()) this.#sessions.release(device.state);
  }

  #onRegistration(call: Call, registration: Registration): void {
    const handle = registration.deviceHandle;
    const before = call.devices.get(handle);
    try {
      if (before !== undefined && before.state.device.deviceId !== registration.deviceId) {
        const taken = JSON.stringify(before.state.device.deviceId);
        throw invalidField(
          "registration.device_handle",
          `is ${handle}, which is device ${taken} on this call`,
          "choose another",
        );
      }
      checkGrant(call.grant, registration.deviceId);
      const state = this.#sessions.register(registration, this.#nowMs);
      state.heardMs = this.#elapsedMs;
      // Another state of the same id: it was deleted and created again meanwhile.
      if (before !== undefined && before.state !== state) this.#sessions.release(before.state);
      if (before?.state !== state) this.#sessions.retain(state);
      call.register(handle, state);
      this.#rates.see(call, state.device);
    } catch (error) {
      if (!(error instanceof TelemetryError)) throw error;
      call.reject(error, handle);
    }
  }

  #onBatch(call: Call, message: Uint8Array, header: BatchHeader): void {
    const { deviceHandle, sequence } = header;
    const device = this.#deviceOf(call, deviceHandle, "batch");
    if (device === undefined || !this.#takesSequence(call, device, sequence, sequence, "batch.sequence")) return;
    if (!this.#rates.takes(call, device.state.device)) {
      this.#counted.rateDelays += 1;
      return;
    }
    let counted = 0;
    let refused = 0;
    // A batch that is refused whole leaves no bytes behind.
    let end = header.start;
    let latestMs = Number.NEGATIVE_INFINITY;
    const watermarkMs = watermarkOf(device.session, this.#nowMs, this.#latenessMs);
    try {
      const verdict = this.#intake.read(message, header.start, header.end, device.session.handles);
      this.#samples.beginBatch();
      const added = this.#intake.addTo(this.#samples, watermarkMs);
      ({ added: counted, latestMs } = added);
      this.#span.fromMs = Math.min(this.#span.fromMs, added.earliestMs);
      this.#span.toMs = Math.max(this.#span.toMs, latestMs);
      end = header.end;
      for (const refusal of verdict) {
        refused += refusal.samples;
        this.#refuse(call, device, { ...refusal, sequence: BigInt(sequence) });
      }
    } catch (error) {
      if (!(error instanceof BatchRefused)) throw error;
      // Whole, or the device would send it for ever: its sequence is used up.
      this.#refuse(call, device, {
        sequence: BigInt(sequence),
        reason: error.reason,
        samples: 0,
        detail: error.message,
      });
      if (call.method === "push") call.end = refusedPush(error, sequence);
    }
    this.#counted.samplesCounted += counted;
    this.#counted.samplesRefused += refused;
    this.#rates.add(call, device.state.device, counted + refused);
    const session = device.session.id;
    const record = { session, sequence, counted, refused, samplesLost: 0, batchesLost: 0, watermarkMs };
    this.#settle(call, device, record, latestMs, message, header.start, end);
  }

  #refuse(call: Call, device: CallDevice, refusal: Refusal): void {
    const { reason, samples, detail } = refusal;
    this.#counted.refused.add(reason, samples);
    this.#sessions.changes.refuse(device.state.device, reason, samples);
    if (reason !== RefusalReason.SERIES_LIMIT) {
      call.refuse(device, refusal);
      return;
    }
    const cause = this.#sessions.onSeriesRefused(device.state, device.session);
    call.refuse(device, { ...refusal, detail: `${detail}: ${cause}` });
  }

  #onGap(call: Call, gap: Gap): void {
    const device = this.#deviceOf(call, gap.deviceHandle, "gap");
    if (device === undefined) return;
    const first = Number(gap.firstSequence);
    const last = Number(gap.lastSequence);
    if (first > last || !Number.isSafeInteger(last)) {
      throw malformed(
        `gap.last_sequence is ${gap.lastSequence}; send a number from first_sequence (${first}) to 2^53 - 1`,
      );
    }
    if (gap.samples > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw malformed(`gap.samples is ${gap.samples}; send a number up to 2^53 - 1, or 0 when it is not known`);
    }
    if (!this.#takesSequence(call, device, first, last, "gap.first_sequence")) return;
    const samplesLost = Number(gap.samples);
    const batchesLost = last - first + 1;
    this.#sessions.changes.addGap({
      device: device.state.device.id,
      firstSequence: first,
      lastSequence: last,
      samples: samplesLost,
      reason: gap.reason,
      recordedAtMs: this.#nowMs,
    });
    const none = { session: device.session.id, counted: 0, refused: 0, watermarkMs: Number.NEGATIVE_INFINITY };
    this.#settle(call, device, { sequence: last, samplesLost, batchesLost, ...none }, Number.NEGATIVE_INFINITY);
  }

  #deviceOf(call: Call, handle: number, field: string): CallDevice | undefined {
    const device = call.devices.get(handle);
    if (device === undefined) {
      const error = new TelemetryError(
        "INVALID_ARGUMENT",
        "UNKNOWN_DEVICE",
        `${field}.device_handle is ${handle}, which is not registered on this call; register the device first`,
        { field: `${field}.device_handle` },
      );
      // A stream ends on device handle 0: a batch without one is as unreadable as a damaged header.
      call.reject(error, handle);
      return undefined;
    }
    const { deviceId, deletedAtMs } = device.state.device;
    if (deletedAtMs !== undefined) {
      call.reject(deviceDeleted(deviceId), handle);
      return undefined;
    }
    if (device.state.session !== device.session) {
      const error = new TelemetryError(
        "FAILED_PRECONDITION",
        "SUPERSEDED",
        `device ${JSON.stringify(deviceId)} was registered with a newer spool; stop this sender, or give it a device id of its own`,
      );
      call.reject(error, handle);
      return undefined;
    }
    device.state.heardMs = this.#elapsedMs;
    return device;
  }

  /** The sequence rule: the next one is taken, an old one is acked again, a hole is rejected. */
  #takesSequence(call: Call, device: CallDevice, first: number, last: number, field: string): boolean {
    const expected = device.session.ackedSequence + 1;
    if (first === expected) return true;
    if (last < expected && first > 0) {
      this.#counted.batchesDuplicate += 1;
      call.ack(device);
      return false;
    }
    const error = new TelemetryError(
      "FAILED_PRECONDITION",
      "SEQUENCE_GAP",
      `${field} is ${first}, expected ${expected}; go on with ${expected}`,
      { field, metadata: { expected_sequence: String(expected) } },
    );
    call.reject(error, device.handle);
    return false;
  }

  /**
   * @param message where the batch lies, from `start` to `end`
   * @param latestMs of the times of its samples, or -infinity
   */
  #settle(
    call: Call,
    target: CallDevice,
    record: Omit<JournalRecord, "bytes">,
    latestMs: number,
    message?: Uint8Array,
    start = 0,
    end = 0,
  ): void {
    const { session } = target;
    this.#counted.batchesSettled += 1;
    this.#records.add(record, message, start, end);
    this.#sessions.marks.touch(session);
    session.ackedSequence = record.sequence;
    session.samplesCounted += record.counted;
    session.samplesRefused += record.refused;
    session.samplesLost += record.samplesLost;
    session.batchesLost += record.batchesLost;
    session.latestEventMs = latestEventAfter(session, latestMs, this.#nowMs, this.#latenessMs);
    session.latestSampleMs = latestSampleAfter(session, latestMs, this.#nowMs);
    // Behind those that look how long it has been silent.
    session.lastSeenAtMs = this.#nowMs;
    if (record.counted > 0) this.#devices.add(target.state);
    call.ack(target);
  }
}

function noCounters(): AdmissionCounters {
  return {
    samplesCounted: 0,
    samplesRefused: 0,
    batchesSettled: 0,
    batchesDuplicate: 0,
    rateDelays: 0,
    refused: new RefusalCounts(),
  };
}

function refusedPush(error: BatchRefused, sequence: number): TelemetryError {
  return new TelemetryError("INVALID_ARGUMENT", "BATCH_REFUSED", `${error.message}; sequence ${sequence} is used up`, {
    field: "batch",
  });
}
