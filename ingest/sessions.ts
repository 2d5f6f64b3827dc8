import type { DeviceProgress } from "../lib/aggregate/watermark.ts";
import { TelemetryError } from "../lib/base/errors.ts";
import { latest } from "../lib/store/marks.ts";
import {
  type AggregateStore,
  type Device,
  type JournalPosition,
  overlaid,
  type ProgressColumns,
  type Session,
  type SessionMark,
} from "../lib/store/store.ts";
import type { Registration } from "../proto/gen/telemetry/v1/batch_pb.js";
import { CatalogChanges, type CatalogEvent } from "./catalog-changes.ts";
import { checkMetricsAgainst, DeviceMetrics } from "./device-metrics.ts";
import { type DeviceState, DeviceStates } from "./device-states.ts";
import { newDevice, newSession } from "./new-device.ts";
import { defaultQuotas, type IngestQuotas } from "./quotas.ts";
import { checkRegistration } from "./registration.ts";
import { SessionMarks } from "./session-marks.ts";

/**
 * The sessions of the devices that are connected, and of some that were: the sequence rule's memory. What a group
 * changes is undone when it cannot be stored, and marks that are only in the journal are kept until they are flushed.
 */
export class Sessions {
  readonly quotas: IngestQuotas;
  readonly states: DeviceStates;
  readonly marks = new SessionMarks();
  readonly metrics: DeviceMetrics;
  /** What the group has changed so far. */
  readonly changes = new CatalogChanges();
  readonly nextIds: ReturnType<AggregateStore["nextIds"]>;
  /** Told what has happened to devices when it is stored. */
  onStored: ((events: readonly CatalogEvent[]) => void) | undefined;
  readonly #store: AggregateStore;

  constructor(store: AggregateStore, quotas: IngestQuotas = defaultQuotas) {
    this.quotas = quotas;
    this.#store = store;
    this.nextIds = store.nextIds();
    this.states = new DeviceStates(store);
    this.metrics = new DeviceMetrics(store, quotas, this.nextIds, this.changes);
  }

  /** Ids of the series that are counters. */
  get counters(): ReadonlySet<number> {
    return this.metrics.counters;
  }

  /** Series that there are. */
  get seriesCount(): number {
    return this.metrics.seriesCount;
  }

  /** The group is in the journal at this position. */
  commit(position: JournalPosition, nowMs: number): void {
    this.marks.commit(position, nowMs);
    this.metrics.commit(position);
    this.onStored?.(this.changes.events);
    this.changes.clear();
    this.#evict();
  }

  /** The group could not be stored: everything is as it was before it. */
  rollback(): void {
    this.changes.undo();
    this.marks.rollback();
    this.metrics.rollback();
    this.#evict();
  }

