import { describe, expect, it } from "vitest";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { rollUpRowsMax } from "../../lib/base/limits.ts";
import { MemoryStore } from "../../lib/store/memory/memory-store.ts";
import { RejectReason } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { readRange } from "../store/steps.ts";
import { batch, dayMs, gap } from "../support/batches.ts";
import { IngestHarness } from "../support/ingest.ts";
import { openAsOne } from "../support/sqlite-as-one.ts";

const stores = [
  ["the model in memory", () => new MemoryStore(defaultTiers)],
  ["SQLite", () => openAsOne(defaultTiers)],
] as const;

const again = { deviceId: "press", labels: {}, description: "" };
const rejected = [{ reason: RejectReason.DEVICE_DELETED }];

/** Two devices with samples; `press` is deleted while it is connected. */
function afterDelete(open: () => IngestHarness["store"] = stores[0][1]) {
  const ingest = new IngestHarness(open());
  const call = ingest.connect("press", { metrics: ["temperature", "pressure"] });
  const other = ingest.connect("lathe");
  call.batches(batch(1, [1, 2]), batch(2, [4]));
  other.batches(batch(1, [100]));
  ingest.flush();
  for (const each of [call, other]) each.take();
  ingest.registry.delete("press", true);
  return { ingest, call, other };
}

function expectOnlyLathe(ingest: IngestHarness): void {
  expect(ingest.storedDevice("press")).toBeUndefined();
  const selector = { deviceIds: undefined, metricNames: undefined };
  expect(ingest.store.series(selector, undefined, 10).map(({ deviceId }) => deviceId)).toEqual(["lathe"]);
  ingest.settle();
  for (const { widthMs } of defaultTiers) {
    const { windows, series } = readRange(ingest.store, { widthMs });
    expect(windows.map(({ count, sum }) => ({ count, sum }))).toEqual([{ count: 1, sum: 100 }]);
    expect(series.map(({ deviceId }) => deviceId)).toEqual(["lathe"]);
  }
}

describe.each(stores)("a deleted device, in %s", (_, open) => {
  it("is not shown, nor are its windows, before and after they are purged", () => {
    const { ingest } = afterDelete(open);
    expectOnlyLathe(ingest);
    ingest.purgeDeleted();
    expect(ingest.store.unpurgedDevices()).toEqual([]);
    expectOnlyLathe(ingest);
  });

  it("is refused by every method, on calls that are open and new ones, also after a restart", () => {
    const { ingest, call } = afterDelete(open);
    const refused = (of: IngestHarness) => {
      const stream = of.open();
      stream.register("press", { spool: 1 });
      stream.register("press", { spool: 2, handle: 2 });
      const push = of.open("push");
      push.push("press", { batch: batch(3, [8]) });
      const upload = of.open("upload");
      upload.register("press");
      of.flush();
      expect(stream.take()).toMatchObject({ registered: [], rejects: [...rejected, ...rejected], end: undefined });
      for (const each of [push, upload]) {
        expect(each.take().end).toMatchObject({ status: "FAILED_PRECONDITION", reason: "DEVICE_DELETED" });
      }
    };
    call.batches(batch(3, [8]), batch(2, [4]));
    call.gap(gap(3, 4));
    call.register("press");
    ingest.flush();
    expect(call.take()).toMatchObject({ acks: [], registered: [], rejects: Array(4).fill(rejected[0]) });
    refused(ingest);
    ingest.purgeDeleted();
    refused(ingest);
    const restarted = new IngestHarness(ingest.store);
    refused(restarted);
    expectOnlyLathe(restarted);
  });

  it("gives its series back, and what was held of it is not purged before the journal is in the tables", () => {
    const { ingest } = afterDelete(open);
    expect(ingest.sessions.seriesCount).toBe(1);
    expect(ingest.flusher.try(() => ingest.purge.step())).toBe(false);
    expect(new IngestHarness(ingest.store).sessions.seriesCount).toBe(1);
  });

  it("goes on where its spool was when it is created again, with nothing of before", () => {
    const { ingest, call } = afterDelete(open);
    ingest.registry.create(again);
    expect(ingest.storedDevice("press")).toMatchObject({
      ackedSequence: 2,
      samplesCounted: 0,
      lastSeenAtMs: undefined,
    });
    // Who has it from before must register anew.
    call.batches(batch(3, [8]));
    ingest.flush();
    expect(call.take()).toMatchObject({ acks: [], rejects: rejected });
    call.register("press");
    call.batches(batch(2, [4]), batch(3, [8]), batch(4, [16]));
    ingest.flush();
    expect(call.take()).toMatchObject({
      rejects: [],
      registered: [{ ackedSequence: 4n, samplesCounted: 2n }],
      acks: [{ ackedSequence: 4n }],
    });
    expect(ingest.total("press")).toEqual({ count: 2, sum: 24 });
    ingest.purgeDeleted();
    expect(ingest.total("press")).toEqual({ count: 2, sum: 24 });
    expect(ingest.device("press")).toMatchObject({ ackedSequence: 4, samplesCounted: 2, batchesLost: 0 });
    expect(ingest.store.findDeleted("press")).toBeUndefined();
  });

  it("keeps a superseded spool out when it is created again", () => {
    const ingest = new IngestHarness(open());
    ingest.connect("press", { spool: 1 });
    ingest.connect("press", { spool: 2 }).batches(batch(1, [1]));
    ingest.flush();
    ingest.registry.delete("press", true);
    ingest.registry.create(again);
    ingest.purgeDeleted();
    const restarted = new IngestHarness(ingest.store);
    const old = restarted.open();
    old.register("press", { spool: 1 });
    restarted.flush();
    expect(old.take()).toMatchObject({ registered: [], rejects: [{ reason: RejectReason.SUPERSEDED }] });
    expect(restarted.connect("press", { spool: 2 }).take().registered).toMatchObject([{ ackedSequence: 1n }]);
  });

  it("can be deleted and created any number of times, its sequences go on", () => {
    const ingest = new IngestHarness(open());
    for (let round = 1; round <= 4; round += 1) {
      const call = ingest.connect("press");
      call.batches(batch(round, [round]));
      ingest.flush();
      expect(call.take().acks).toMatchObject([{ ackedSequence: BigInt(round) }]);
      expect(ingest.total("press")).toEqual({ count: 1, sum: round });
      ingest.registry.delete("press", true);
      if (round % 2 === 0) ingest.purgeDeleted();
      ingest.registry.create(again);
    }
    ingest.purgeDeleted();
    expect(ingest.store.unpurgedDevices()).toEqual([]);
    expect(ingest.storedDevice("press")).toMatchObject({ ackedSequence: 4 });
    expect(ingest.store.deviceDetail("press", [])?.sessions).toBe(1);
  });

  it("is as it was when the process ended between its delete and its purge: a replay brings nothing back", () => {
    const { ingest } = afterDelete(open);
    const restarted = new IngestHarness(ingest.store);
    expectOnlyLathe(restarted);
    restarted.purgeDeleted();
    expect(restarted.store.unpurgedDevices()).toEqual([]);
    expectOnlyLathe(restarted);
  });

  it("counts nothing to the device that was created after it, when the process ends before either is in the tables", () => {
    const { ingest, call } = afterDelete(open);
    ingest.registry.create(again);
    call.register("press");
    call.batches(batch(3, [8]));
    ingest.flush();
    const restarted = new IngestHarness(ingest.store);
    expect(restarted.device("press")).toMatchObject({ ackedSequence: 3, samplesCounted: 1 });
    expect(restarted.total("press")).toEqual({ count: 1, sum: 8 });
    const back = restarted.connect("press");
    expect(back.take().registered).toMatchObject([{ ackedSequence: 3n, samplesCounted: 1n }]);
    restarted.purgeDeleted();
    expect(restarted.total("press")).toEqual({ count: 1, sum: 8 });
    expect(restarted.store.unpurgedDevices()).toEqual([]);
  });

  it("is purged to the end after a purge that was cut off at any step", () => {
    for (let cut = 0; cut < 12; cut += 1) {
      const { ingest } = afterDelete(open);
      ingest.settle();
      for (let step = 0; step < cut; step += 1) ingest.flusher.try(() => ingest.purge.step());
      const restarted = new IngestHarness(ingest.store);
      restarted.purgeDeleted();
      expect(restarted.store.unpurgedDevices()).toEqual([]);
      expectOnlyLathe(restarted);
    }
  });
});

