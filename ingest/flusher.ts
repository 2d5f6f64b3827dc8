import { type HeldShard, type HeldTier, HeldWindows, type TierBounds } from "../lib/aggregate/held-windows.ts";
import type { Shard } from "../lib/aggregate/shard.ts";
import { type Tier, windowStart } from "../lib/aggregate/tiers.ts";
import { type SampleRun, WindowSet } from "../lib/aggregate/window-set.ts";
import {
  appendWindow,
  createWindowTable,
  mergeWindow,
  setWindow,
  type WindowTable,
} from "../lib/aggregate/window-table.ts";
import type { Clock } from "../lib/base/clock.ts";
import { reach } from "../lib/base/faults.ts";
import {
  closeDelayMs,
  flushIntervalMs,
  heldWindowsMax,
  openFlushMs,
  openWindowsMax,
  stepRowsMax,
  storeRetryMs,
  trimGroupsMax,
} from "../lib/base/limits.ts";
import { isDiskFull } from "../lib/store/sqlite/errors.ts";
import type { AggregateStore, Journal, JournalPosition, OpenRequest, OpenWindows } from "../lib/store/store.ts";
import type { Group } from "./admission.ts";
import { Barriers } from "./barriers.ts";
import type { WholeWindows } from "./change-collector.ts";
import { FlushHold } from "./flush-hold.ts";
import { RollUp } from "./roll-up.ts";
import type { Sessions } from "./sessions.ts";
import { tierBounds } from "./tier-bounds.ts";

/** For a query. */
export interface HeldOpenWindows extends OpenWindows {
  /** What to release it with. */
  readonly hold: number;
}

/** Pieces of the journal deleted before the end: some milliseconds each. */
const finishTrimsMax = 32;

const nothing: TierBounds = { fromMs: Number.POSITIVE_INFINITY, toMs: Number.NEGATIVE_INFINITY };

type IsDue = (tier: HeldTier, at: number) => boolean;

/**
 * Brings what is in the journal into the tables, in steps between groups: some windows of a shard, or some sessions, or a
 * piece of a roll-up, or a piece of the journal that is neither needed nor kept. A step takes a few milliseconds.
 *
 * A window of the finest tier is stored when it is over, so that each is written about once; a query that needs it sooner
 * passes a barrier. Each window is stored with the position of the latest group in it, and a shard with the position
 * before the first group that is missing anywhere in it: whatever is cut off, no group is missed and none counts twice.
 */
export class Flusher implements WholeWindows {
  readonly #store: AggregateStore & Journal;
  readonly #sessions: Sessions;
  readonly #clock: Clock;
  readonly #held: HeldWindows;
  readonly #rollUp: RollUp;
  readonly #windowsMax: number;
  readonly #hold = new FlushHold();
  readonly #waitingForLog: (() => void)[] = [];
  #logHeld = false;
  readonly #barriers = new Barriers();
  /** No sample is later. The clock does not tell: it may have stepped back. */
  #latestMs: number;
  #retryAtMs = 0;
  #problem = "";
  #failed = false;

  /**
   * @param latenessMs how late a sample may be before its window counts as final
   * @param windowsMax windows in memory
   */
  constructor(
    store: AggregateStore & Journal,
    sessions: Sessions,
    clock: Clock,
    latenessMs: number,
    windowsMax = heldWindowsMax,
  ) {
    this.#windowsMax = windowsMax;
    this.#store = store;
    this.#sessions = sessions;
    this.#clock = clock;
    this.#held = new HeldWindows(store.loadWindow, store.latestStart());
    this.#rollUp = new RollUp(store, this.#held, latenessMs, clock.nowMs());
    this.#latestMs = latestOf(store, clock.nowMs());
  }

  get tiers(): readonly Tier[] {
    return this.#store.tiers;
  }

  get rolledMs(): readonly number[] {
    return this.#store.rolledMs;
  }

  /** Windows in memory. */
  get heldWindows(): number {
    return this.#held.length;
  }

  /** Groups that are not in every table. */
  get journalGroups(): number {
    return this.#store.position - this.#store.settled;
  }

  /** The tables show the journal through here. */
  get appliedThrough(): JournalPosition {
    return this.#store.settled;
  }

  /** The tier whose windows are being merged from the tier below; undefined: none. */
  get rollingUpTier(): number | undefined {
    return this.#rollUp.tier;
  }

  /** Why nothing can be stored; empty when it can. */
  get problem(): string {
    return this.#problem;
  }

