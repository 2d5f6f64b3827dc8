import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { interval, last, Subject, takeUntil } from "rxjs";
import { shardOf } from "../lib/aggregate/shard.ts";
import { systemClock } from "../lib/base/clock.ts";
import { DurationHistogram } from "../lib/base/duration-histogram.ts";
import { publishIntervalMs } from "../lib/base/limits.ts";
import { LoopDelay } from "../lib/base/loop-delay.ts";
import { failedReply, type ThreadCall } from "../lib/base/thread-calls.ts";
import { threadMemory } from "../lib/base/thread-memory.ts";
import type { FollowedWindow, LiveFilter } from "../lib/store/live-feed.ts";
import { matchesMetric, type Selector } from "../lib/store/selector.ts";
import type { SqliteStore } from "../lib/store/sqlite/sqlite-store.ts";
import type { JournalPosition } from "../lib/store/store.ts";
import { Admission } from "./admission.ts";
import { ChangeCollector } from "./change-collector.ts";
import { DeviceEvents } from "./device-events.ts";
import { Flusher } from "./flusher.ts";
import { ingestPipeline } from "./pipeline.ts";
import { Purge } from "./purge.ts";
import type { IngestQuotas } from "./quotas.ts";
import { RecentMax } from "./recent-max.ts";
import { RegistryWrites } from "./registry-writes.ts";
import { Sessions } from "./sessions.ts";
import { packSettlements } from "./settled-slab.ts";
import type { Slab } from "./slab.ts";
import { standingOf } from "./standing.ts";
import type { FromWriter, ToWriter, WriterCalls, WriterMeasures, WriterStatus } from "./writer-messages.ts";

/** Windows deleted in one step: a few milliseconds, so that acks do not wait. */
const pruneWindows = 1_000;
const pruneIntervalMs = 1_000;
const pruneAgainMs = 20;
const purgeIntervalMs = 1_000;
const purgeAgainMs = 20;
const flushCheckMs = 50;
/** Of the time that a group took, what is stored after it may take. */
const flushShare = 0.5;
/**
 * Processor time of a group, or as much as its commit takes, if that is more: whoever is in a larger one waits for all of
 * it, and meanwhile nothing is stored; but on a slow disk what gathers while it writes should become one commit.
 */
const groupCpuMsMax = 200;
/**
 * What one call has in flight takes no more of the writer's time than this beside other calls, or than a commit: whoever
 * sends little waits behind it.
 */
const callShareMs = 4;
/** Smaller ones tell nothing of what a byte costs. */
const tellingBytesMin = 64 * 1024;
const groupBytesMin = 512 * 1024;
/** Time that windows to follow are read for before others have a turn. */
const followSliceMs = 5;
/** A window that has become final without a sample is told about this long afterwards. */
const finalCheckMs = 1_000;

/** Feeds the pipeline from the port, does what is due between groups, and answers requests. */
export class WriterLoop {
  readonly #port: MessagePort;
  readonly #store: SqliteStore;
  readonly #sessions: Sessions;
  readonly #admission: Admission;
  readonly #flusher: Flusher;
  readonly #collector: ChangeCollector;
  readonly #purge: Purge;
  readonly #registry: RegistryWrites;
  readonly #events: DeviceEvents;
  readonly #slabs = new Subject<readonly Slab[]>();
  /** Received, and not looked at yet. */
  #messages: ToWriter[] = [];
  readonly #storeMs = new RecentMax();
  readonly #commits = new DurationHistogram();
  readonly #flushes = new DurationHistogram();
  readonly #loopDelay = new LoopDelay();
  readonly #calls: { [K in keyof WriterCalls]: (...args: Parameters<WriterCalls[K]>) => unknown };
  #groups = 0;
  #slabBytes = 0;
  /** Time that the latest group took, until something was stored after it. */
  #groupMs = 0;
  /** Time that its commit took. */
  #appendMs = 0;
  /** Of the latest group that tells, by processor time. */
  #bytesPerMs = 0;
  /** Of a group: what takes `groupCpuMsMax`, by the latest one that tells. */
  #groupBytesMax = groupBytesMin;
  /** Why nothing can be stored, as it was told last. */
  #toldProblem = "";
  #closed = false;
  #flushTimer: NodeJS.Timeout | undefined;
  #pruneTimer: NodeJS.Timeout | undefined;
  #purgeTimer: NodeJS.Timeout | undefined;
  #eventTimer: NodeJS.Timeout | undefined;
  #silentTimer: NodeJS.Timeout | undefined;

