import { describe, expect, it } from "vitest";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { storeRetryMs } from "../../lib/base/limits.ts";
import { batch } from "../support/batches.ts";
import { diskFull, FailingStore, ioFailure } from "../support/failing-store.ts";
import { IngestHarness } from "../support/ingest.ts";

/** Calls of every kind, of which one has nothing in the group that fails. */
function afterFailure(failure: Error) {
  const store = new FailingStore(defaultTiers);
  const ingest = new IngestHarness(store);
  const stream = ingest.connect("press");
  const idle = ingest.connect("lathe");
  stream.batches(batch(1, [1]));
  ingest.flush();
  const [push, upload] = [ingest.open("push"), ingest.open("upload")];
  for (const call of [stream, idle]) call.take();
  store.failure = failure;
  stream.batches(batch(2, [10]), batch(1, [1]), batch(7, [1]));
  stream.register("press", { spool: 2, handle: 2 });
  push.push("drill", { batch: batch(1, [100]) });
  upload.register("saw");
  upload.batches(batch(1, [1000]));
  upload.halfClose();
  ingest.flush();
  return { store, ingest, idle, calls: { stream, push, upload } };
}

const refused = {
  status: "RESOURCE_EXHAUSTED",
  reason: "DISK_FULL",
  retryAfterMs: storeRetryMs,
};

describe("a group that finds the disk full", () => {
  it("acks nothing, and ends its calls with RESOURCE_EXHAUSTED and when to come again", () => {
    const { ingest, calls } = afterFailure(diskFull());
    for (const call of Object.values(calls)) {
      const told = call.take();
      expect(told).toMatchObject({ kinds: [], pushed: [], uploaded: [] });
      expect(told.end).toMatchObject(refused);
    }
    expect(ingest.outcomes.at(-1)?.position).toBeUndefined();
    expect(ingest.failures).toEqual([]);
    expect(ingest.flusher.problem).toBe("the disk is full");
  });

  it("leaves no trace: the next registration sees what the store has, and takes the same sequence", () => {
    const { store, ingest } = afterFailure(diskFull());
    store.failure = undefined;
    for (const id of ["drill", "saw"]) expect(ingest.device(id)).toBeUndefined();
    const call = ingest.connect("press");
    expect(call.take().registered).toMatchObject([{ ackedSequence: 1n, samplesCounted: 1n }]);
    call.batches(batch(2, [10]));
    ingest.connect("drill").batches(batch(1, [100]));
    ingest.flush();
    expect(call.take().acks).toMatchObject([{ ackedSequence: 2n, refusals: [] }]);
    expect(ingest.total("press")).toEqual({ count: 2, sum: 11 });
    expect(ingest.total("drill")).toEqual({ count: 1, sum: 100 });
    expect(ingest.flusher.problem).toBe("");
  });

  it("does not touch a call that has nothing in it", () => {
    const { store, ingest, idle } = afterFailure(diskFull());
    expect(idle.take()).toMatchObject({ kinds: [], end: undefined });
    store.failure = undefined;
    idle.batches(batch(1, [5]));
    ingest.flush();
    expect(idle.take()).toMatchObject({ acks: [{ ackedSequence: 1n }], end: undefined });
  });

  it("takes nothing more from the calls that it has ended", () => {
    const { store, ingest, calls } = afterFailure(diskFull());
    store.failure = undefined;
    calls.stream.take();
    calls.stream.batches(batch(2, [10]));
    ingest.flush();
    expect(calls.stream.take().kinds).toEqual([]);
    expect(ingest.total("press")).toEqual({ count: 1, sum: 1 });
  });

  it("happens as often as it does, until there is space again", () => {
    const { store, ingest } = afterFailure(diskFull());
    for (let i = 0; i < 3; i += 1) {
      const push = ingest.open("push");
      push.push("drill", { batch: batch(1, [100]) });
      ingest.flush();
      expect(push.take().end).toMatchObject(refused);
    }
    store.failure = undefined;
    const push = ingest.open("push");
    push.push("drill", { batch: batch(1, [100]) });
    ingest.flush();
    expect(push.take()).toMatchObject({ pushed: [{ registered: { ackedSequence: 1n } }], end: "ok" });
    expect(ingest.total("drill")).toEqual({ count: 1, sum: 100 });
  });

  it("still answers what needs no space: duplicates are acked", () => {
    const { ingest, idle } = afterFailure(diskFull());
    const again = ingest.connect("press");
    again.batches(batch(1, [1]));
    ingest.flush();
    expect(again.take()).toMatchObject({ acks: [{ ackedSequence: 1n }], end: undefined });
    idle.register("lathe");
    ingest.flush();
    expect(idle.take().kinds).toEqual(["registered"]);
  });

  it("counts nothing", () => {
    const { ingest } = afterFailure(diskFull());
    const { refused, ...counters } = ingest.admission.counters;
    expect(counters).toEqual({
      samplesCounted: 1,
      samplesRefused: 0,
      batchesSettled: 1,
      batchesDuplicate: 0,
      rateDelays: 0,
    });
    expect(refused.list()).toEqual([]);
  });
});

