import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { recover } from "../../ingest/recovery.ts";
import { tierBounds } from "../../ingest/tier-bounds.ts";
import { HeldWindows } from "../../lib/aggregate/held-windows.ts";
import type { Shard } from "../../lib/aggregate/shard.ts";
import { keptFromMs, type Tier, windowStart } from "../../lib/aggregate/tiers.ts";
import { latestEventAfter, latestSampleAfter } from "../../lib/aggregate/watermark.ts";
import { latenessMsDefault } from "../../lib/base/limits.ts";
import { JournalRecords } from "../../lib/journal/journal-records.ts";
import { MemoryStore } from "../../lib/store/memory/memory-store.ts";
import type { RawRetention } from "../../lib/store/raw-retention.ts";
import type { AggregateReader, AggregateStore, Journal, Session } from "../../lib/store/store.ts";
import { encodeBatch } from "../../lib/wire/batch-encoder.ts";
import { plainWindows, type Sample, windowSet } from "../aggregate/plain-windows.ts";
import { openSqlite } from "../store/sqlite/data-dir.ts";
import { asHistory, device, readTiers, series, session, step } from "../store/steps.ts";
import { batch } from "../support/batches.ts";
import { IngestHarness } from "../support/ingest.ts";

const tiers: readonly Tier[] = [
  { widthMs: 10_000, retentionMs: 100_000 },
  { widthMs: 60_000, retentionMs: 300_000 },
  { widthMs: 3_600_000 },
];
const startMs = Date.UTC(2026, 0, 31);

const keepAll: RawRetention = { durationMs: Number.POSITIVE_INFINITY, bytesMax: Number.POSITIVE_INFINITY };

type Store = AggregateStore & Journal;

/** Two devices; one has two sessions, which share a series. Series lie on both sides of the bounds of shards. */
const sessions: readonly Session[] = [
  session(1, 1, { handles: handles([1, 1], [2, 255]) }),
  session(2, 2, { handles: handles([1, 256], [2, 2]) }),
  session(3, 1, { handles: handles([7, 1], [9, 512]) }),
];
const shards: readonly Shard[] = [0, 1, 2];

function handles(...pairs: readonly (readonly [number, number])[]): Map<number, number> {
  return new Map(pairs);
}

function openCatalog(store: Store): void {
  const metrics = [1, 255, 512].map((id) => series(id, 1, `m${id}`));
  const others = [256, 2].map((id) => series(id, 2, `m${id}`));
  const devices = [device(1, "pump", { session: 3 }), device(2, "fan")];
  store.append(undefined, step({ devices, sessions, series: [...metrics, ...others] }));
}

/** A settled sequence of a session: a batch, or a gap. */
interface PlainRecord {
  readonly session: number;
  /** By the place of the metric among the session's handles. */
  readonly samples: readonly { readonly metric: number; readonly timeMs: number; readonly value: number }[];
  /** Samples of a gap, or of a batch that was refused whole. */
  readonly lost: number;
  readonly refused: number;
  /** Further sequences that it settles. */
  readonly more: number;
}

/** A group, and what was flushed when it was in the journal. */
interface Step {
  readonly afterMs: number;
  readonly records: readonly PlainRecord[];
  readonly shards: readonly Shard[];
  readonly sessions: readonly number[];
  readonly trimGroups: number;
}

const anyRecord: fc.Arbitrary<PlainRecord> = fc.record({
  session: fc.constantFrom(1, 2, 3),
  samples: fc.array(
    fc.record({
      metric: fc.constantFrom(0, 1),
      // Some too old for a tier, some outside of what the group takes.
      timeMs: fc.integer({ min: -400_000, max: 20_000 }),
      value: fc.integer({ min: -1_000_000, max: 1_000_000 }),
    }),
    { maxLength: 5 },
  ),
  lost: fc.nat(9),
  refused: fc.nat(9),
  more: fc.nat(2),
});

const anySteps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    afterMs: fc.integer({ min: 0, max: 60_000 }),
    records: fc.array(anyRecord, { minLength: 1, maxLength: 4 }),
    shards: fc.subarray([...shards]),
    sessions: fc.subarray([1, 2, 3]),
    trimGroups: fc.nat(3),
  }),
  { maxLength: 8 },
);

interface Expected {
  /** Samples that count, with the time of their group. */
  readonly samples: (Sample & { readonly nowMs: number })[];
  readonly sessions: Map<number, Session>;
  position: number;
}

