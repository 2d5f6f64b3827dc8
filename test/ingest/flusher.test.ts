import { describe, expect, it } from "vitest";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { flushIntervalMs, stepRowsMax, storeRetryMs, trimGroupsMax } from "../../lib/base/limits.ts";
import { batch, dayMs } from "../support/batches.ts";
import { diskFull, ioFailure } from "../support/failing-store.ts";
import { IngestHarness } from "../support/ingest.ts";
import { RecordingStore, type Write } from "../support/recording-store.ts";
import { connectDeep, sendDeep, shardedIngest } from "../support/shards.ts";

/** The writes of each step, until nothing more is due. Each looks after the log first. */
function stepsOf({ flusher }: IngestHarness, store: RecordingStore): Write[][] {
  const steps: Write[][] = [];
  for (let more = true; more; ) {
    more = flusher.step();
    const [first, ...writes] = store.take();
    expect(first).toEqual({ kind: "checkpoint" });
    steps.push(writes);
  }
  return steps;
}

describe("what was acked", () => {
  it("comes into the tables after the flush interval, and not before", () => {
    const { ingest, store, send } = shardedIngest(1);
    send(0);
    ingest.elapsedMs += flushIntervalMs - 1;
    expect(stepsOf(ingest, store)).toEqual([[]]);
    expect(ingest.storedWindows()).toEqual([]);
    ingest.elapsedMs += 1;
    stepsOf(ingest, store);
    expect(ingest.storedWindows()).toMatchObject([{ device: "device-0", count: 1, startMs: dayMs }]);
    expect(ingest.storedDevice("device-0")).toMatchObject({ ackedSequence: 1, samplesCounted: 1 });
  });

  it("is one row of a window, however many groups have changed it", () => {
    const { ingest, store, send } = shardedIngest(1);
    for (let i = 0; i < 10; i += 1) send(0);
    // The day is not over: its window is made when it is.
    expect(ingest.flusher.heldWindows).toBe(defaultTiers.length - 1);
    ingest.elapsedMs += flushIntervalMs;
    expect(stepsOf(ingest, store).flat()).toEqual([
      { kind: "shard", shard: 0, through: 10 },
      { kind: "sessions", sessions: 1 },
      { kind: "settle", through: 10 },
      { kind: "trim", groups: 10 },
    ]);
    expect(ingest.storedWindows()).toMatchObject([{ count: 10 }]);
    expect(ingest.flusher).toMatchObject({ heldWindows: 0, journalGroups: 0, problem: "" });
  });

  it("comes in the order in which it has waited", () => {
    const { ingest, store, send } = shardedIngest(3);
    for (const device of [2, 0, 1, 2]) {
      send(device);
      ingest.elapsedMs += 1;
    }
    ingest.elapsedMs += flushIntervalMs;
    const shards = stepsOf(ingest, store)
      .flat()
      .flatMap((write) => (write.kind === "shard" ? [write.shard] : []));
    expect(shards).toEqual([2, 0, 1]);
  });

  it("is all in the tables, and the journal empty, when the writer ends", () => {
    const { ingest, store, send } = shardedIngest(3);
    for (let i = 0; i < trimGroupsMax; i += 1) for (const device of [0, 1, 2]) send(device);
    ingest.flusher.finish();
    expect([...store.read()]).toEqual([]);
    expect(store.extent().first).toBe(store.position + 1);
    for (const device of [0, 1, 2]) {
      expect(ingest.storedDevice(`device-${device}`)).toMatchObject({ samplesCounted: trimGroupsMax });
    }
    expect(ingest.storedWindows().map(({ count }) => count)).toEqual([trimGroupsMax, trimGroupsMax, trimGroupsMax]);
  });
});

