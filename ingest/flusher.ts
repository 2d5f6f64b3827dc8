import { DirtyWindows } from "../lib/aggregate/dirty-windows.ts";
import type { Shard } from "../lib/aggregate/shard.ts";
import { keptFromMs } from "../lib/aggregate/tiers.ts";
import type { Clock } from "../lib/base/clock.ts";
import { reach } from "../lib/base/faults.ts";
import { dirtyWindowsMax, flushIntervalMs, stepRowsMax, storeRetryMs, trimGroupsMax } from "../lib/base/limits.ts";
import { isDiskFull } from "../lib/store/sqlite/errors.ts";
import type { AggregateStore, Journal, JournalPosition } from "../lib/store/store.ts";
import type { Group } from "./admission.ts";
import type { Sessions } from "./sessions.ts";

/** Who waits until what was acked is in the tables. */
interface Barrier {
  readonly position: JournalPosition;
  readonly shards: Set<Shard>;
  readonly sessions: boolean;
  readonly resolve: (position: JournalPosition) => void;
}

/**
 * Brings what is in the journal into the tables, in steps between groups: one shard of windows, or some sessions, or a
 * piece of the journal that nobody needs any more. A step takes a few milliseconds, but for a shard that a replay of
 * history has given very many windows: they are stored together with its position, or not at all.
 */
export class Flusher {
  readonly #store: AggregateStore & Journal;
  readonly #sessions: Sessions;
  readonly #clock: Clock;
  readonly #dirty: DirtyWindows;
  #barriers: Barrier[] = [];
  #journalGroups = 0;
  #retryAtMs = 0;
  #problem = "";
  #failed = false;

  constructor(store: AggregateStore & Journal, sessions: Sessions, clock: Clock) {
    this.#store = store;
    this.#sessions = sessions;
    this.#clock = clock;
    this.#dirty = new DirtyWindows(store.loadWindow);
  }

  /** Windows in memory that are not stored yet. */
  get dirtyWindows(): number {
    return this.#dirty.length;
  }

  /** Groups that are in the journal and not in every table. */
  get journalGroups(): number {
    return this.#journalGroups;
  }

  /** Why nothing can be stored; empty when it can. */
  get problem(): string {
    return this.#problem;
  }

  /** Merges a group that is in the journal. Afterwards its windows have their whole values. */
  absorb(group: Group, position: JournalPosition): void {
    const kept = this.#store.tiers.map((tier) => keptFromMs(tier, group.bounds.nowMs));
    this.#dirty.absorb(group.windows, position, this.#clock.elapsedMs(), kept);
    this.#journalGroups += 1;
    // More would not be bounded: the next group waits, and with it those who send.
    while (this.#dirty.length > dirtyWindowsMax && this.#problem === "") {
      this.#attempt(() => this.#commitShard(this.#oldest()));
    }
  }

  /**
   * Resolves when the tables show everything that is in the journal now, of some shards, or of all. While nothing can
   * be stored it does not wait: queries go on with what there is.
   */
  barrier(shards: Iterable<Shard> | "all", sessions: boolean): Promise<JournalPosition> {
    const wanted = shards === "all" ? [...this.#dirty.shards].map(({ shard }) => shard) : [...shards];
    const { promise, resolve } = Promise.withResolvers<JournalPosition>();
    this.#barriers.push({
      position: this.#store.position,
      shards: new Set(wanted.filter((shard) => this.#dirty.get(shard) !== undefined)),
      sessions,
      resolve,
    });
    this.#openBarriers();
    return promise;
  }

  /** Does one step of what is due. @returns whether more may be due at once */
  step(): boolean {
    const nowMs = this.#clock.elapsedMs();
    if (this.#failed || nowMs < this.#retryAtMs) return false;
    let stepped = false;
    this.#attempt(() => {
      stepped = this.#commitDue(nowMs - flushIntervalMs) || this.#trim();
      if (!stepped) this.#store.checkpoint();
    });
    return stepped;
  }

  /** Deletes some of the windows that their tier no longer keeps. @returns how many */
  prune(nowMs: number, windowsMax: number): number {
    if (this.#failed || this.#problem !== "") return 0;
    let deleted = 0;
    this.#attempt(() => {
      deleted = this.#store.prune(nowMs, windowsMax);
    });
    return deleted;
  }

  /** Stores nothing from now on: the process is about to end. */
  fail(): void {
    this.#failed = true;
  }

  /** Stores everything, as far as there is space; before the store is closed. */
  finish(): void {
    if (this.#failed) return;
    this.#attempt(() => {
      while (this.#commitDue(Number.POSITIVE_INFINITY));
      while (this.#trim());
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
    this.#openBarriers();
  }

  #attempt(run: () => void): void {
    try {
      run();
      this.#problem = "";
    } catch (error) {
      this.onStoreFailed(error);
    }
  }

  #commitDue(sinceMs: number): boolean {
    const wanted = this.#barriers.find(({ shards }) => shards.size > 0);
    const shard = wanted === undefined ? this.#oldest(sinceMs) : wanted.shards.values().next().value;
    if (shard !== undefined) {
      this.#commitShard(shard);
      return true;
    }
    const wantsSessions = this.#barriers.length > 0;
    const sessions = this.#sessions.dirty(wantsSessions ? Number.POSITIVE_INFINITY : sinceMs, stepRowsMax);
    if (sessions.length === 0) return false;
    this.#store.commitSessions(sessions);
    this.#sessions.clean(sessions);
    this.#openBarriers();
    return true;
  }

  #oldest(sinceMs = Number.POSITIVE_INFINITY): Shard | undefined {
    for (const { shard, sinceMs: dirtyMs } of this.#dirty.shards) return dirtyMs <= sinceMs ? shard : undefined;
    return undefined;
  }

  #commitShard(shard: Shard | undefined): void {
    const dirty = shard === undefined ? undefined : this.#dirty.get(shard);
    if (dirty === undefined) return;
    reach("before-flush");
    this.#store.commit(dirty.shard, this.#store.position, dirty.tiers);
    this.#dirty.clean(dirty.shard);
    for (const barrier of this.#barriers) barrier.shards.delete(dirty.shard);
    this.#openBarriers();
  }

  #openBarriers(): void {
    const waiting = (barrier: Barrier) =>
      this.#problem === "" &&
      (barrier.shards.size > 0 || (barrier.sessions && this.#sessions.dirtySince <= barrier.position));
    const open = this.#barriers.filter((barrier) => !waiting(barrier));
    this.#barriers = this.#barriers.filter(waiting);
    for (const { resolve, position } of open) resolve(position);
  }

  /** Deletes the groups that every table shows. */
  #trim(): boolean {
    if (this.#journalGroups === 0) return false;
    let needed = Math.min(this.#store.position + 1, this.#sessions.dirtySince);
    for (const { since } of this.#dirty.shards) {
      needed = Math.min(needed, since);
      break;
    }
    const left = this.#store.trim(needed - 1, trimGroupsMax);
    const trimmed = left < this.#journalGroups;
    this.#journalGroups = left;
    return trimmed;
  }
}
