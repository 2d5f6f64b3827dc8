import { Subject } from "rxjs";
import { Admission } from "../../ingest/admission.ts";
import { ChangeCollector } from "../../ingest/change-collector.ts";
import { DeviceEvents } from "../../ingest/device-events.ts";
import { Flusher } from "../../ingest/flusher.ts";
import { encodeGrant } from "../../ingest/grant.ts";
import { ingestPipeline, type Outcome } from "../../ingest/pipeline.ts";
import { Purge } from "../../ingest/purge.ts";
import { defaultQuotas, type IngestQuotas } from "../../ingest/quotas.ts";
import { recover } from "../../ingest/recovery.ts";
import { RegistryWrites } from "../../ingest/registry-writes.ts";
import { Sessions } from "../../ingest/sessions.ts";
import { type CallMethod, type Slab, SlabBuilder } from "../../ingest/slab.ts";
import { anyone } from "../../lib/access/principal.ts";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { latenessMsDefault, storeRetryMs } from "../../lib/base/limits.ts";
import { MemoryStore } from "../../lib/store/memory/memory-store.ts";
import type { AggregateReader, AggregateStore, DeviceRow, Journal } from "../../lib/store/store.ts";
import { dayMs, type RegistrationOptions } from "./batches.ts";
import { HarnessCall } from "./harness-call.ts";

/** A window in few words. */
export interface HarnessWindow {
  readonly device: string;
  readonly metric: string;
  readonly startMs: number;
  readonly count: number;
  readonly sum: number;
}

export interface HarnessOptions extends Partial<IngestQuotas> {
  readonly nowMs?: number;
  readonly elapsedMs?: number;
  /** Windows that the writer holds in memory. */
  readonly windowsMax?: number;
}

/** The writer's side of ingest, without threads and sockets: what is sent comes as groups of slabs. */
export class IngestHarness {
  readonly store: AggregateStore & Journal & AggregateReader;
  readonly sessions: Sessions;
  readonly flusher: Flusher;
  readonly admission: Admission;
  readonly collector: ChangeCollector;
  readonly purge: Purge;
  readonly registry: RegistryWrites;
  readonly events: DeviceEvents;
  nowMs: number;
  elapsedMs: number;
  /** One per group so far. */
  readonly outcomes: Outcome[] = [];
  /** Why the pipeline has ended; the process would. */
  readonly failures: unknown[] = [];
  readonly #slabs = new Subject<readonly Slab[]>();
  readonly #calls = new Map<number, HarnessCall>();
  readonly #builder = new SlabBuilder();
  #group: Slab[] = [];