/** What a writer does until it is killed. @returns what must be there after the recovery */
function live(store: Store, steps: readonly Step[]): Expected {
  openCatalog(asHistory(store));
  const expected: Expected = {
    samples: [],
    sessions: new Map(sessions.map((each) => [each.id, structuredClone(each)])),
    position: 0,
  };
  const held = new HeldWindows(store.loadWindow);
  const unflushed = new Map<number, number>();
  let nowMs = startMs;
  for (const { afterMs, records, ...flushed } of steps) {
    nowMs += afterMs;
    const counted = appendGroup(store, expected, records, nowMs);
    expected.samples.push(...counted.map((sample) => ({ ...sample, nowMs })));
    const position = store.position;
    for (const { session } of records) if (!unflushed.has(session)) unflushed.set(session, position);
    const group = windowSet(widthsOf(store), counted);
    held.absorb(group, position, nowMs, nowMs, tierBounds(store, nowMs));

    for (const shard of flushed.shards) {
      const dirty = held.get(shard);
      store.commit(shard, position, dirty?.tiers ?? []);
      if (dirty === undefined) continue;
      held.stored(
        dirty,
        held.due(dirty, () => true, Number.MAX_SAFE_INTEGER),
        Number.POSITIVE_INFINITY,
      );
      held.release(dirty, Number.POSITIVE_INFINITY);
    }
    store.commitSessions(flushed.sessions.map((id) => expected.sessions.get(id) as Session));
    for (const id of flushed.sessions) unflushed.delete(id);
    const needed = Math.min(position + 1, ...unflushed.values(), ...[...held.shards].map(({ since }) => since));
    store.settle(needed - 1);
    store.trim(nowMs, flushed.trimGroups);
  }
  expected.position = store.position;
  return expected;
}

/** @returns the samples that count */
function appendGroup(store: Store, expected: Expected, records: readonly PlainRecord[], nowMs: number): Sample[] {
  const bounds = { nowMs, latenessMs: latenessMsDefault, keptFromMs: nowMs - 350_000, latestMs: nowMs + 10_000 };
  const journal = new JournalRecords();
  const all: Sample[] = [];
  for (const { session: id, samples, lost, refused, more } of records) {
    const mark = expected.sessions.get(id) as Session;
    const ids = [...mark.handles];
    const isTaken = ({ timeMs }: { timeMs: number }) => timeMs >= -350_000 && timeMs <= 10_000;
    const taken = samples.filter(isTaken);
    const isBatch = samples.length > 0;
    const tables = samples.map(({ metric, timeMs, value }) => ({
      metricHandles: [ids[metric][0]],
      baseTimeMs: nowMs + timeMs,
      offsetsMs: [0],
      values: Float64Array.of(value),
    }));
    const record = {
      session: id,
      sequence: mark.ackedSequence + 1 + (isBatch ? 0 : more),
      counted: taken.length,
      refused: isBatch ? samples.length - taken.length : refused,
      samplesLost: isBatch ? 0 : lost,
      batchesLost: isBatch ? 0 : more + 1,
      watermarkMs: Number.NEGATIVE_INFINITY,
    };
    journal.add(record, isBatch ? encodeBatch(5, mark.ackedSequence + 1, tables) : undefined);
    mark.ackedSequence = record.sequence;
    mark.samplesCounted += record.counted;
    mark.samplesRefused += record.refused;
    mark.samplesLost += record.samplesLost;
    mark.batchesLost += record.batchesLost;
    const latestMs = Math.max(...taken.map(({ timeMs }) => nowMs + timeMs));
    mark.latestEventMs = latestEventAfter(mark, latestMs, nowMs, latenessMsDefault);
    mark.latestSampleMs = latestSampleAfter(mark, latestMs, nowMs);
    mark.lastSeenAtMs = nowMs;
    all.push(...taken.map(({ metric, timeMs, value }) => ({ series: ids[metric][1], timeMs: nowMs + timeMs, value })));
  }
  store.append(journal.take(bounds), step({}));
  return all;
}

const widthsOf = (store: Store) => store.tiers.map((tier) => tier.widthMs);

function expectRecovered(store: Store, reader: AggregateReader, expected: Expected): void {
  const windows = tiers.map((tier) => {
    const isKept = ({ timeMs, nowMs }: Expected["samples"][number]) =>
      windowStart(timeMs, tier.widthMs) >= keptFromMs(tier, nowMs);
    return plainWindows(expected.samples.filter(isKept), tier.widthMs);
  });
  expect(readTiers(reader)).toEqual(windows);
  expect(sessions.map(({ id }) => store.findSession(id))).toEqual([...expected.sessions.values()]);
  expect([...store.read()]).toEqual([]);
  expect(store.position).toBe(expected.position);
}

class CutOff extends Error {}

