import { describe, expect, it } from "vitest";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { batchSamplesMax, sampleScanGroupsMax, sampleWorkBytesMax } from "../../lib/base/limits.ts";
import { MemoryStore } from "../../lib/store/memory/memory-store.ts";
import type { RawRetention } from "../../lib/store/raw-retention.ts";
import type { JournalReader } from "../../lib/store/store.ts";
import { SampleScan } from "../../query/sample-scan.ts";
import { openSqlite } from "../store/sqlite/data-dir.ts";
import { step } from "../store/steps.ts";
import { batch, dayMs } from "../support/batches.ts";
import { IngestHarness } from "../support/ingest.ts";
import { RawRead } from "../support/raw-samples.ts";

const unbounded = Number.POSITIVE_INFINITY;
const keepAll: RawRetention = { durationMs: unbounded, bytesMax: unbounded };

function openFilled(keepRaw: RawRetention = keepAll) {
  const store = new MemoryStore(defaultTiers, keepRaw);
  const ingest = new IngestHarness(store);
  const call = ingest.connect("press", { metrics: ["a", "b"] });
  let sequence = 0;
  /** Acks a group of one batch. */
  const send = (values: readonly number[], metric = 1) => {
    sequence += 1;
    call.batches(batch(sequence, values, { metric }));
    ingest.flush();
  };
  return { store, ingest, send, read: (request = {}) => new RawRead(store, store, request) };
}

/** The journal of a store, but for some of its answers. */
function journalOf(store: MemoryStore, others: Partial<JournalReader>): JournalReader {
  return {
    extent: () => store.extent(),
    findGroup: (...args) => store.findGroup(...args),
    readGroup: (position) => store.readGroup(position),
    sessionHandles: (session) => store.sessionHandles(session),
    seriesRow: (id) => store.seriesRow(id),
    close: () => {},
    ...others,
  };
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);
const valuesOf = (read: RawRead) => read.samples.map(({ value }) => value);

describe("a page of samples", () => {
  it("is full before the next one begins, over batches and groups", () => {
    const { send, read } = openFilled();
    for (const from of [0, 3, 6, 9]) send([from, from + 1, from + 2]);
    const answer = read();
    answer.all(5);
    expect(answer.pages.map(({ values }) => values.length)).toEqual([5, 5, 2]);
    expect(valuesOf(answer)).toEqual(upTo(12));
    expect([...answer.series.values()].map(({ name }) => name)).toEqual(["a"]);
  });

  it("is a part of a batch that is larger", () => {
    const { send, read } = openFilled();
    send([-1]);
    send(upTo(batchSamplesMax));
    send([-2]);
    const answer = read();
    answer.all(10_000);
    const lengths = answer.pages.map(({ values }) => values.length);
    expect(lengths.slice(0, 10)).toEqual(Array<number>(10).fill(10_000));
    expect(lengths.length).toBeLessThanOrEqual(12);
    expect(valuesOf(answer)).toEqual([-1, ...upTo(batchSamplesMax), -2]);
  });

  it("ends early when it has passed over much without finding a sample", () => {
    const { store, reader, journal } = openSqlite(defaultTiers, undefined, keepAll);
    const groups = sampleWorkBytesMax / 64 + sampleScanGroupsMax;
    for (let i = 0; i < groups; i += 1) store.append(Uint8Array.of(1), step({}), { receivedMs: 0, fromMs: 5, toMs: 5 });
    const answer = new RawRead(journal, reader, { fromMs: 6 });
    expect(answer.all()).toEqual([]);
    expect(answer.pages).toHaveLength(2);
  });

  it("comes first though there is nothing, and tells nothing of a journal that has kept all", () => {
    const answer = openFilled().read();
    expect(answer.all()).toEqual([]);
    expect(answer.pages).toMatchObject([{ keptFromMs: undefined, series: [] }]);
  });
});

