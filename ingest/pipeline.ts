import {
  auditTime,
  catchError,
  EMPTY,
  filter,
  type MonoTypeOperatorFunction,
  map,
  mergeWith,
  type Observable,
  type OperatorFunction,
  pipe,
  type SchedulerLike,
  share,
  tap,
} from "rxjs";
import type { Clock } from "../lib/base/clock.ts";
import { TelemetryError } from "../lib/base/errors.ts";
import { reach } from "../lib/base/faults.ts";
import { publishIntervalMs, storeRetryMs } from "../lib/base/limits.ts";
import type { LiveUpdate } from "../lib/store/live-feed.ts";
import type { Journal, JournalPosition } from "../lib/store/store.ts";
import type { Admission, Group } from "./admission.ts";
import type { Settlement } from "./call.ts";
import type { ChangeCollector } from "./change-collector.ts";
import type { Flusher } from "./flusher.ts";
import type { Slab } from "./slab.ts";

/** A group after it was stored, or could not be. */
export interface Outcome {
  readonly group: Group;
  /** Whether it was written: it had something to store, and could be. */
  readonly stored: boolean;
  /** Where it lies in the journal; undefined when it had nothing for the journal, or could not be stored. */
  readonly position: JournalPosition | undefined;
  /** Time that the journal took, in milliseconds. */
  readonly appendMs: number;
  readonly settlements: readonly Settlement[];
}

export interface Pipeline {
  /** One per group of slabs, when it is on disk or has failed: every call of the group is answered. */
  readonly outcomes: Observable<Outcome>;
  /**
   * What stored groups changed, for the live feed, conflated over `publishIntervalMs`. While anybody watches, each group
   * and each tick is followed by one, whether or not it changed anything that is wanted: it says how far the feed is.
   */
  readonly updates: Observable<LiveUpdate>;
}

export interface Stages {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly admission: Admission;
  readonly flusher: Flusher;
  readonly collector: ChangeCollector;
  /** When to look for windows that have become final though no sample came. */
  readonly ticks?: Observable<unknown>;
}

/**
 * The way of the data through the writer thread:
 *
 *     slabs -> admit -> append to the journal -> outcomes (acks)
 *                                             -> merge into dirty windows -> updates (live feed)
 *
 * It carries groups, never single samples. Its bound lies outside: the I/O thread holds back what is
 * over the bytes in flight (`Inlet`). Subscribe to `outcomes` first: acks do not wait for the rest.
 *
 * @param slabs all that were waiting, as one group
 */
export function ingestPipeline(
  slabs: Observable<readonly Slab[]>,
  stages: Stages,
  scheduler?: SchedulerLike,
): Pipeline {
  const { clock, admission, flusher, collector, ticks = EMPTY } = stages;
  const outcomes = slabs.pipe(
    map((group) => admission.admit(group, clock.nowMs(), clock.elapsedMs())),
    append(stages),
    stopFlushing(flusher),
    share(),
  );
  const absorbed = outcomes.pipe(
    tap(({ group, position }) => position !== undefined && flusher.absorb(group, position)),
    stopFlushing(flusher),
  );
  return { outcomes, updates: absorbed.pipe(conflate(collector, ticks, scheduler)) };
}

/**
 * An error ends the pipeline, and soon the process. Memory may be ahead of the journal by then: nothing of it may reach
 * the tables any more.
 */
function stopFlushing<T>(flusher: Flusher): MonoTypeOperatorFunction<T> {
  return catchError((error: unknown) => {
    flusher.fail();
    throw error;
  });
}

/** One transaction per group, then its answers: no ack leaves before the group is on disk. */
function append({ journal, admission, flusher, clock }: Stages): OperatorFunction<Group, Outcome> {
  return map((group) => {
    const stored = hasChanges(group);
    const startMs = clock.elapsedMs();
    try {
      // A group of duplicates, or of refused registrations, has nothing to store and is answered all the same.
      if (stored) {
        reach("before-append");
        journal.append(group.records, group.catalog, group.span);
        reach("after-append");
      }
    } catch (error) {
      flusher.onStoreFailed(error);
      admission.rollback(group, diskFull(error));
      return { group, stored: false, position: undefined, appendMs: 0, settlements: settle(group.calls) };
    }
    const endMs = clock.elapsedMs();
    admission.commit(journal.position, endMs);
    const position = group.records === undefined ? undefined : journal.position;
    return { group, stored, position, appendMs: endMs - startMs, settlements: settle(group.calls) };
  });
}

/** Gathers what the groups of an interval changed, the latest values only. */
function conflate(
  collector: ChangeCollector,
  ticks: Observable<unknown>,
  scheduler?: SchedulerLike,
): OperatorFunction<Outcome, LiveUpdate> {
  return pipe(
    filter(({ position }) => position !== undefined && collector.interested),
    tap(({ group, position = 0 }) => collector.add(group, position)),
    mergeWith(ticks.pipe(filter(() => collector.interested))),
    auditTime(publishIntervalMs, scheduler),
    map(() => collector.take()),
  );
}

function hasChanges({ records, catalog }: Group): boolean {
  return records !== undefined || catalog !== undefined;
}

export function diskFull(cause: unknown): TelemetryError {
  return new TelemetryError(
    "RESOURCE_EXHAUSTED",
    "DISK_FULL",
    "the server's disk is full; nothing of this was kept, send it again when there is space",
    { retryAfterMs: storeRetryMs, cause },
  );
}

function settle(calls: Group["calls"]): Settlement[] {
  return [...calls].map((call) => call.settle());
}