  /** Merges a group that is in the journal. */
  absorb(group: Group, position: JournalPosition): void {
    this.#latestMs = Math.max(this.#latestMs, group.bounds.latestMs);
    const nowMs = this.#clock.elapsedMs();
    const bounds = tierBounds(this.#store, group.bounds.nowMs);
    const dueMs = nowMs + flushIntervalMs;
    this.#held.add(group.samples, position, nowMs, dueMs, bounds[0], this.#store.tiers);
    const late = this.#lateWindows(group);
    // Its finest tier is there already.
    if (late !== undefined) this.#held.absorb(late, position, nowMs, dueMs, [nothing, ...bounds.slice(1)]);
    // More would not be bounded: the next group waits, and with it those who send.
    while (this.#held.length > this.#windowsMax && this.#problem === "") {
      this.#attempt(() => this.#letGo(nowMs));
    }
  }

  /** What samples of a group come to in the tiers above the finest that are rolled up already; undefined: nothing. */
  #lateWindows({ samples, span }: Group): WindowSet | undefined {
    const { tiers, rolledMs } = this.#store;
    if (tiers.length === 1 || !((span.fromMs ?? Number.POSITIVE_INFINITY) < rolledMs[1])) return undefined;
    const windows = new WindowSet(tiers.map(({ widthMs }) => widthMs));
    for (let i = 0; i < samples.length; i += 1) {
      const run = samples.at(i);
      // One late sample does not make windows of all others in its group.
      if (startsBefore(run, tiers[1].widthMs, rolledMs[1])) windows.add(run);
    }
    windows.rollUp((t, _series, startMs) => startMs < rolledMs[t]);
    return windows;
  }

