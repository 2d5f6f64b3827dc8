import { describe, expect, it } from "vitest";
import { batchSamplesMax, batchTablesMax, refusalsPerAckMax, timeMsMax, timeMsMin } from "../../lib/base/limits.ts";
import { MemoryStore } from "../../lib/store/memory/memory-store.ts";
import { RefusalReason } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { batch, dayMs, pushBytes, registration } from "../support/batches.ts";
import { type HarnessCall, refusalOf } from "../support/harness-call.ts";
import { IngestHarness } from "../support/ingest.ts";

const infinite = Number.POSITIVE_INFINITY;
const minuteMs = 60_000;

function connected(ingest = new IngestHarness()): { ingest: IngestHarness; call: HarnessCall } {
  const call = ingest.connect("press", { metrics: ["temperature", "pressure"] });
  call.take();
  return { ingest, call };
}

describe("a sample that is refused", () => {
  it("is named by metric handle, time and reason, and its neighbours count", () => {
    const { ingest, call } = connected();
    const table = {
      metricHandles: [1, 2],
      baseTimeUnixMs: BigInt(dayMs),
      timeOffsetsMs: [0, 10, 20],
      values: [1, 2, 4, 8, Number.NEGATIVE_INFINITY, 16],
    };
    call.batches({ deviceHandle: 1, sequence: 1n, tables: [table] });
    ingest.flush();
    const [ack] = call.take().acks;
    expect(ack?.refusals.map(refusalOf)).toEqual([
      { sequence: 1, reason: RefusalReason.INFINITE_VALUE, samples: 1, metricHandle: 2, timeMs: dayMs + 10 },
    ]);
    expect(ack?.refusals[0]?.detail).toContain("-Infinity");
    expect(ingest.windows().map(({ metric, count, sum }) => [metric, count, sum])).toEqual([
      ["temperature", 3, 7],
      ["pressure", 2, 24],
    ]);
    expect(ingest.device("press")).toMatchObject({ samplesCounted: 5, samplesRefused: 1 });
  });

  function time(name: string, timeMs: number, reason: RefusalReason | undefined) {
    it(`${reason === undefined ? "is not" : "is"} one whose time is ${name}`, () => {
      const { ingest, call } = connected();
      const { tables: [table] = [] } = batch(1, [7], { timeMs });
      const { tables: [good] = [] } = batch(1, [1, 2]);
      call.batches({ deviceHandle: 1, sequence: 1n, tables: [table ?? {}, good ?? {}] });
      ingest.flush();
      const [ack] = call.take().acks;
      const refused = { sequence: 1, reason, samples: 1, metricHandle: 1, timeMs };
      expect(ack?.refusals.map(refusalOf)).toEqual(reason === undefined ? [] : [refused]);
      expect(ingest.total("press").count).toBe(reason === undefined ? 3 : 2);
    });
  }
  const nowMs = new IngestHarness().nowMs;
  time("the first of year 1", timeMsMin, undefined);
  time("before year 1", timeMsMin - 1, RefusalReason.TIME_OUT_OF_RANGE);
  time("after year 9999", timeMsMax + 1, RefusalReason.TIME_OUT_OF_RANGE);
  time("ten minutes ahead", nowMs + 10 * minuteMs, undefined);
  time("more than ten minutes ahead", nowMs + 10 * minuteMs + 1, RefusalReason.TIME_IN_FUTURE);

  it("is named when its time is one that no tier keeps any more", () => {
    const ingest = new IngestHarness(new MemoryStore([{ widthMs: 10_000, retentionMs: 30 * minuteMs }]));
    const { call } = connected(ingest);
    const oldestMs = ingest.nowMs - 30 * minuteMs;
    call.batches(batch(1, [1, 2], { timeMs: oldestMs - 1 }));
    ingest.flush();
    expect(call.take().acks[0]?.refusals.map(refusalOf)).toEqual([
      { sequence: 1, reason: RefusalReason.TIME_BEFORE_RETENTION, samples: 1, metricHandle: 1, timeMs: oldestMs - 1 },
    ]);
    expect(ingest.total("press")).toEqual({ count: 1, sum: 2 });
  });

  it("is told once per batch and reason, with the number of samples and the first of them", () => {
    const { ingest, call } = connected();
    const { tables: [past] = [] } = batch(1, [1, 2], { timeMs: timeMsMin - 10_000 });
    const { tables: [bad] = [] } = batch(1, [5, infinite, 6, infinite], { metric: 2 });
    call.batches({ deviceHandle: 1, sequence: 1n, tables: [past ?? {}, bad ?? {}] }, batch(2, [infinite]));
    ingest.flush();
    expect(call.take().acks[0]?.refusals.map(refusalOf)).toEqual([
      { sequence: 1, reason: RefusalReason.TIME_OUT_OF_RANGE, samples: 2, metricHandle: 1, timeMs: timeMsMin - 10_000 },
      { sequence: 1, reason: RefusalReason.INFINITE_VALUE, samples: 2, metricHandle: 2, timeMs: dayMs + 1 },
      { sequence: 2, reason: RefusalReason.INFINITE_VALUE, samples: 1, metricHandle: 1, timeMs: dayMs },
    ]);
    expect(ingest.total("press")).toEqual({ count: 2, sum: 11 });
  });

  it("is counted once when both its time and its value are bad, and not at all when it is absent", () => {
    const { ingest, call } = connected();
    call.batches(batch(1, [infinite, Number.NaN], { timeMs: timeMsMax + 1 }));
    ingest.flush();
    const [ack] = call.take().acks;
    expect(ack?.refusals.map(({ reason, samples }) => [reason, samples])).toEqual([
      [RefusalReason.TIME_OUT_OF_RANGE, 1],
    ]);
    expect(ingest.device("press")?.samplesRefused).toBe(1);
  });

  it("is not forgotten when there are more than an ack tells one by one", () => {
    const { ingest, call } = connected();
    const refused = refusalsPerAckMax + 50;
    call.batches(...Array.from({ length: refused }, (_, i) => batch(i + 1, [infinite, 1])));
    ingest.flush();
    const [ack] = call.take().acks;
    expect(ack?.refusals).toHaveLength(refusalsPerAckMax);
    expect(ack?.refusals.reduce((sum, { samples }) => sum + samples, 0)).toBe(refused);
    expect(ingest.total("press").count).toBe(refused);
  });

  function farTime(name: string, baseTimeUnixMs: bigint) {
    it(`does not harm other calls when its time is ${name}`, () => {
      const { ingest, call } = connected();
      const other = ingest.connect("lathe");
      other.take();
      const { tables: [table] = [] } = batch(1, [7]);
      call.batches({ deviceHandle: 1, sequence: 1n, tables: [{ ...table, baseTimeUnixMs }] }, batch(2, [1]));
      other.batches(batch(1, [1]));
      ingest.flush();
      expect(other.take()).toMatchObject({ acks: [{ ackedSequence: 1n }], end: undefined });
      const told = call.take();
      expect(told).toMatchObject({ acks: [{ ackedSequence: 2n }], end: undefined });
      expect(told.acks[0]?.refusals[0]).toMatchObject({ reason: RefusalReason.TIME_OUT_OF_RANGE, samples: 1 });
    });
  }
  farTime("the smallest number on the wire", -(2n ** 63n));
  farTime("the largest number on the wire", 2n ** 63n - 1n);
});