describe("an answer", () => {
  it("has what was acked before it began, and nothing of what came later", () => {
    const { send, read } = openFilled();
    send([1]);
    const answer = read();
    send([2]);
    expect(answer.all().map(({ value }) => value)).toEqual([1]);
  });

  it("has samples that are in no table yet, and those that are", () => {
    const { ingest, send, read } = openFilled();
    send([1]);
    ingest.settle();
    send([2]);
    expect(ingest.flusher.journalGroups).toBe(1);
    const answer = read();
    answer.all();
    expect(valuesOf(answer)).toEqual([1, 2]);
  });

  it("goes on behind groups that are deleted while it is read, in the middle of one too", () => {
    const { store, ingest, send } = openFilled({ durationMs: 1_000, bytesMax: unbounded });
    for (const from of [0, 10, 20]) {
      send([from, from + 1, from + 2]);
      ingest.nowMs += 1_000;
    }
    const scan = new SampleScan(store);
    const [cut, whole] = [new RawRead(store, store, {}, scan), new RawRead(store, store, {}, scan)];
    cut.next(2);
    // Now the first group is not in memory any more.
    whole.next(7);
    ingest.settle();
    expect(store.extent().first).toBe(3);
    expect(cut.all().map(({ value }) => value)).toEqual([0, 1, 20, 21, 22]);
    expect(whole.all().map(({ value }) => value)).toEqual([0, 1, 2, 10, 11, 12, 20, 21, 22]);
  });

  it("tells from when on samples are kept", () => {
    const { ingest, send, read } = openFilled({ durationMs: 1_000, bytesMax: unbounded });
    const startMs = ingest.nowMs;
    for (let i = 0; i < 3; i += 1) {
      send([i]);
      ingest.nowMs += 1_000;
    }
    const f = (afterMs: number, keptFromMs: number | undefined) => {
      ingest.nowMs = startMs + afterMs;
      ingest.settle();
      const answer = read({ nowMs: ingest.nowMs });
      answer.all();
      expect(answer.pages.map((page) => page.keptFromMs)).toEqual([
        keptFromMs,
        ...answer.pages.slice(1).map(() => undefined),
      ]);
    };
    f(1_000, undefined);
    f(1_001, startMs + 1_000);
    f(2_001, startMs + 2_000);
    f(9_000, startMs + 9_000);
  });

  it("has nothing of a session that is deleted, nor of another one that has its id", () => {
    const { store, send } = openFilled();
    send([1]);
    const over = (sessionHandles: JournalReader["sessionHandles"]) => {
      return new RawRead(journalOf(store, { sessionHandles }), store).all();
    };
    expect(over((id) => store.sessionHandles(id))).toHaveLength(1);
    expect(over(() => undefined)).toEqual([]);
    // Its handles are others, and came later.
    expect(over(() => ({ device: 2, handles: [[9, 1, 2]] }))).toEqual([]);
    expect(over(() => ({ device: 2, handles: [[1, 1, 2]] }))).toEqual([]);
  });

  it("has nothing of a series that is deleted while it is read", () => {
    const { store, send } = openFilled();
    send([1], 1);
    send([2], 2);
    send([3], 1);
    const journal = journalOf(store, { seriesRow: (id) => (id === 1 ? undefined : store.seriesRow(id)) });
    expect(new RawRead(journal, store).all(2).map(({ value }) => value)).toEqual([2]);
  });

  it("is refused when a group is damaged, and names what to do", () => {
    const { store, send } = openFilled();
    send([1]);
    const journal = journalOf(store, { readGroup: (position) => store.readGroup(position)?.with(60, 255) });
    expect(() => new RawRead(journal, store).all()).toThrow("its bytes have changed");
  });

  it("is of the times of samples, not of their receipt", () => {
    const { send, read } = openFilled();
    send([1, 2, 3]);
    expect(read({ fromMs: dayMs + 1, toMs: dayMs + 2 }).all()).toMatchObject([{ value: 2, timeMs: dayMs + 1 }]);
    expect(read({ fromMs: dayMs + 3 }).all()).toEqual([]);
    expect(read({ toMs: dayMs }).all()).toEqual([]);
  });
});