  constructor(port: MessagePort, store: SqliteStore, quotas: IngestQuotas, latenessMs: number) {
    this.#port = port;
    this.#store = store;
    this.#sessions = new Sessions(store, quotas);
    this.#admission = new Admission(store, this.#sessions, latenessMs);
    this.#flusher = new Flusher(store, this.#sessions, systemClock, latenessMs);
    this.#collector = new ChangeCollector(this.#flusher, systemClock, latenessMs);
    this.#purge = new Purge(store, this.#flusher);
    this.#events = new DeviceEvents(this.#sessions, systemClock, latenessMs);
    this.#registry = new RegistryWrites({
      store,
      sessions: this.#sessions,
      flusher: this.#flusher,
      collector: this.#collector,
      purge: this.#purge,
      clock: systemClock,
      // Out of every call: it ends the thread.
      onFatal: (error) =>
        setImmediate(() => {
          throw error;
        }),
    });
    this.#calls = {
      watch: (id, filter) => this.#watch(id, filter),
      unwatch: (id) => this.#collector.unwatch(id),
      follow: (widthMs, windows) => this.#follow(widthMs, windows),
      barrier: (selector, sessions) => this.#barrier(selector, sessions),
      copyOpen: async (request) => {
        await this.#flusher.snapshotAllowed();
        return this.#flusher.copyOpen(request);
      },
      release: (hold) => this.#flusher.release(hold),
      status: () => this.#status(),
      measures: () => this.#measures(),
      resetDevice: (deviceId) => this.#registry.reset(deviceId),
      createDevice: (request) => this.#registry.create(request),
      updateDevice: (request, paths) => this.#registry.update(request, paths),
      deleteDevice: (deviceId, force) => this.#registry.delete(deviceId, force),
      standing: (deviceIds) => standingOf(this.#sessions, this.#events, deviceIds),
      watchDevices: (watched) => this.#events.watch(watched),
      backUp: (file) => store.backUp(file),
    };
    const pipeline = ingestPipeline(this.#slabs, {
      clock: systemClock,
      journal: store,
      admission: this.#admission,
      flusher: this.#flusher,
      collector: this.#collector,
      ticks: interval(finalCheckMs).pipe(takeUntil(this.#slabs.pipe(last(undefined, [])))),
    });
    pipeline.outcomes.subscribe(({ settlements, stored, appendMs }) => {
      this.#appendMs = appendMs;
      if (stored) {
        this.#groups += 1;
        this.#commits.record(appendMs);
      }
      const settled = packSettlements(settlements);
      const fairBytes = this.#bytesPerMs * Math.max(callShareMs, this.#appendMs);
      this.#post({ kind: "settled", slabBytes: this.#slabBytes, settled, fairBytes }, [
        settled.bytes.buffer,
        settled.numbers.buffer,
      ]);
    });
    pipeline.updates.subscribe((update) => this.#post({ kind: "update", update }));
    port.on("message", (message: ToWriter) => this.#onMessage(message));
    this.#flush();
    this.#prune();
    this.#purgeTimer = setTimeout(() => this.#purgeDeleted(), purgeIntervalMs);
    this.#publishEvents();
    this.#silentTimer = setInterval(() => this.#events.tick(), finalCheckMs);
  }

  #post(message: FromWriter, transfer: ArrayBuffer[] = []): void {
    this.#port.postMessage(message, transfer);
  }

  /**
   * A port that always has something hands on a thousand messages before anything else has its turn: groups are made
   * outside of it, or nothing would be stored while the server is overloaded.
   */
  #onMessage(message: ToWriter): void {
    this.#messages.push(message);
    if (this.#messages.length === 1) setImmediate(() => this.#takeMessages());
  }

  /** Whatever has come in since the last group becomes one group, as large as it may be: the busier, the larger the commit. */
  #takeMessages(): void {
    for (let rest = receiveMessageOnPort(this.#port); rest !== undefined; rest = receiveMessageOnPort(this.#port)) {
      this.#messages.push(rest.message as ToWriter);
    }
    let group: Slab[] = [];
    let bytes = 0;
    let taken = 0;
    for (const message of this.#messages) {
      if (bytes >= this.#groupBytesMax) break;
      taken += 1;
      if (message.kind === "slab") {
        group.push(message.slab);
        bytes += message.slab.bytes.length;
        continue;
      }
      this.#takeGroup(group);
      group = [];
      if (message.kind === "close") {
        this.#close();
        return;
      }
      void this.#answer(message.call);
    }
    this.#takeGroup(group);
    this.#messages.splice(0, taken);
    if (this.#messages.length > 0) setImmediate(() => this.#takeMessages());
  }

  #takeGroup(slabs: readonly Slab[]): void {
    if (slabs.length === 0) return;
    const startMs = systemClock.elapsedMs();
    const startCpu = process.threadCpuUsage();
    this.#slabBytes = slabs.reduce((sum, slab) => sum + slab.bytes.length, 0);
    this.#slabs.next(slabs);
    this.#tellProblem();
    const endMs = systemClock.elapsedMs();
    if (this.#slabBytes >= tellingBytesMin) {
      const { user, system } = process.threadCpuUsage(startCpu);
      this.#bytesPerMs = (this.#slabBytes * 1_000) / (user + system + 1);
      this.#groupBytesMax = Math.max(groupBytesMin, this.#bytesPerMs * Math.max(groupCpuMsMax, this.#appendMs));
    }
    this.#groupMs = endMs - startMs;
    this.#storeMs.record(this.#groupMs, endMs);
  }

  #tellProblem(): void {
    const { problem } = this.#flusher;
    if (problem === this.#toldProblem) return;
    this.#toldProblem = problem;
    this.#post({ kind: "problem", problem });
  }

  async #answer({ id, name, args }: ThreadCall<WriterCalls>): Promise<void> {
    try {
      const result = await (this.#calls[name] as (...args: unknown[]) => unknown)(...args);
      this.#post({ kind: "reply", reply: { id, result } });
    } catch (error) {
      this.#post({ kind: "reply", reply: failedReply(id, error) });
    }
  }

  #watch(id: number, filter: LiveFilter): JournalPosition {
    const { position } = this.#store;
    this.#collector.watch(id, filter, position);
    return position;
  }

  /** In slices, so that groups come in between: a window of an hour is merged from those below. */
  async #follow(widthMs: number, windows: readonly FollowedWindow[]): Promise<void> {
    let sliceMs = systemClock.elapsedMs();
    for (const { deviceId, series, startMs } of windows) {
      const state = this.#sessions.find(deviceId);
      if (state !== undefined) this.#collector.follow(widthMs, state, series, startMs);
      if (systemClock.elapsedMs() - sliceMs < followSliceMs) continue;
      await new Promise((resolve) => setImmediate(resolve));
      sliceMs = systemClock.elapsedMs();
    }
  }

  #barrier(selector: Selector | undefined, sessions: boolean): Promise<number> {
    const opened = this.#flusher.barrier(selector === undefined ? [] : this.#shardsOf(selector), sessions);
    this.#flush();
    return opened;
  }

  #shardsOf(selector: Selector): Iterable<number> | "all" {
    const { deviceIds, deviceIdPrefixes } = selector;
    if (deviceIds === undefined || deviceIdPrefixes !== undefined) return "all";
    const series = deviceIds.flatMap((id) => [...(this.#sessions.find(id)?.seriesByName.values() ?? [])]);
    const wanted = series.filter(({ name }) => matchesMetric(selector, name));
    return new Set(wanted.map(({ id }) => shardOf(id)));
  }

  #status(): WriterStatus {
    return {
      ...this.#admission.counters,
      refused: this.#admission.counters.refused.list(),
      series: this.#sessions.seriesCount,
      groups: this.#groups,
      storeMsMax: this.#storeMs.read(systemClock.elapsedMs()),
      position: this.#store.position,
      journalGroups: this.#flusher.journalGroups,
      heldWindows: this.#flusher.heldWindows,
      problem: this.#flusher.problem,
      devices: this.#events.counts(),
    };
  }

  #measures(): WriterMeasures {
    return {
      commits: this.#commits.read(),
      flushes: this.#flushes.read(),
      checkpoints: this.#store.checkpoints.read(),
      fsyncs: this.#store.fsyncs,
      segments: this.#store.segments,
      loopDelays: this.#loopDelay.read(),
      memory: threadMemory(),
    };
  }

  /**
   * One step at a time, so that groups come in between; some where the groups are large, so that what they open does not
   * gather in memory.
   */
  #flush(): void {
    if (this.#closed) return;
    clearTimeout(this.#flushTimer);
    // What the steps before have come to: nothing may be told before the thread is ready.
    this.#tellProblem();
    let startMs = systemClock.elapsedMs();
    const untilMs = startMs + this.#groupMs * flushShare;
    let more = true;
    while (more) {
      more = this.#flusher.step();
      const endMs = systemClock.elapsedMs();
      // One that had nothing to do says nothing.
      if (more) this.#flushes.record(endMs - startMs);
      startMs = endMs;
      if (endMs >= untilMs) break;
    }
    this.#groupMs = 0;
    this.#sessions.onSettled(this.#store.settled);
    if (more) setImmediate(() => this.#flush());
    else this.#flushTimer = setTimeout(() => this.#flush(), flushCheckMs);
  }

  #prune(): void {
    const deleted = this.#flusher.prune(systemClock.nowMs(), pruneWindows);
    const againMs = deleted === pruneWindows ? pruneAgainMs : pruneIntervalMs;
    this.#pruneTimer = setTimeout(() => this.#prune(), againMs);
  }

  #purgeDeleted(): void {
    const more = this.#flusher.try(() => this.#purge.step());
    this.#purgeTimer = setTimeout(() => this.#purgeDeleted(), more ? purgeAgainMs : purgeIntervalMs);
  }

  /** Gathers for a while: a device that registers appears and is connected at once. */
  #publishEvents(): void {
    const events = this.#events.take();
    if (events.length > 0) this.#post({ kind: "devices", events });
    this.#eventTimer = setTimeout(() => this.#publishEvents(), publishIntervalMs);
  }

  #close(): void {
    this.#closed = true;
    clearInterval(this.#silentTimer);
    this.#loopDelay.close();
    for (const timer of [this.#flushTimer, this.#pruneTimer, this.#purgeTimer, this.#eventTimer]) clearTimeout(timer);
    this.#slabs.complete();
    this.#flusher.finish();
    this.#store.close();
    this.#port.close();
  }
}