describe("a batch that is refused whole", () => {
  const table = { metricHandles: [1], baseTimeUnixMs: BigInt(dayMs), timeOffsetsMs: [0, 1], values: [1, 2] };
  const whole = { deviceHandle: 1, sequence: 1n };

  function refused(name: string, tables: (typeof table)[], reason: RefusalReason, detail: string) {
    it(`uses up its sequence and says why: ${name}`, () => {
      const { ingest, call } = connected();
      call.batches({ ...whole, tables }, batch(2, [5]));
      ingest.flush();
      const told = call.take();
      expect(told).toMatchObject({ rejects: [], acks: [{ ackedSequence: 2n }], end: undefined });
      expect(told.acks[0]?.refusals.map(refusalOf)).toEqual([
        { sequence: 1, reason, samples: 0, metricHandle: 0, timeMs: 0 },
      ]);
      expect(told.acks[0]?.refusals[0]?.detail).toContain(detail);
      // Not one sample of it, the good tables included.
      expect(ingest.total("press")).toEqual({ count: 1, sum: 5 });
    });
  }
  const { SIZE_MISMATCH, UNKNOWN_METRIC, BATCH_TOO_LARGE } = RefusalReason;
  refused(
    "a value is missing",
    [table, { ...table, values: [1] }],
    SIZE_MISMATCH,
    "batch.tables[1].values has 1 entries",
  );
  refused("there are no times", [{ ...table, timeOffsetsMs: [] }], SIZE_MISMATCH, "1 metrics x 0 times = 0");
  refused(
    "a metric is unknown",
    [table, { ...table, metricHandles: [9] }],
    UNKNOWN_METRIC,
    "handle 9 is not registered",
  );
  refused("metric handle 0", [{ ...table, metricHandles: [0] }], UNKNOWN_METRIC, "handle 0 is not registered");
  refused("a metric handle beyond all", [{ ...table, metricHandles: [2 ** 32 - 1] }], UNKNOWN_METRIC, "not registered");
  refused(
    "a metric comes twice in a table",
    [{ ...table, metricHandles: [1, 1], values: [1, 2, 3, 4] }],
    UNKNOWN_METRIC,
    "handle 1 comes twice",
  );
  refused(
    "too many tables",
    Array.from({ length: batchTablesMax + 1 }, () => ({ ...table, metricHandles: [], timeOffsetsMs: [], values: [] })),
    BATCH_TOO_LARGE,
    `the limit is ${batchTablesMax}`,
  );
  refused(
    "too many samples",
    [{ ...table, timeOffsetsMs: Array(batchSamplesMax + 1).fill(0), values: Array(batchSamplesMax + 1).fill(1) }],
    BATCH_TOO_LARGE,
    `the limit is ${batchSamplesMax}`,
  );

  it("takes a batch of the most samples", () => {
    const { ingest, call } = connected();
    const ones = Array(batchSamplesMax).fill(1);
    call.batches({ ...whole, tables: [{ ...table, timeOffsetsMs: Array(batchSamplesMax).fill(0), values: ones }] });
    ingest.flush();
    expect(call.take().acks).toMatchObject([{ ackedSequence: 1n, refusals: [] }]);
    expect(ingest.total("press")).toEqual({ count: batchSamplesMax, sum: batchSamplesMax });
  });

  it("ends a push with INVALID_ARGUMENT, and its sequence is used up all the same", () => {
    const { ingest } = connected();
    const push = ingest.open("push");
    push.push("press", { batch: { ...whole, tables: [{ ...table, values: [] }] } });
    ingest.flush();
    expect(push.take().end).toMatchObject({
      status: "INVALID_ARGUMENT",
      reason: "BATCH_REFUSED",
      message: expect.stringContaining("sequence 1 is used up"),
    });
    expect(ingest.device("press")?.ackedSequence).toBe(1);
  });
});

describe("a push whose parts come in several groups", () => {
  it("is answered with the session and with what was refused", () => {
    const ingest = new IngestHarness();
    const push = ingest.open("push");
    ingest.flush();
    push.send(pushBytes(registration("press"), { batch: batch(1, [1, infinite]) }));
    ingest.flush();
    expect(push.take()).toMatchObject({ pushed: [], end: undefined });
    push.halfClose();
    ingest.flush();
    expect(push.take()).toMatchObject({
      pushed: [{ registered: { ackedSequence: 1n }, refusals: [{ reason: RefusalReason.INFINITE_VALUE }] }],
      end: "ok",
    });
  });
});
