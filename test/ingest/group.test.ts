import { describe, expect, it } from "vitest";
import { RefusalReason } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { asBatches, asGap, asRegistration, batch, dayMs, gap, registration, streamBytes } from "../support/batches.ts";
import { refusalOf } from "../support/harness-call.ts";
import { IngestHarness } from "../support/ingest.ts";

describe("a group", () => {
  it("is one entry of the journal, however many calls, slabs and batches are in it", () => {
    const ingest = new IngestHarness();
    const calls = ["a", "b", "c"].map((id) => ingest.connect(id));
    const before = ingest.store.position;
    for (const sequence of [1, 2, 3]) {
      for (const call of calls) call.batches(batch(sequence, [1]), batch(sequence, [1]));
      ingest.cut();
    }
    ingest.flush();
    expect(ingest.store.position).toBe(before + 1);
    for (const id of ["a", "b", "c"]) expect(ingest.total(id).count).toBe(3);
  });

  it("of duplicates only stores nothing, and is acked", () => {
    const ingest = new IngestHarness();
    const call = ingest.connect("press");
    call.batches(batch(1, [1]), batch(2, [2]));
    ingest.flush();
    call.take();
    const before = ingest.store.position;
    call.batches(batch(1, [1]), batch(2, [2]), batch(1, [1]));
    ingest.flush();
    expect(ingest.store.position).toBe(before);
    expect(ingest.outcomes.at(-1)?.position).toBeUndefined();
    expect(call.take().acks).toMatchObject([{ ackedSequence: 2n }]);
  });

  it("of a known registration only stores nothing, and is answered", () => {
    const ingest = new IngestHarness();
    ingest.connect("press");
    const before = ingest.store.position;
    const again = ingest.connect("press");
    expect(ingest.store.position).toBe(before);
    expect(ingest.outcomes.at(-1)?.position).toBeUndefined();
    expect(again.take().kinds).toEqual(["registered"]);
  });

  it("gives back the bytes of every message, whatever became of it", () => {
    const ingest = new IngestHarness();
    const call = ingest.connect("press");
    call.take();
    const messages = [
      streamBytes(asBatches(batch(1, [1]))),
      streamBytes(asBatches(batch(1, [1]))),
      streamBytes(asBatches(batch(9, [1]), batch(2, [Number.NaN]))),
      streamBytes(asGap(gap(7, 8))),
      streamBytes(asRegistration(registration(""))),
    ];
    for (const message of messages) call.send(message);
    ingest.flush();
    expect(call.take().bytes).toBe(messages.reduce((sum, { length }) => sum + length, 0));
    ingest.flush();
    expect(call.take().bytes).toBe(0);
  });

  it("forgets nothing of a call between groups", () => {
    const ingest = new IngestHarness();
    const upload = ingest.open("upload");
    upload.register("press");
    ingest.flush();
    upload.batches(batch(1, [Number.POSITIVE_INFINITY]));
    ingest.flush();
    upload.batches(batch(2, [2]));
    ingest.flush();
    upload.halfClose();
    ingest.flush();
    expect(upload.take().uploaded[0]?.devices).toMatchObject([
      { ackedSequence: 2n, refusals: [{ sequence: 1n, reason: RefusalReason.INFINITE_VALUE }] },
    ]);
  });

  it("settles what came before its client was gone", () => {
    const ingest = new IngestHarness();
    const call = ingest.connect("press");
    call.batches(batch(1, [1]));
    call.cancel();
    call.batches(batch(2, [2]));
    ingest.flush();
    expect(ingest.total("press")).toEqual({ count: 1, sum: 1 });
    expect(ingest.connect("press").take().registered).toMatchObject([{ ackedSequence: 1n }]);
  });
});

it("batches of one group keep their own times", () => {
  const ingest = new IngestHarness();
  const call = ingest.connect("press");
  call.batches(batch(1, [1]), batch(2, [2], { timeMs: dayMs + 20_000 }));
  ingest.flush();
  expect(ingest.windows().map(({ startMs, sum }) => [startMs - dayMs, sum])).toEqual([
    [0, 1],
    [20_000, 2],
  ]);
});

describe("a batch that was filtered to nothing", () => {
  function filtered(name: string, values: number[], refused: number, timeMs = dayMs) {
    it(`is acked when ${name}, and its sequence is used up`, () => {
      const ingest = new IngestHarness();
      const call = ingest.connect("press");
      call.take();
      call.batches(batch(1, values, { timeMs }));
      ingest.flush();
      const [ack] = call.take().acks;
      expect(ack?.ackedSequence).toBe(1n);
      expect(ack?.refusals.reduce((sum, { samples }) => sum + samples, 0)).toBe(refused);
      expect(ingest.windows()).toEqual([]);
      expect(ingest.device("press")).toMatchObject({ samplesCounted: 0, samplesRefused: refused });

      call.batches(batch(2, [5]));
      ingest.flush();
      // Nothing of the batch before it comes with the next ack.
      expect(call.take().acks).toMatchObject([{ ackedSequence: 2n, refusals: [] }]);
      expect(ingest.total("press")).toEqual({ count: 1, sum: 5 });
    });
  }
  filtered("no value is there", [Number.NaN, Number.NaN], 0);
  filtered("every value is infinite", [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], 2);
  filtered("every time is too far ahead", [1, 2, 3], 3, dayMs + 365 * 86_400_000);
  filtered("it has no samples", [], 0);

  it("does not hide its neighbours in the group", () => {
    const ingest = new IngestHarness();
    const call = ingest.connect("press");
    call.take();
    call.batches(batch(1, [1]), batch(2, [Number.POSITIVE_INFINITY]), batch(3, [Number.NaN]), batch(4, [4]));
    ingest.flush();
    const [ack] = call.take().acks;
    expect(ack?.ackedSequence).toBe(4n);
    expect(ack?.refusals.map(refusalOf)).toEqual([
      { sequence: 2, reason: RefusalReason.INFINITE_VALUE, samples: 1, metricHandle: 1, timeMs: dayMs },
    ]);
    expect(ingest.total("press")).toEqual({ count: 2, sum: 5 });
  });
});

describe("a registration that comes again on its call", () => {
  it("adds metrics, and has the device told once in an ack", () => {
    const ingest = new IngestHarness();
    const call = ingest.connect("press");
    call.take();
    call.batches(batch(1, [1]));
    call.register("press", { metrics: ["temperature", "pressure"] });
    call.batches(batch(2, [2], { metric: 2 }));
    ingest.flush();
    expect(ingest.windows().map(({ metric, sum }) => [metric, sum])).toEqual([
      ["temperature", 1],
      ["pressure", 2],
    ]);
    expect(call.take().acks).toMatchObject([{ deviceHandle: 1, ackedSequence: 2n }]);
  });

  it("does not lose the refusals of an upload", () => {
    const ingest = new IngestHarness();
    const upload = ingest.open("upload");
    upload.register("press");
    upload.batches(batch(1, [Number.POSITIVE_INFINITY]));
    upload.register("press", { metrics: ["temperature", "pressure"] });
    upload.batches(batch(2, [2], { metric: 2 }));
    upload.halfClose();
    ingest.flush();
    expect(upload.take().uploaded[0]?.devices).toMatchObject([
      { ackedSequence: 2n, refusals: [{ sequence: 1n, reason: RefusalReason.INFINITE_VALUE, samples: 1 }] },
    ]);
  });
});
