import type { DeviceProgress } from "../lib/aggregate/watermark.ts";
import { invalidField, TelemetryError } from "../lib/base/errors.ts";
import { idleSessionsMax } from "../lib/base/limits.ts";
import { noSeries } from "../lib/journal/sample-check.ts";
import type {
  AggregateStore,
  Device,
  JournalPosition,
  NextIds,
  ProgressColumns,
  Series,
  Session,
  SessionMark,
} from "../lib/store/store.ts";
import type { Registration } from "../proto/gen/telemetry/v1/batch_pb.js";
import { defaultQuotas, type IngestQuotas } from "./quotas.ts";
import { RefusedHandles } from "./refused-handles.ts";
import { checkRegistration, kindOf } from "./registration.ts";
import { SeriesBudget } from "./series-budget.ts";

/** A device, its newest session and its series, in the writer's memory. */
export interface DeviceState {
  readonly device: Device;
  session: Session;
  readonly seriesByName: Map<string, Series>;
  /** Spools superseded since this was read from the store: the store may not know yet. */
  readonly superseded: Set<string>;
  /** Calls on which it is registered. */
  calls: number;
}

/** What a group adds to the catalog, or changes in it. */
export interface CatalogChanges {
  readonly devices: Set<Device>;
  readonly sessions: Set<Session>;
  readonly series: Set<Series>;
  readonly handles: [session: number, handle: number, series: number][];
}

/**
 * The sessions of the devices that are connected, and of some that were: the sequence rule's memory. What a group
 * changes is undone when it cannot be stored, and marks that are only in the journal are kept until they are flushed.
 */
export class Sessions {
  readonly quotas: IngestQuotas;
  readonly #store: AggregateStore;
  readonly #states = new Map<string, DeviceState>();
  /** Devices on no call, the longest idle first. */
  readonly #idle = new Set<DeviceState>();
  /** Sessions whose stored marks are behind the journal, the longest behind first. */
  readonly #dirty = new Map<Session, { since: JournalPosition; sinceMs: number }>();
  readonly #counters: Set<number>;
  readonly #budget: SeriesBudget;
  readonly #refusedHandles = new RefusedHandles();
  #nextIds: NextIds;

  // Of the group that is being admitted.
  #changes = noChanges();
  #marks = new Map<Session, SessionMark>();
  #undo: (() => void)[] = [];

  constructor(store: AggregateStore, quotas: IngestQuotas = defaultQuotas) {
    this.quotas = quotas;
    this.#store = store;
    this.#budget = new SeriesBudget(quotas, store.seriesCount());
    this.#nextIds = store.nextIds();
    this.#counters = new Set(store.counterSeries());
  }

  /** Ids of the series that are counters. */
  get counters(): ReadonlySet<number> {
    return this.#counters;
  }

  /** Series that there are. */
  get seriesCount(): number {
    return this.#budget.used;
  }

  /** What the group has changed so far. */
  get changes(): CatalogChanges {
    return this.#changes;
  }