  /**
   * The whole value of a window, as it is stored and in memory.
   * @param t the index of its tier
   * @returns false when it has no samples; entry `at` is unchanged then
   */
  readWindow(t: number, series: number, startMs: number, into: WindowTable, at: number): boolean {
    const { tiers, rolledMs } = this.#store;
    const { widthMs } = tiers[t];
    if (startMs < rolledMs[t]) {
      const found = this.#held.find(t, series, startMs);
      if (found === undefined) return this.#store.loadWindow(widthMs, startMs, series, into, at);
      setWindow(into, at, found.table, found.at);
      return true;
    }
    const endMs = Math.min(startMs + widthMs, this.#latestMs + 1);
    const merged = createWindowTable(1);
    const below = createWindowTable(1);
    appendWindow(merged, series, startMs);
    appendWindow(below, series, startMs);
    for (let belowMs = startMs; belowMs < endMs; belowMs += tiers[t - 1].widthMs) {
      if (this.readWindow(t - 1, series, belowMs, below, 0)) mergeWindow(merged, 0, below, 0);
    }
    if (merged.counts[0] === 0) return false;
    setWindow(into, at, merged, 0);
    return true;
  }

  /**
   * Resolves when the tables show everything that is in the journal now, of some shards, or of all. While nothing can
   * be stored it does not wait: queries go on with what there is.
   * @returns the position up to which they show it: a lower one when nothing can be stored
   */
  barrier(shards: Iterable<Shard> | "all", sessions: boolean): Promise<JournalPosition> {
    const wanted = shards === "all" ? [...this.#held.shards].map(({ shard }) => shard) : [...shards];
    const shown = this.#barriers.wait(this.#store.position, wanted, sessions);
    this.#openBarriers();
    return shown;
  }

  /**
   * What is not stored of a selection, and the tables stay as they are until `release`, or for a moment.
   * @returns undefined when it is more than is copied: pass a barrier then
   */
  copyOpen({ series, devices, widthMs, fromMs, toMs }: OpenRequest): HeldOpenWindows | undefined {
    const windows: WindowTable[] = [];
    for (const [t, tier] of this.#store.tiers.entries()) {
      if (tier.widthMs > widthMs) break;
      const copies = this.#held.copyUnstored(t, series, { fromMs, toMs }, openWindowsMax);
      if (copies === undefined) return undefined;
      windows.push(copies);
    }
    const { position: revision, commits } = this.#store;
    const hold = this.#hold.take(this.#clock.elapsedMs());
    return { revision, commits, windows, progress: this.#sessions.unstoredProgress(devices), hold };
  }

  /**
   * Resolves when a reader may begin a snapshot: not while those that there are have kept the log from being emptied for
   * so long that it is too long. Without new ones it can be soon (`snapshotMsMax`).
   */
  async snapshotAllowed(): Promise<void> {
    if (!this.#logHeld || this.#problem !== "") return;
    await new Promise<void>((resolve) => this.#waitingForLog.push(resolve));
  }

  /** A reader has begun its snapshot. */
  release(hold: number): void {
    this.#hold.release(hold);
  }

  /** Does one step of what is due. @returns whether more may be due at once */
  step(): boolean {
    const nowMs = this.#clock.elapsedMs();
    if (this.#failed || nowMs < this.#retryAtMs || this.#hold.isHeld(nowMs)) return false;
    let stepped = false;
    this.#attempt(() => {
      // While there is much to do as well: a log of many steps would hold up acks for a second.
      this.#checkpoint();
      stepped = this.#commitDue(nowMs) || this.#commitRollUp() || this.#settle() || this.#trim();
    });
    return stepped;
  }

  /** Deletes some of the windows that their tier no longer keeps. @returns how many */
  prune(nowMs: number, windowsMax: number): number {
    if (this.#failed || this.#problem !== "" || this.#hold.isHeld(this.#clock.elapsedMs())) return 0;
    let deleted = 0;
    this.#attempt(() => {
      deleted = this.#store.prune(nowMs, windowsMax);
    });
    return deleted;
  }

  /** Does one step of something else that writes to the store, unless nothing can be stored. @returns what it returns */
  try(step: () => boolean): boolean {
    if (this.#failed || this.#problem !== "" || this.#hold.isHeld(this.#clock.elapsedMs())) return false;
    let more = false;
    this.#attempt(() => {
      more = step();
    });
    return more;
  }

  /** Stores nothing from now on: the process is about to end. */
  fail(): void {
    this.#failed = true;
  }

  /** Stores everything, as far as there is space; before the store is closed. */
  finish(): void {
    if (this.#failed) return;
    this.#attempt(() => {
      for (const held of [...this.#held.shards]) while (this.#commitPart(held, () => true));
      while (this.#commitSessions(Number.POSITIVE_INFINITY));
      this.#settle();
      // What is left of samples that need not be kept goes at the next start: nobody waits for it here.
      for (let steps = 0; steps < finishTrimsMax && this.#trim(); steps += 1);
    });
  }

  /**
   * Something could not be stored for want of space: nothing is tried for a while.
   * @throws the error when it is any other: memory and disk may differ now, so the process must end and recover
   */
  onStoreFailed(error: unknown): void {
    if (!isDiskFull(error)) {
      this.fail();
      throw error;
    }
    this.#problem = "the disk is full";
    this.#retryAtMs = this.#clock.elapsedMs() + storeRetryMs;
    // Queries go on with what there is.
    this.#openBarriers();
    this.#allowSnapshots();
  }

  #checkpoint(): void {
    this.#logHeld = this.#store.checkpoint();
    if (!this.#logHeld) this.#allowSnapshots();
  }

  #allowSnapshots(): void {
    for (const resolve of this.#waitingForLog.splice(0)) resolve();
  }

  #attempt(run: () => void): void {
    try {
      run();
      this.#problem = "";
    } catch (error) {
      this.onStoreFailed(error);
    }
  }

  /** Stores what somebody waits for, or else what has been due the longest. */
  #commitDue(nowMs: number): boolean {
    const wanted = this.#barriers.next();
    if (wanted !== undefined) {
      const held = this.#held.get(wanted.shard);
      if (held !== undefined) this.#commitPart(held, ({ sinces }, at) => sinces[at] <= wanted.position);
      return true;
    }
    if (this.#visitDue(nowMs)) return true;
    return this.#commitSessions(this.#barriers.isEmpty ? nowMs - flushIntervalMs : Number.POSITIVE_INFINITY);
  }

  /** Stores windows of a shard of which some are due. @returns whether there was one */
  #visitDue(nowMs: number): boolean {
    for (const held of this.#held.shards) {
      if (held.dueMs > nowMs) continue;
      this.#visit(held, nowMs);
      return true;
    }
    return false;
  }

  /** Stores windows of a shard that are over, and lets go of them when all are stored. */
  #visit(held: HeldShard, nowMs: number): void {
    const closedMs = this.#clock.nowMs() - closeDelayMs;
    const finestMs = this.#store.tiers[0].widthMs;
    const isDue: IsDue = ({ table, widthMs, sincesMs }, at) =>
      // Above the finest tier there are only windows that were over when late samples came.
      widthMs > finestMs || table.starts[at] + widthMs <= closedMs || sincesMs[at] <= nowMs - openFlushMs;
    if (this.#commitPart(held, isDue)) return;
    this.#held.release(held, closedMs);
    held.dueMs = Number.POSITIVE_INFINITY;
    for (const { table, widthMs, sinces, sincesMs } of held.tiers) {
      for (let at = 0; at < table.length; at += 1) {
        const closesMs = nowMs + table.starts[at] + widthMs - closedMs;
        const flushMs = sinces[at] === 0 ? Number.POSITIVE_INFINITY : sincesMs[at] + openFlushMs;
        held.dueMs = Math.min(held.dueMs, closesMs, flushMs);
      }
    }
  }

  /** Stores what is due of a shard, at most so much as takes a few milliseconds. @returns whether more is due */
  #commitPart(held: HeldShard, isDue: IsDue): boolean {
    const due = this.#held.due(held, isDue, stepRowsMax);
    if (due.parts.length === 0) {
      // All was looked through: `since` may have been left behind by a commit that stopped at its limit.
      held.since = due.since;
      this.#openBarriers();
      return false;
    }
    reach("before-flush");
    this.#store.commit(held.shard, Math.min(this.#store.position, due.since - 1), due.parts);
    this.#rollUp.onStored(held.shard, due.parts);
    this.#held.stored(held, due, this.#clock.nowMs() - closeDelayMs);
    this.#openBarriers();
    return due.more;
  }

  #commitSessions(sinceMs: number): boolean {
    const sessions = this.#sessions.dirty(sinceMs, stepRowsMax);
    if (sessions.length === 0) return false;
    this.#store.commitSessions(sessions);
    this.#sessions.clean(sessions);
    this.#openBarriers();
    return true;
  }

  #commitRollUp(): boolean {
    return this.#rollUp.step(this.#clock.nowMs(), (shard, widthMs, fromMs, toMs) => {
      const held = this.#held.get(shard);
      const isIn: IsDue = (tier, at) =>
        tier.widthMs === widthMs && tier.table.starts[at] >= fromMs && tier.table.starts[at] < toMs;
      if (held !== undefined) this.#commitPart(held, isIn);
    });
  }

  /**
   * Stores some windows and lets go of them. Those that are over go first: an open one would be read again for its next
   * sample. Then those of the shard that is held the longest.
   */
  #letGo(nowMs: number): void {
    if (this.#visitDue(nowMs)) return;
    const [held] = this.#held.shards;
    if (held !== undefined && !this.#commitPart(held, () => true)) this.#held.release(held, Number.POSITIVE_INFINITY);
  }

  #openBarriers(): void {
    this.#barriers.open({
      canStore: this.#problem === "",
      sinceOf: (shard) => this.#held.get(shard)?.since ?? Number.POSITIVE_INFINITY,
      sessionsSince: this.#sessions.dirtySince,
      settled: this.#store.settled,
    });
  }

  /** Marks the groups that every table shows: no start replays them. */
  #settle(): boolean {
    const { settled } = this.#store;
    let needed = Math.min(this.#store.position + 1, this.#sessions.dirtySince);
    for (const { since } of this.#held.shards) needed = Math.min(needed, since);
    this.#store.settle(needed - 1);
    return this.#store.settled > settled;
  }

  /** Deletes some of the settled groups that are not kept as raw samples. */
  #trim(): boolean {
    return this.#store.trim(this.#clock.nowMs(), trimGroupsMax) > 0;
  }
}

/** A time at or after the latest sample in the tables: nearly always `nowMs`, found by one look-up per tier. */
function latestOf(store: AggregateStore, nowMs: number): number {
  let latestMs = nowMs;
  for (const { widthMs } of store.tiers) {
    for (let at = store.nextStart(widthMs, latestMs, Number.POSITIVE_INFINITY); at !== undefined; ) {
      latestMs = at + widthMs;
      at = store.nextStart(widthMs, latestMs, Number.POSITIVE_INFINITY);
    }
  }
  return latestMs;
}

/** Whether some sample is in a window of this width that starts before `beforeMs`. */
function startsBefore({ timesMs, timeStart, timeEnd }: SampleRun, widthMs: number, beforeMs: number): boolean {
  for (let i = timeStart; i < timeEnd; i += 1) if (windowStart(timesMs[i], widthMs) < beforeMs) return true;
  return false;
}
