import { describe, expect, it } from "vitest";
import { recover } from "../../ingest/recovery.ts";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { trimGroupsMax } from "../../lib/base/limits.ts";
import { MemoryStore } from "../../lib/store/memory/memory-store.ts";
import type { RawRetention } from "../../lib/store/raw-retention.ts";
import { makeDataDir, openSqlite, openStore } from "../store/sqlite/data-dir.ts";
import { readRange } from "../store/steps.ts";
import { batch } from "../support/batches.ts";
import { IngestHarness } from "../support/ingest.ts";
import { RawRead } from "../support/raw-samples.ts";

const unbounded = Number.POSITIVE_INFINITY;
const keepAll: RawRetention = { durationMs: unbounded, bytesMax: unbounded };
const minuteMs = 60_000;

/** Acks so many groups of one sample each. */
function sendGroups(ingest: IngestHarness, groups: number, first = 1): void {
  const call = ingest.connect("press");
  for (let sequence = first; sequence < first + groups; sequence += 1) {
    call.batches(batch(sequence, [sequence], { timeMs: ingest.nowMs }));
    ingest.flush();
  }
}

describe("a journal that keeps raw samples", () => {
  it("is not replayed as far as it is settled, however much it keeps", () => {
    const store = new MemoryStore(defaultTiers, keepAll);
    const ingest = new IngestHarness(store);
    sendGroups(ingest, 500);
    ingest.settle();
    expect(store.extent()).toMatchObject({ first: 1, last: 500 });
    expect(ingest.flusher.journalGroups).toBe(0);
    sendGroups(ingest, 3, 501);
    expect(ingest.flusher.journalGroups).toBe(3);
    expect(recover(store)).toBe(3);
    expect(recover(store)).toBe(0);
    const again = new IngestHarness(store, { nowMs: ingest.nowMs });
    expect(again.total("press")).toEqual({ count: 503, sum: (503 * 504) / 2 });
    expect(again.device("press")).toMatchObject({ ackedSequence: 503, samplesCounted: 503 });
    expect(new RawRead(store, store).all()).toHaveLength(503);
  });

  it("lets go of what is over its bounds between groups, in bounded steps, also when nothing comes", () => {
    const store = new MemoryStore(defaultTiers, { durationMs: minuteMs, bytesMax: unbounded });
    const ingest = new IngestHarness(store);
    sendGroups(ingest, 2 * trimGroupsMax + 1);
    ingest.settle();
    ingest.nowMs += minuteMs;
    expect(ingest.flusher.step()).toBe(false);
    expect(store.extent().first).toBe(1);
    ingest.nowMs += 1;
    const firsts: number[] = [];
    while (ingest.flusher.step()) firsts.push(store.extent().first);
    expect(firsts).toEqual([1, 2, 3].map((step) => Math.min(step * trimGroupsMax, 2 * trimGroupsMax + 1) + 1));
    expect(ingest.total("press").count).toBe(2 * trimGroupsMax + 1);
  });

  it("keeps what is over its bounds as long as a table does not show it", () => {
    const store = new MemoryStore(defaultTiers, { durationMs: 1, bytesMax: 1 });
    const ingest = new IngestHarness(store);
    sendGroups(ingest, 3);
    ingest.nowMs += minuteMs;
    while (ingest.flusher.step());
    expect(store.extent().first).toBe(1);
    ingest.settle();
    expect(store.extent().first).toBe(4);
  });

  it("does not hold up the end of the writer, nor its next start, and goes when samples are not kept any more", () => {
    const dir = makeDataDir();
    const store = openStore(dir, defaultTiers, keepAll);
    // Nothing is asked of its reading side.
    const first = new IngestHarness(store as never);
    sendGroups(first, 200);
    first.flusher.finish();
    expect(store.settled).toBe(200);
    store.close();

    const { store: later, reader, journal } = openSqlite(defaultTiers, dir);
    expect(recover(later)).toBe(0);
    expect(journal.extent()).toMatchObject({ first: 1, last: 200 });
    const { flusher } = new IngestHarness(later as never, { nowMs: first.nowMs });
    expect(flusher.step()).toBe(true);
    expect(journal.extent().first).toBe(1 + trimGroupsMax);
    while (flusher.step());
    expect(journal.extent()).toEqual({ first: 201, last: 200, receivedMs: undefined });
    expect(later.position).toBe(200);
    const { windows } = readRange(reader, { widthMs: 10_000 });
    expect(windows.map(({ count }) => count)).toEqual([200]);
  });
});