describe("a group that cannot be stored for any other reason", () => {
  it("ends the pipeline with the error, and answers nothing", () => {
    const failure = ioFailure();
    const { ingest, idle, calls } = afterFailure(failure);
    expect(ingest.failures).toEqual([failure, failure]);
    for (const call of [idle, ...Object.values(calls)])
      expect(call.take()).toMatchObject({ kinds: [], end: undefined });
  });

  it("is as if it had never come when the process has started again", () => {
    const { store, ingest } = afterFailure(ioFailure());
    store.failure = undefined;
    const restarted = new IngestHarness(ingest.store);
    expect(restarted.connect("press").take().registered).toMatchObject([{ ackedSequence: 1n, samplesCounted: 1n }]);
    for (const id of ["drill", "saw"]) expect(restarted.device(id)).toBeUndefined();
    expect(restarted.total("press")).toEqual({ count: 1, sum: 1 });
  });
});

describe("a writer that has failed and whose process has not ended yet", () => {
  it("does not store marks of a group that is not in the journal", () => {
    const { store, ingest } = afterFailure(ioFailure());
    // The fault has passed; a flush that was due, or the end of the thread, comes before the end of the process.
    store.failure = undefined;
    endAnyway(ingest);
    const restarted = new IngestHarness(store);
    const press = restarted.connect("press").take().registered;
    expect(press).toMatchObject([{ ackedSequence: BigInt(restarted.total("press").count) }]);
  });

  it("does not store marks of a group that could not be admitted to its end", () => {
    const store = new FailingStore(defaultTiers);
    const ingest = new IngestHarness(store);
    const call = ingest.connect("press");
    call.batches(batch(1, [1]));
    ingest.flush();
    call.batches(batch(2, [10]));
    call.register("lathe", { handle: 2 });
    store.readFailure = ioFailure();
    ingest.flush();
    expect(ingest.failures).toEqual([store.readFailure, store.readFailure]);
    store.readFailure = undefined;
    endAnyway(ingest);
    const restarted = new IngestHarness(store);
    expect(restarted.connect("press").take().registered).toMatchObject([{ ackedSequence: 1n }]);
    expect(restarted.total("press")).toEqual({ count: 1, sum: 1 });
  });

  it("does not store that windows show a group which was not merged into them", () => {
    const store = new FailingStore(defaultTiers);
    const ingest = new IngestHarness(store);
    const call = ingest.connect("press", { metrics: ["temperature", "pressure"] });
    call.batches(batch(1, [1]));
    ingest.flush();
    store.readFailure = ioFailure();
    call.batches(batch(2, [10], { metric: 2 }));
    ingest.flush();
    expect(call.take().acks.at(-1)).toMatchObject({ ackedSequence: 2n });
    expect(ingest.failures).toEqual([store.readFailure]);
    store.readFailure = undefined;
    endAnyway(ingest);
    expect(new IngestHarness(store).total("press")).toEqual({ count: 2, sum: 11 });
  });
});

/** What the writer's loop may still do after the pipeline has ended with an error. */
function endAnyway({ flusher }: IngestHarness): void {
  try {
    flusher.finish();
  } catch {
    // It may well refuse.
  }
}