  /** Starts the writer on what is in a store, as after a crash. */
  constructor(
    store: AggregateStore & Journal & AggregateReader = new MemoryStore(defaultTiers),
    { nowMs = dayMs + 3_600_000, elapsedMs = 0, windowsMax, ...quotas }: HarnessOptions = {},
  ) {
    this.store = store;
    this.nowMs = nowMs;
    this.elapsedMs = elapsedMs;
    recover(store);
    const clock = { nowMs: () => this.nowMs, elapsedMs: () => this.elapsedMs };
    this.sessions = new Sessions(store, { ...defaultQuotas, ...quotas });
    this.admission = new Admission(store, this.sessions, latenessMsDefault);
    this.flusher = new Flusher(store, this.sessions, clock, latenessMsDefault, windowsMax);
    this.collector = new ChangeCollector(this.flusher, clock, latenessMsDefault);
    this.purge = new Purge(store, this.flusher);
    this.events = new DeviceEvents(this.sessions, clock, latenessMsDefault);
    const { admission, flusher, collector, purge, sessions } = this;
    const onFatal = (failure: unknown) => this.failures.push(failure);
    this.registry = new RegistryWrites({ store, sessions, flusher, collector, purge, clock, onFatal });
    const stages = { clock, journal: store, admission, flusher, collector };
    const { outcomes, updates } = ingestPipeline(this.#slabs, stages);
    const error = (failure: unknown) => this.failures.push(failure);
    outcomes.subscribe({ next: (outcome) => this.#onOutcome(outcome), error });
    updates.subscribe({ error });
  }

  #onOutcome(outcome: Outcome): void {
    this.outcomes.push(outcome);
    for (const settlement of outcome.settlements) this.#calls.get(settlement.call)?.settle(settlement);
  }

  open(method: CallMethod = "stream", principal = anyone): HarnessCall {
    const id = this.#calls.size + 1;
    const call = new HarnessCall(method, (event, message) => this.#builder.add(id, event, message));
    this.#calls.set(id, call);
    this.#builder.add(id, `open ${method}`, encodeGrant(principal));
    return call;
  }

  /** A call with a registered device, whose registration is answered. */
  connect(deviceId: string, options: RegistrationOptions = {}): HarnessCall {
    const call = this.open();
    call.register(deviceId, options);
    this.flush();
    return call;
  }

  /** What was sent so far is a slab: what follows comes in another one. */
  cut(): void {
    if (!this.#builder.empty) this.#group.push(this.#builder.build());
  }

  /** What was sent so far is a group: it is committed and answered. */
  flush(): void {
    this.cut();
    const group = this.#group;
    this.#group = [];
    this.#slabs.next(group);
  }

  /** A slab that was made elsewhere is a group. */
  submit(slab: Slab): Outcome {
    this.#slabs.next([slab]);
    const outcome = this.outcomes.at(-1);
    if (outcome === undefined) throw new Error("the pipeline answers each group at once");
    return outcome;
  }

  /** Brings what is in the journal into the tables; a time later in which a full disk is tried again. */
  settle(): void {
    this.elapsedMs += storeRetryMs;
    void this.flusher.barrier("all", true);
    while (this.flusher.step());
    this.sessions.onSettled(this.store.settled);
  }

  /** Deletes what is left of deleted devices, as far as it is due. */
  purgeDeleted(): void {
    this.settle();
    while (this.flusher.try(() => this.purge.step()));
  }

  /** As the tables show it when everything is in them. */
  device(deviceId: string): DeviceRow | undefined {
    this.settle();
    return this.storedDevice(deviceId);
  }

  /** Of a tier, by device, metric and start, when everything is in the tables. */
  windows(widthMs = 10_000): HarnessWindow[] {
    this.settle();
    return this.storedWindows(widthMs);
  }

  /** As the tables show it now. */
  storedDevice(deviceId: string): DeviceRow | undefined {
    return this.store.devices("", Number.MAX_SAFE_INTEGER).find((row) => row.deviceId === deviceId);
  }

  /** As the tables show them now. */
  storedWindows(widthMs = 10_000): HarnessWindow[] {
    const selector = { deviceIds: undefined, metricNames: undefined };
    const page = this.store.openRange({ selector, widthMs, fromMs: -1e15, toMs: 1e15 }).next(Number.MAX_SAFE_INTEGER);
    if (page === undefined) return [];
    const rows = new Map(page.series.map((row) => [row.id, row]));
    return Array.from({ length: page.windows.length }, (_, i) => {
      const row = rows.get(page.windows.series[i] ?? 0);
      return {
        device: row?.deviceId ?? "",
        metric: row?.name ?? "",
        startMs: page.windows.starts[i] ?? 0,
        count: page.windows.counts[i] ?? 0,
        sum: page.windows.sums[i] ?? 0,
      };
    });
  }

  /** Count and sum of all samples of a device, by any tier. */
  total(deviceId: string, widthMs = 10_000): { count: number; sum: number } {
    const windows = this.windows(widthMs).filter(({ device }) => device === deviceId);
    return {
      count: windows.reduce((count, window) => count + window.count, 0),
      sum: windows.reduce((sum, window) => sum + window.sum, 0),
    };
  }
}