describe("a batch of a device that is deleted", () => {
  it("is counted when it came before, and refused when it came after, with no group between", () => {
    const { ingest, call } = afterDelete();
    ingest.registry.create(again);
    call.register("press");
    call.batches(batch(3, [8]));
    ingest.flush();
    call.take();
    // As the writer's loop does: a call to it divides what came before from what comes after.
    call.batches(batch(4, [16]));
    ingest.flush();
    ingest.registry.delete("press", true);
    call.batches(batch(5, [32]));
    ingest.flush();
    expect(call.take()).toMatchObject({ acks: [{ ackedSequence: 4n }], rejects: rejected });
    ingest.registry.create(again);
    expect(ingest.storedDevice("press")?.ackedSequence).toBe(4);
  });
});

describe("a roll-up that has read windows of a deleted device", () => {
  it("does not bring them back: their tier is purged after it", () => {
    const ingest = new IngestHarness(new MemoryStore(defaultTiers), { nowMs: dayMs });
    // More windows than one step of a roll-up reads.
    const metrics = Array.from({ length: rollUpRowsMax / 6 + 20 }, (_, i) => `m${i}`);
    const call = ingest.connect("press", { metrics });
    const values = [1, 2, 3, 4, 5, 6];
    call.batches(...metrics.map((_, i) => batch(i + 1, values, { metric: i + 1, timeMs: dayMs, stepMs: 10_000 })));
    ingest.flush();
    ingest.settle();
    expect(ingest.flusher.journalGroups).toBe(0);
    ingest.nowMs += 120_000;
    ingest.elapsedMs += 120_000;
    // Until the windows of a minute are being merged.
    for (let steps = 0; ingest.flusher.rollingUpTier === undefined; steps += 1) {
      ingest.flusher.step();
      expect(steps).toBeLessThan(100);
    }
    ingest.registry.delete("press", true);
    for (let i = 0; i < 100; i += 1) ingest.flusher.try(() => ingest.purge.step());
    while (ingest.flusher.step());
    ingest.purgeDeleted();
    expect(ingest.store.unpurgedDevices()).toEqual([]);
    const anyTime = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;
    for (const { widthMs } of defaultTiers) expect(ingest.store.nextStart(widthMs, ...anyTime)).toBeUndefined();
  });
});