/** Ends a recovery in the place of its commit number `commits`, before or after it is stored. */
function recoverCutOff(store: Store, commits: number, isStored: boolean): void {
  let left = commits;
  const cut = <A extends unknown[], R>(run: (...args: A) => R): ((...args: A) => R) =>
    function (this: unknown, ...args) {
      left -= 1;
      if (left < 0) throw new CutOff();
      const result = run.apply(store, args);
      if (left === 0 && isStored) throw new CutOff();
      return result;
    };
  const names = ["commit", "commitSessions", "settle"] as const;
  for (const name of names)
    Object.defineProperty(store, name, { value: cut(store[name] as never), configurable: true });
  try {
    recover(store);
  } catch (error) {
    if (!(error instanceof CutOff)) throw error;
  } finally {
    for (const name of names) delete (store as Partial<Store>)[name];
  }
}

function recoveryOf(name: string, numRuns: number, open: () => { store: Store; reader: AggregateReader }): void {
  describe(`recovery of ${name}`, () => {
    it("gives the windows and marks of a plain computation, whatever had been flushed", () => {
      fc.assert(
        fc.property(anySteps, (steps) => {
          const { store, reader } = open();
          const expected = live(store, steps);
          recover(store);
          expectRecovered(store, reader, expected);
        }),
        { numRuns },
      );
    });

    it("changes nothing when it runs again", () => {
      fc.assert(
        fc.property(anySteps, (steps) => {
          const { store, reader } = open();
          const expected = live(store, steps);
          recover(store);
          expect(recover(store)).toBe(0);
          expectRecovered(store, reader, expected);
        }),
        { numRuns },
      );
    });

    it("gives the same when it was cut off, any number of times, after any of its commits", () => {
      const anyCuts = fc.array(fc.record({ commits: fc.nat(6), isStored: fc.boolean() }), {
        minLength: 1,
        maxLength: 4,
      });
      fc.assert(
        fc.property(anySteps, anyCuts, (steps, cuts) => {
          const { store, reader } = open();
          const expected = live(store, steps);
          for (const { commits, isStored } of cuts) recoverCutOff(store, commits, isStored);
          recover(store);
          expectRecovered(store, reader, expected);
        }),
        { numRuns },
      );
    });

    it("tells how many groups it has read", () => {
      const { store } = open();
      const samples = [{ metric: 0, timeMs: 0, value: 1 }];
      const one: Step = {
        afterMs: 0,
        records: [{ session: 1, samples, lost: 0, refused: 0, more: 0 }],
        shards: [],
        sessions: [],
        trimGroups: 0,
      };
      live(store, [one, one, one]);
      expect(recover(store)).toBe(3);
    });

    it("refuses a journal that names a session that there is not, and stores nothing", () => {
      const { store, reader } = open();
      const journal = new JournalRecords();
      const marks = { sequence: 1, counted: 0, refused: 0, samplesLost: 0, batchesLost: 1, watermarkMs: 0 };
      journal.add({ session: 8, ...marks });
      store.append(
        journal.take({ nowMs: startMs, latenessMs: latenessMsDefault, keptFromMs: 0, latestMs: startMs }),
        step({}),
      );
      expect(() => recover(store)).toThrow("journal group 1 names session 8");
      expect(readTiers(reader).flat()).toEqual([]);
      expect([...store.read()]).toHaveLength(1);
    });
  });
}

recoveryOf("the model in memory", 200, () => {
  const store = new MemoryStore(tiers);
  return { store, reader: store };
});

recoveryOf("the model in memory that keeps raw samples", 100, () => {
  const store = new MemoryStore(tiers, keepAll);
  return { store, reader: store };
});

recoveryOf("SQLite", 40, () => openSqlite(tiers));

recoveryOf("SQLite that keeps raw samples", 20, () => openSqlite(tiers, undefined, keepAll));

it("leaves pruned what was pruned, though the journal still has it", () => {
  const store = new MemoryStore(tiers);
  const ingest = new IngestHarness(store);
  ingest.connect("press").batches(batch(1, [1], { timeMs: ingest.nowMs }));
  ingest.flush();
  // Its window is stored; its mark is not, and so the journal is not trimmed.
  void ingest.flusher.barrier("all", false);
  while (ingest.flusher.step());
  ingest.nowMs += 200_000;
  while (ingest.flusher.step());
  expect(ingest.flusher.prune(ingest.nowMs, 10)).toBe(1);
  expect([...store.read()]).toHaveLength(1);
  recover(store);
  expect(readTiers(store).map((windows) => windows.length)).toEqual([0, 1, 1]);
});
