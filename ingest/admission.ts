import { SampleRuns } from "../lib/aggregate/sample-runs.ts";
import { keptFromMs } from "../lib/aggregate/tiers.ts";
import { latestEventAfter, latestSampleAfter, watermarkOf } from "../lib/aggregate/watermark.ts";
import { invalidField, TelemetryError } from "../lib/base/errors.ts";
import { rateExcessMax } from "../lib/base/limits.ts";
import { BatchIntake } from "../lib/journal/batch-intake.ts";
import { type GroupBounds, type JournalRecord, JournalRecords } from "../lib/journal/journal-records.ts";
import { timeBounds } from "../lib/journal/sample-check.ts";
import { type AggregateStore, type Device, type GroupSpan, type JournalPosition, noSpan } from "../lib/store/store.ts";
import { type BatchHeader, BatchRefused } from "../lib/wire/batch-decoder.ts";
import { type Gap, RefusalReason, type Registration } from "../proto/gen/telemetry/v1/batch_pb.js";
import { Call, type CallDevice, type Refusal } from "./call.ts";
import type { CatalogChanges } from "./catalog-changes.ts";
import type { DeviceState } from "./device-states.ts";
import { checkGrant, decodeGrant, type Grant } from "./grant.ts";
import { MessageReader, malformed } from "./message-reader.ts";
import { deviceOverRate, principalOverRate, Rates, ratedDevice, ratedPrincipal } from "./rates.ts";
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
 * Holds the batches of messages against sessions, sequence and limits, and adds the samples that count to the windows. Nothing of it is visible to anyone before the group is stored: `commit` or `rollback` follows
 * each `admit`.
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
  readonly #rates: Rates<Device>;
  readonly #principalRates: Rates<Grant>;
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
  #overRate = new Map<Call, Set<Device>>();
  #nowMs = 0;
  #elapsedMs = 0;
  #counted = noCounters();

  /** @param latenessMs how late a sample may be before its window counts as final */
  constructor(store: AggregateStore, sessions: Sessions, latenessMs: number) {
    this.#store = store;
    this.#sessions = sessions;
    this.#intake = new BatchIntake(sessions.counters);
    this.#latenessMs = latenessMs;
    const { samplesPerSecondMax, principalSamplesPerSecondMax } = sessions.quotas;
    this.#rates = new Rates(samplesPerSecondMax, ratedDevice);
    this.#principalRates = new Rates(principalSamplesPerSecondMax, ratedPrincipal);
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
    this.#overRate = new Map();
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
    this.#delayCalls();
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
    this.#principalRates.commit();
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
    this.#principalRates.rollback();
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
      this.#checkRate(call, state);
    } catch (error) {
      if (!(error instanceof TelemetryError)) throw error;
      call.reject(error, handle);
    }
  }

  #onBatch(call: Call, message: Uint8Array, header: BatchHeader): void {
    const { deviceHandle, sequence } = header;
    const device = this.#deviceOf(call, deviceHandle, "batch");
    if (device === undefined || !this.#takesSequence(call, device, sequence, sequence, "batch.sequence")) return;
    if (!this.#isWithinRate(call, device)) return;
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
    this.#rates.add(device.state.device, counted + refused, this.#elapsedMs);
    if (call.grant !== undefined) this.#principalRates.add(call.grant, counted + refused, this.#elapsedMs);
    this.#checkRate(call, device.state);
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
   * The rate of a device is held by not reading its calls. That does not hold who ends each call before it is told to
   * wait: a push is one message, so it is not taken while its device is over its rate, and the other calls end when
   * their device is further over than a call that waits can be.
   */
  #isWithinRate(call: Call, { state }: CallDevice): boolean {
    const { device } = state;
    const isOver = (excess: number) => excess > (call.method === "push" ? 0 : rateExcessMax);
    if (isOver(this.#rates.excess(device, this.#elapsedMs))) {
      call.reject(deviceOverRate(this.#rates.delayOf(device, this.#elapsedMs), device));
    } else if (call.grant !== undefined && isOver(this.#principalRates.excess(call.grant, this.#elapsedMs))) {
      call.reject(principalOverRate(this.#principalRates.delayOf(call.grant, this.#elapsedMs), call.grant));
    } else return true;
    this.#counted.rateDelays += 1;
    return false;
  }

  /** A push has its answer at once: it is the device's next one that waits. */
  #checkRate(call: Call, { device }: DeviceState): void {
    if (call.method === "push") return;
    const isOver = this.#rates.excess(device, this.#elapsedMs) > 0;
    const isPrincipalOver = call.grant !== undefined && this.#principalRates.excess(call.grant, this.#elapsedMs) > 0;
    if (!isOver && !isPrincipalOver) return;
    const devices = this.#overRate.get(call) ?? new Set();
    this.#overRate.set(call, devices);
    if (isOver) devices.add(device);
  }

  /** A call waits for the device that is furthest over its rate, and for who sends on it. */
  #delayCalls(): void {
    for (const [call, devices] of this.#overRate) {
      for (const device of devices) call.wait(this.#rates.delayOf(device, this.#elapsedMs));
      if (call.grant !== undefined) call.wait(this.#principalRates.delayOf(call.grant, this.#elapsedMs));
      this.#counted.rateDelays += 1;
    }
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