describe("a step", () => {
  it("stores one shard, or some sessions, or what is settled, or trims some of the journal", () => {
    const store = new RecordingStore(defaultTiers);
    const ingest = new IngestHarness(store);
    const call = ingest.open();
    const devices = 2 * stepRowsMax + 1;
    for (let handle = 1; handle <= devices; handle += 1) call.register(`device-${handle}`, { handle });
    const groups = 2 * trimGroupsMax + 1;
    for (let sequence = 1; sequence <= groups; sequence += 1) {
      if (sequence > 1) call.batches(batch(sequence, [1]));
      else for (let handle = 1; handle <= devices; handle += 1) call.batches(batch(1, [1], { handle }));
      ingest.flush();
    }
    store.take();
    ingest.elapsedMs += flushIntervalMs;
    const steps = stepsOf(ingest, store);
    for (const step of steps.slice(0, -1)) expect(step).toHaveLength(1);
    expect(steps.at(-1)).toEqual([]);
    const writes = steps.flat();
    expect(writes.filter(({ kind }) => kind === "shard")).toHaveLength(2 * Math.ceil(devices / 256));
    expect(writes.filter(({ kind }) => kind === "sessions")).toEqual([
      { kind: "sessions", sessions: stepRowsMax },
      { kind: "sessions", sessions: stepRowsMax },
      { kind: "sessions", sessions: 1 },
    ]);
    expect(writes.filter(({ kind }) => kind === "settle")).toHaveLength(1);
    expect(writes.filter(({ kind }) => kind === "trim")).toEqual([
      { kind: "trim", groups: trimGroupsMax },
      { kind: "trim", groups: trimGroupsMax },
      { kind: "trim", groups: 1 },
    ]);
  });

  it("does nothing but look after the log when nothing is due", () => {
    const { ingest, store } = shardedIngest(1);
    ingest.elapsedMs += flushIntervalMs;
    expect(ingest.flusher.step()).toBe(false);
    expect(store.take()).toEqual([{ kind: "checkpoint" }]);
  });

  it("throws what is not a full disk: memory and disk may differ", () => {
    const { ingest, store, send } = shardedIngest(1);
    send(0);
    store.failure = ioFailure();
    ingest.elapsedMs += flushIntervalMs;
    expect(() => ingest.flusher.step()).toThrow(store.failure);
  });
});

describe("windows in memory", () => {
  it("are stored before the next group when there are too many, the longest waiting first", async () => {
    const windowsMax = 500_000;
    const { ingest, store, send } = shardedIngest(3, { windowsMax });
    for (const device of [0, 1, 2]) send(device);
    const barrier = ingest.flusher.barrier("all", false);
    const deep = connectDeep(ingest);
    store.take();
    sendDeep(ingest, deep, [1, 2, 3, 4]);
    expect(store.take()).toEqual([]);
    sendDeep(ingest, deep, [5]);
    expect(ingest.flusher.heldWindows).toBeLessThanOrEqual(windowsMax);
    const shards = store.take().map((write) => (write.kind === "shard" ? write.shard : undefined));
    expect([...new Set(shards)]).toEqual([0, 1, 2, 3]);
    // It has waited for the first three: no step was needed.
    expect(await barrier).toBe(3);
    expect(store.findDevice("deep")?.session.ackedSequence).toBe(0);
  });
});

describe("windows in memory, when there are too many", () => {
  it("go first when they are over: an open one would be read again for its next sample", () => {
    const { ingest, store, send } = shardedIngest(3, { windowsMax: 2 * (defaultTiers.length - 1) });
    send(0, ingest.nowMs);
    send(1);
    ingest.elapsedMs += flushIntervalMs;
    expect(store.take()).toEqual([]);
    send(2);
    expect(store.take()).toEqual([{ kind: "shard", shard: 1, through: 3 }]);
    expect(ingest.storedWindows()).toMatchObject([{ device: "device-1" }]);
  });
});

describe("a flush that finds the disk full", () => {
  it("is tried again after the retry interval, and loses nothing", () => {
    const { ingest, store, send } = shardedIngest(2);
    for (const device of [0, 1]) send(device);
    store.failure = diskFull();
    ingest.elapsedMs += flushIntervalMs;
    expect(ingest.flusher.step()).toBe(false);
    expect(ingest.flusher.problem).toBe("the disk is full");
    store.failure = undefined;
    store.take();
    ingest.elapsedMs += storeRetryMs - 1;
    expect(ingest.flusher.step()).toBe(false);
    expect(store.take()).toEqual([]);
    ingest.elapsedMs += 1;
    stepsOf(ingest, store);
    expect(ingest.flusher).toMatchObject({ problem: "", heldWindows: 0, journalGroups: 0 });
    expect(ingest.storedWindows().map(({ count }) => count)).toEqual([1, 1]);
  });

  it("keeps the journal when the writer ends, so that the next start has everything", () => {
    const { ingest, store, send } = shardedIngest(2);
    for (const device of [0, 1]) send(device);
    store.failure = diskFull();
    ingest.flusher.finish();
    store.failure = undefined;
    expect([...store.read()]).toHaveLength(2);
    const restarted = new IngestHarness(store);
    for (const device of ["device-0", "device-1"]) expect(restarted.total(device)).toEqual({ count: 1, sum: 1 });
  });
});