  /** The group is in the journal at this position. */
  commit(position: JournalPosition, nowMs: number): void {
    for (const session of this.#marks.keys()) {
      if (!this.#dirty.has(session)) this.#dirty.set(session, { since: position, sinceMs: nowMs });
    }
    this.#refusedHandles.commit(position);
    this.#beginGroup();
  }

  /** The group could not be stored: everything is as it was before it. */
  rollback(): void {
    for (const undo of this.#undo.reverse()) undo();
    for (const [session, mark] of this.#marks) Object.assign(session, mark);
    this.#refusedHandles.rollback();
    this.#beginGroup();
  }

  /** No start replays the groups up to this position. */
  onSettled(through: JournalPosition): void {
    this.#refusedHandles.settle(through);
  }

  /** A batch has samples of a metric that has no series. @returns why it has none */
  onSeriesRefused({ device, seriesByName }: DeviceState, session: Session): string {
    this.#refusedHandles.onRefused(session);
    return this.#budget.explain(device.deviceId, seriesByName.size);
  }

  /** Moves the mark of a session. */
  advance(session: Session, mark: Partial<SessionMark>): void {
    if (!this.#marks.has(session)) {
      const { ackedSequence, samplesCounted, samplesRefused, samplesLost, batchesLost } = session;
      const { lastSeenAtMs, latestEventMs } = session;
      this.#marks.set(session, {
        ackedSequence,
        samplesCounted,
        samplesRefused,
        samplesLost,
        batchesLost,
        lastSeenAtMs,
        latestEventMs,
      });
    }
    Object.assign(session, mark);
  }

  /** Position of the first group that some stored mark does not show; infinity when all show all. */
  get dirtySince(): JournalPosition {
    for (const { since } of this.#dirty.values()) return since;
    return Number.POSITIVE_INFINITY;
  }

  /** Sessions that have been dirty since `sinceMs` or longer, at most so many. */
  dirty(sinceMs: number, max: number): Session[] {
    const sessions: Session[] = [];
    for (const [session, dirty] of this.#dirty) {
      if (sessions.length === max || dirty.sinceMs > sinceMs) break;
      sessions.push(session);
    }
    return sessions;
  }

  /** The sessions are stored as they are. */
  clean(sessions: readonly Session[]): void {
    for (const session of sessions) this.#dirty.delete(session);
  }

  /** Of devices (`Device.id`; undefined: all), how far those have come whose stored marks are behind. */
  unstoredProgress(devices: Int32Array | undefined): ProgressColumns {
    const wanted = devices && new Set(devices);
    const behind = [...this.#dirty.keys()].filter(({ device }) => wanted?.has(device) ?? true);
    return {
      devices: Int32Array.from(behind, ({ device }) => device),
      lastSeenMs: Float64Array.from(behind, ({ lastSeenAtMs }) => lastSeenAtMs ?? Number.NaN),
      latestEventMs: Float64Array.from(behind, ({ latestEventMs }) => latestEventMs ?? Number.NaN),
    };
  }

  #beginGroup(): void {
    this.#changes = noChanges();
    this.#marks = new Map();
    this.#undo = [];
    this.#evict();
  }

  /**
   * Opens the session that a registration names, and makes what is new.
   * @throws TelemetryError when a field is not valid, contradicts what is stored, or a newer spool has
   * taken over: then nothing has changed
   */
  register(registration: Registration, nowMs: number): DeviceState {
    checkRegistration(registration);
    const spoolId = Buffer.from(registration.spoolId).toString("hex");
    const known = this.find(registration.deviceId);
    if (known !== undefined && known.session.spoolId !== spoolId && !known.device.reset) {
      this.#refuseSuperseded(known, spoolId);
    }
    checkMetricsAgainst(known, spoolId, registration);

    const state = known ?? this.#newDevice(registration.deviceId, spoolId, nowMs);
    if (state.session.spoolId !== spoolId) this.#supersede(state, spoolId);
    if (state.device.reset) this.#setReset(state.device, false);
    if (JSON.stringify(state.device.labels) !== JSON.stringify(registration.labels)) {
      const { labels } = state.device;
      state.device.labels = registration.labels;
      this.#undo.push(() => {
        state.device.labels = labels;
      });
      this.#changes.devices.add(state.device);
    }
    this.#defineMetrics(state, registration);
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
    state.calls += 1;
    this.#idle.delete(state);
  }

  /** A call that had registered the device has ended. */
  release(state: DeviceState): void {
    state.calls -= 1;
    if (state.calls > 0 || this.#states.get(state.device.deviceId) !== state) return;
    this.#idle.add(state);
  }

  /** Keeps the idle ones within their limit, between groups: what is not stored yet stays. */
  #evict(): void {
    for (const state of this.#idle) {
      if (this.#idle.size <= idleSessionsMax || this.#dirty.has(state.session)) return;
      this.#idle.delete(state);
      this.#states.delete(state.device.deviceId);
    }
  }

  /** A device that is known, from memory or from the store. */
  find(deviceId: string): DeviceState | undefined {
    const cached = this.#states.get(deviceId);
    if (cached !== undefined) return cached;
    const stored = this.#store.findDevice(deviceId);
    if (stored === undefined) return undefined;
    return this.#remember(stored.device, stored.session, stored.series);
  }

  #remember(device: Device, session: Session, series: readonly Series[]): DeviceState {
    const seriesByName = new Map(series.map((each) => [each.name, each]));
    const state: DeviceState = { device, session, seriesByName, superseded: new Set(), calls: 0 };
    this.#states.set(device.deviceId, state);
    this.#idle.add(state);
    return state;
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

  #newDevice(deviceId: string, spoolId: string, nowMs: number): DeviceState {
    const device: Device = {
      id: this.#nextIds.device++,
      deviceId,
      createdAtMs: nowMs,
      labels: {},
      session: 0,
      reset: false,
    };
    this.#undo.push(() => this.#forget(deviceId));
    return this.#remember(device, this.#newSession(device, spoolId, nothingYet), []);
  }