  #evict(): void {
    this.states.evict(({ session }) => this.marks.isDirty(session));
  }

  /** No start replays the groups up to this position. */
  onSettled(through: JournalPosition): void {
    this.metrics.onSettled(through);
  }

  /** A batch has samples of a metric that has no series. @returns why it has none */
  onSeriesRefused(state: DeviceState, session: Session): string {
    return this.metrics.onSeriesRefused(state, session);
  }

  /** Moves the mark of a session. */
  advance(session: Session, mark: Partial<SessionMark>): void {
    this.marks.touch(session);
    Object.assign(session, mark);
  }

  /** Position of the first group that some stored mark does not show; infinity when all show all. */
  get dirtySince(): JournalPosition {
    return this.marks.dirtySince;
  }

  /** Sessions that have been dirty since `sinceMs` or longer, at most so many. */
  dirty(sinceMs: number, max: number): Session[] {
    return this.marks.dirty(sinceMs, max);
  }

  /** The sessions are stored as they are. */
  clean(sessions: readonly Session[]): void {
    this.marks.clean(sessions);
  }

  /** Of devices (`Device.id`; undefined: all), how far those have come whose stored marks are behind. */
  unstoredProgress(devices: Int32Array | undefined): ProgressColumns {
    const behind = this.marks.dirtyOf(devices && new Set(devices));
    return {
      devices: Int32Array.from(behind, ({ device }) => device),
      lastSeenMs: Float64Array.from(behind, ({ lastSeenAtMs }) => lastSeenAtMs ?? Number.NaN),
      latestEventMs: Float64Array.from(behind, ({ latestEventMs }) => latestEventMs ?? Number.NaN),
    };
  }

  /**
   * Opens the session that a registration names, and makes what is new.
   * @throws TelemetryError when a field is not valid, contradicts what is stored, the device is deleted, or a newer
   * spool has taken over: then nothing has changed
   */
  register(registration: Registration, nowMs: number): DeviceState {
    checkRegistration(registration);
    const spoolId = Buffer.from(registration.spoolId).toString("hex");
    const known = this.find(registration.deviceId);
    if (known === undefined) this.#refuseDeleted(registration.deviceId);
    else if (known.session.spoolId !== spoolId && !known.device.reset) this.#refuseSuperseded(known, spoolId);
    const earlier = known?.device.reset === true ? this.#earlierSession(known.device, spoolId) : undefined;
    checkMetricsAgainst(known, known?.session.spoolId === spoolId ? known.session : earlier, registration);

    const state = known ?? this.#newDevice(registration.deviceId, nowMs);
    const isFirst = state.session.spoolId === "";
    if (isFirst) this.#begin(state, spoolId);
    else if (state.session.spoolId !== spoolId) this.#supersede(state, spoolId, earlier, nowMs);
    if (state.device.reset) this.#setReset(state.device, false);
    const isChanged = this.#report(state.device, registration.labels);
    if (isFirst) this.changes.tell("appeared", state.device, nowMs);
    else if (isChanged) this.changes.tell("updated", state.device, nowMs);
    this.metrics.define(state, registration);
    return state;
  }

  /** An operator lets whichever spool registers next take the device over. @returns false when it is not known */
  reset(deviceId: string): boolean {
    const state = this.find(deviceId);
    if (state !== undefined) this.#setReset(state.device, true);
    return state !== undefined;
  }

  /** A call has registered the device. */
  retain(state: DeviceState): void {
    this.states.retain(state);
  }

  /** A call that had registered the device has ended. */
  release(state: DeviceState): void {
    this.states.release(state);
  }

  /** A device that is known, from memory or from the store. */
  find(deviceId: string): DeviceState | undefined {
    return this.states.find(deviceId);
  }

  #refuseDeleted(deviceId: string): void {
    const deleted = this.#store.findDeleted(deviceId);
    if (deleted !== undefined) throw deviceDeleted(deviceId);
  }

  #refuseSuperseded(state: DeviceState, spoolId: string): void {
    if (!state.superseded.has(spoolId) && !this.#store.isSuperseded(state.device.id, spoolId)) return;
    throw new TelemetryError(
      "FAILED_PRECONDITION",
      "SUPERSEDED",
      `registration.spool_id ${spoolId} of device ${JSON.stringify(state.device.deviceId)} was superseded by a newer ` +
        "spool; stop this sender, or give it a device id of its own",
      { field: "registration.spool_id" },
    );
  }

  /** With a session that no spool has begun. */
  #newDevice(deviceId: string, nowMs: number): DeviceState {
    const device = newDevice(this.nextIds, deviceId, nowMs);
    const session = newSession(this.nextIds, device, "");
    const state = this.states.remember(device, session);
    this.changes.onUndo(() => this.states.forget(state));
    this.#open(state, session);
    return state;
  }

  /** The first spool of a device: the session that waits for it is its own. */
  #begin(state: DeviceState, spoolId: string): void {
    this.changes.sessions.delete(state.session);
    this.#open(state, { ...state.session, spoolId });
  }

  /** @param earlier that of the spool, which comes back */
  #supersede(state: DeviceState, spoolId: string, earlier: Session | undefined, nowMs: number): void {
    const { session } = state;
    this.changes.onUndo(() => void state.superseded.delete(session.spoolId));
    state.superseded.add(session.spoolId);
    state.superseded.delete(spoolId);
    // Its watermark never goes back.
    if (earlier !== undefined) this.advance(earlier, laterOf(earlier, session));
    this.#open(state, earlier ?? newSession(this.nextIds, state.device, spoolId, session), earlier === undefined);
    this.changes.tell("superseded", state.device, nowMs);
  }

  /** After a reset a superseded spool may come back: it goes on where its session was. */
  #earlierSession({ id }: Device, spoolId: string): Session | undefined {
    const unstored = this.marks.dirtyOf(new Set([id])).find((each) => each.spoolId === spoolId);
    return unstored ?? this.#store.findSessionOf(id, spoolId);
  }

  /** Makes a session the newest one of its device. */
  #open(state: DeviceState, session: Session, isNew = true): void {
    const before = state.session;
    this.changes.onUndo(() => {
      state.session = before;
      state.device.session = before.id;
    });
    state.session = session;
    state.device.session = session.id;
    this.changes.devices.add(state.device);
    if (isNew) this.changes.sessions.add(session);
  }

  #setReset(device: Device, reset: boolean): void {
    const before = device.reset;
    device.reset = reset;
    this.changes.onUndo(() => {
      device.reset = before;
    });
    this.changes.devices.add(device);
  }

  /** A device says which labels it has. @returns whether they are others than before */
  #report(device: Device, reportedLabels: Device["labels"]): boolean {
    if (JSON.stringify(device.reportedLabels) === JSON.stringify(reportedLabels)) return false;
    const before = { reportedLabels: device.reportedLabels, labels: device.labels };
    this.changes.onUndo(() => void Object.assign(device, before));
    Object.assign(device, { reportedLabels, labels: overlaid(reportedLabels, device.setLabels) });
    this.changes.devices.add(device);
    return true;
  }
}

/** Nothing of the device is taken. */
export function deviceDeleted(deviceId: string): TelemetryError {
  return new TelemetryError(
    "FAILED_PRECONDITION",
    "DEVICE_DELETED",
    `device ${JSON.stringify(deviceId)} was deleted, and nothing of it is taken; stop this sender, or create the device again`,
    { field: "registration.device_id" },
  );
}

function laterOf(a: DeviceProgress, b: DeviceProgress): DeviceProgress {
  return {
    lastSeenAtMs: latest(a.lastSeenAtMs, b.lastSeenAtMs),
    latestEventMs: latest(a.latestEventMs, b.latestEventMs),
  };
}