  #supersede(state: DeviceState, spoolId: string): void {
    const { session } = state;
    this.#undo.push(() => {
      state.superseded.delete(session.spoolId);
      state.session = session;
      state.device.session = session.id;
    });
    state.superseded.add(session.spoolId);
    state.superseded.delete(spoolId);
    state.session =
      this.#earlierSession(state.device, spoolId, session) ?? this.#newSession(state.device, spoolId, session);
  }

  /** After a reset a superseded spool may come back: it goes on where its session was. */
  #earlierSession(device: Device, spoolId: string, progress: DeviceProgress): Session | undefined {
    if (!device.reset) return undefined;
    const unstored = [...this.#dirty.keys()].find((each) => each.device === device.id && each.spoolId === spoolId);
    const session = unstored ?? this.#store.findSessionOf(device.id, spoolId);
    if (session === undefined) return undefined;
    device.session = session.id;
    this.#changes.devices.add(device);
    this.advance(session, laterOf(session, progress));
    return session;
  }

  #setReset(device: Device, reset: boolean): void {
    const before = device.reset;
    device.reset = reset;
    this.#undo.push(() => {
      device.reset = before;
    });
    this.#changes.devices.add(device);
  }

  #forget(deviceId: string): void {
    const state = this.#states.get(deviceId);
    if (state !== undefined) this.#idle.delete(state);
    this.#states.delete(deviceId);
  }

  /** @param progress of the device so far: its watermark never goes back */
  #newSession(device: Device, spoolId: string, { lastSeenAtMs, latestEventMs }: DeviceProgress): Session {
    const session: Session = {
      id: this.#nextIds.session++,
      device: device.id,
      spoolId,
      ackedSequence: 0,
      samplesCounted: 0,
      samplesRefused: 0,
      samplesLost: 0,
      batchesLost: 0,
      lastSeenAtMs,
      latestEventMs,
      handles: new Map(),
    };
    device.session = session.id;
    this.#changes.devices.add(device);
    this.#changes.sessions.add(session);
    return session;
  }

  #defineMetrics(state: DeviceState, registration: Registration): void {
    const { handles } = state.session;
    const bound = this.#refusedHandles.binds(state.session);
    for (const definition of registration.metrics) {
      const before = handles.get(definition.handle);
      if (before === noSeries && bound) continue;
      let series = state.seriesByName.get(definition.name);
      if (series === undefined && this.#budget.hasRoom(state.seriesByName.size)) {
        series = {
          id: this.#nextIds.series++,
          device: state.device.id,
          name: definition.name,
          kind: kindOf(definition),
          unit: definition.unit,
          description: definition.description,
        };
        const { name } = series;
        state.seriesByName.set(name, series);
        this.#budget.take();
        this.#undo.push(() => {
          state.seriesByName.delete(name);
          this.#budget.giveBack();
        });
        this.#changes.series.add(series);
        if (series.kind === "counter") this.#counters.add(series.id);
      } else if (
        series !== undefined &&
        (series.unit !== definition.unit || series.description !== definition.description)
      ) {
        const { unit, description } = series;
        const known = series;
        this.#undo.push(() => void Object.assign(known, { unit, description }));
        series.unit = definition.unit;
        series.description = definition.description;
        this.#changes.series.add(series);
      }
      this.#bind(state.session, definition.handle, series?.id ?? noSeries);
    }
  }

  #bind({ id, handles }: Session, handle: number, series: number): void {
    const before = handles.get(handle);
    if (before === series) return;
    handles.set(handle, series);
    this.#undo.push(() => void (before === undefined ? handles.delete(handle) : handles.set(handle, before)));
    this.#changes.handles.push([id, handle, series]);
  }
}

/** A kind never changes, and a handle keeps its metric for the session; which one a refused handle had is not known. */
function checkMetricsAgainst(known: DeviceState | undefined, spoolId: string, registration: Registration): void {
  if (known === undefined) return;
  const handles = known.session.spoolId === spoolId ? known.session.handles : new Map<number, number>();
  for (const [i, definition] of registration.metrics.entries()) {
    const path = `registration.metrics[${i}]`;
    const series = known.seriesByName.get(definition.name);
    if (series !== undefined && series.kind !== kindOf(definition)) {
      throw invalidField(
        `${path}.kind`,
        `is ${kindOf(definition)}, but ${JSON.stringify(definition.name)} of this device is a ${series.kind}`,
        "give the metric another name",
      );
    }
    const bound = handles.get(definition.handle);
    if (bound !== undefined && bound !== noSeries && bound !== series?.id) {
      throw invalidField(
        `${path}.handle`,
        `is ${definition.handle}, which stands for another metric in this session`,
        "keep the handles of a spool, or make a new spool",
      );
    }
  }
}

const nothingYet: DeviceProgress = { lastSeenAtMs: undefined, latestEventMs: undefined };

function laterOf(a: DeviceProgress, b: DeviceProgress): DeviceProgress {
  const later = (x: number | undefined, y: number | undefined) =>
    Math.max(x ?? Number.NEGATIVE_INFINITY, y ?? Number.NEGATIVE_INFINITY);
  const known = (ms: number) => (ms === Number.NEGATIVE_INFINITY ? undefined : ms);
  return {
    lastSeenAtMs: known(later(a.lastSeenAtMs, b.lastSeenAtMs)),
    latestEventMs: known(later(a.latestEventMs, b.latestEventMs)),
  };
}

function noChanges(): CatalogChanges {
  return { devices: new Set(), sessions: new Set(), series: new Set(), handles: [] };
}
