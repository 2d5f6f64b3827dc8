import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { IngestQuotas } from "../../ingest/quotas.ts";
import { defaultTiers } from "../../lib/aggregate/tiers.ts";
import { metricsPerRegistrationMax } from "../../lib/base/limits.ts";
import { RefusalReason } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { batch, dayMs } from "../support/batches.ts";
import { diskFull, FailingStore } from "../support/failing-store.ts";
import { type HarnessCall, refusalOf } from "../support/harness-call.ts";
import { IngestHarness } from "../support/ingest.ts";

const { SERIES_LIMIT } = RefusalReason;
const two = ["temperature", "pressure"];

function start(quotas: Partial<IngestQuotas>, store = new FailingStore(defaultTiers)): IngestHarness {
  return new IngestHarness(store, quotas);
}

/** The writer is killed and started again, with other quotas. */
function restart({ store }: IngestHarness, quotas: Partial<IngestQuotas>): IngestHarness {
  return start(quotas, store as FailingStore);
}

/** One value of each of two metrics. */
function both(sequence: number, first: number, second: number) {
  const table = { metricHandles: [1, 2], baseTimeUnixMs: BigInt(dayMs), timeOffsetsMs: [0], values: [first, second] };
  return { deviceHandle: 1, sequence: BigInt(sequence), tables: [table] };
}

/** Sends, and gives what the last ack says is refused. */
function send(ingest: IngestHarness, call: HarnessCall, ...batches: Parameters<HarnessCall["batches"]>) {
  call.batches(...batches);
  ingest.flush();
  const told = call.take();
  expect(told).toMatchObject({ rejects: [], end: undefined });
  return told.acks.at(-1)?.refusals ?? [];
}

const sums = (ingest: IngestHarness) => ingest.windows().map(({ metric, sum }) => [metric, sum]);

describe("a metric over the series of a device", () => {
  it("has its samples refused by reason, with limit, value and flag, and the others of its batch count", () => {
    const ingest = start({ seriesPerDeviceMax: 1 });
    const call = ingest.connect("press", { metrics: two });
    const [refusal] = send(ingest, call, both(1, 5, 7));
    expect(refusal && refusalOf(refusal)).toEqual({
      sequence: 1,
      reason: SERIES_LIMIT,
      samples: 1,
      metricHandle: 2,
      timeMs: dayMs,
    });
    for (const word of ["handle 2 has no series", '"press" has 1 series', "limit is 1 per", "--device-series-max"]) {
      expect(refusal?.detail).toContain(word);
    }
    expect(sums(ingest)).toEqual([["temperature", 5]]);
    expect(ingest.device("press")).toMatchObject({ samplesCounted: 1, samplesRefused: 1, ackedSequence: 1 });
    expect(ingest.admission.counters.refused.list()).toEqual([{ reason: SERIES_LIMIT, samples: 1, batches: 1 }]);
  });

  it("is not made, and the device's registration is answered", () => {
    const ingest = start({});
    const metrics = Array.from({ length: 1_001 }, (_, i) => `m${i}`);
    expect(ingest.connect("press", { metrics }).take()).toMatchObject({ kinds: ["registered"], end: undefined });
    const { store } = ingest;
    expect(store.seriesCount()).toBe(1_000);
    const names = store.series({ deviceIds: ["press"], metricNames: undefined }, undefined, 2_000);
    expect(names.map(({ name }) => name)).not.toContain("m1000");
  });

  it("does not keep the metrics of other devices out", () => {
    const ingest = start({ seriesPerDeviceMax: 1 });
    const [press, lathe] = ["press", "lathe"].map((id) => ingest.connect(id, { metrics: two }));
    for (const call of [press, lathe]) if (call !== undefined) send(ingest, call, both(1, 5, 7));
    expect(ingest.total("lathe")).toEqual({ count: 1, sum: 5 });
  });

  it("has only the samples refused that are there, each of them once", () => {
    const ingest = start({ seriesPerDeviceMax: 1 });
    const call = ingest.connect("press", { metrics: two });
    const values = [1, Number.NaN, Number.POSITIVE_INFINITY];
    const refusals = send(ingest, call, batch(1, values, { metric: 2, timeMs: ingest.nowMs + 86_400_000 }));
    expect(refusals.map(({ reason, samples }) => [reason, samples])).toEqual([[SERIES_LIMIT, 2]]);
    expect(sums(ingest)).toEqual([]);
  });

  it("is refused in a new session too", () => {
    const ingest = start({ seriesPerDeviceMax: 1 });
    ingest.connect("press", { metrics: two });
    const call = ingest.connect("press", { metrics: two, spool: 2 });
    expect(send(ingest, call, both(1, 5, 7))).toMatchObject([{ reason: SERIES_LIMIT, metricHandle: 2 }]);
  });

  it("is over it by all of the device's sessions", () => {
    const ingest = start({ seriesPerDeviceMax: 1 });
    ingest.connect("press", { metrics: ["temperature"] });
    const call = ingest.connect("press", { metrics: ["humidity"], spool: 2 });
    expect(send(ingest, call, batch(1, [1]))).toMatchObject([{ reason: SERIES_LIMIT, metricHandle: 1 }]);
  });

  it("may not come in a registration that has more metrics than a message holds", () => {
    const ingest = start({});
    const metrics = Array.from({ length: metricsPerRegistrationMax + 1 }, (_, i) => `m${i}`);
    const [reject] = ingest.connect("press", { metrics }).take().rejects;
    expect(reject?.detail).toContain(
      `registration.metrics has ${metrics.length} entries, the limit is ${metricsPerRegistrationMax}; send the others`,
    );
  });
});

describe("a metric over the series of all devices", () => {
  it("has its samples refused by reason, with limit, value and flag, and those who have series go on", () => {
    const ingest = start({ seriesPerPrincipalMax: 2 });
    const press = ingest.connect("press", { metrics: two });
    const lathe = ingest.connect("lathe", { metrics: ["temperature"] });
    const [refusal] = send(ingest, lathe, batch(1, [1, 2]));
    expect(refusal).toMatchObject({ reason: SERIES_LIMIT, samples: 2, metricHandle: 1 });
    for (const word of ["all devices together have 2 series", "the limit is 2", "--series-max"]) {
      expect(refusal?.detail).toContain(word);
    }
    expect(send(ingest, press, both(1, 5, 7))).toEqual([]);
    expect(ingest.total("press").count).toBe(2);
    expect(ingest.device("lathe")).toMatchObject({ samplesCounted: 0, samplesRefused: 2, ackedSequence: 1 });
  });

  it("is counted with the series that were there before a restart", () => {
    const before = start({ seriesPerPrincipalMax: 2 });
    before.connect("press", { metrics: two });
    const ingest = restart(before, { seriesPerPrincipalMax: 2 });
    expect(send(ingest, ingest.connect("lathe"), batch(1, [1]))).toMatchObject([{ reason: SERIES_LIMIT }]);
  });

  it("has its room when the group that took it could not be stored, however often", () => {
    const store = new FailingStore(defaultTiers);
    const ingest = start({ seriesPerPrincipalMax: 2 }, store);
    store.failure = diskFull();
    for (let i = 0; i < 5; i += 1) ingest.connect("press", { metrics: two });
    store.failure = undefined;
    const call = ingest.connect("lathe", { metrics: two });
    expect(send(ingest, call, both(1, 5, 7))).toEqual([]);
    const again = restart(ingest, { seriesPerPrincipalMax: 3 });
    expect(send(again, again.connect("saw"), batch(1, [1]))).toEqual([]);
  });

  it("is not limited when that is off", () => {
    const ingest = start({ seriesPerPrincipalMax: Number.POSITIVE_INFINITY, seriesPerDeviceMax: 65_535 });
    const metrics = Array.from({ length: metricsPerRegistrationMax }, (_, i) => `m${i}`);
    ingest.connect("press", { metrics });
    ingest.connect("lathe", { metrics });
    expect(ingest.store.seriesCount()).toBe(2 * metricsPerRegistrationMax);
  });
});

describe("a handle that was refused", () => {
  it("is refused after a restart too, though the metric is not registered again", () => {
    const before = start({ seriesPerDeviceMax: 1 });
    before.connect("press", { metrics: two });
    const ingest = restart(before, { seriesPerDeviceMax: 1 });
    const call = ingest.connect("press", { metrics: [] });
    expect(send(ingest, call, both(1, 5, 7))).toMatchObject([{ reason: SERIES_LIMIT, metricHandle: 2 }]);
    expect(sums(ingest)).toEqual([["temperature", 5]]);
  });

  it("stays refused in what was acked, when the journal is replayed under a raised limit", () => {
    const before = start({ seriesPerDeviceMax: 1 });
    send(before, before.connect("press", { metrics: two }), both(1, 5, 7));
    const ingest = restart(before, { seriesPerDeviceMax: 2 });
    expect(sums(ingest)).toEqual([["temperature", 5]]);
    expect(ingest.device("press")).toMatchObject({ samplesCounted: 1, samplesRefused: 1 });
  });

  it("stays counted in what was acked, when the journal is replayed under a lowered limit", () => {
    const before = start({ seriesPerDeviceMax: 2 });
    send(before, before.connect("press", { metrics: two }), both(1, 5, 7));
    const ingest = restart(before, { seriesPerDeviceMax: 1 });
    const call = ingest.connect("press", { metrics: two });
    // What has a series keeps it.
    expect(send(ingest, call, both(2, 10, 14))).toEqual([]);
    expect(sums(ingest)).toEqual([
      ["temperature", 15],
      ["pressure", 21],
    ]);
  });

  it("gets a series when it is registered again with room, and what was refused before does not count", () => {
    const before = start({ seriesPerDeviceMax: 1 });
    send(before, before.connect("press", { metrics: two }), both(1, 5, 7));
    const ingest = restart(before, { seriesPerDeviceMax: 2 });
    expect(send(ingest, ingest.connect("press", { metrics: two }), both(2, 10, 14))).toEqual([]);
    const again = restart(ingest, { seriesPerDeviceMax: 2 });
    expect(sums(again)).toEqual([
      ["temperature", 15],
      ["pressure", 14],
    ]);
  });

  it("gets none while the journal has a batch that was judged without, or a replay would count what was refused", () => {
    const before = start({ seriesPerDeviceMax: 1 });
    before.connect("press", { metrics: two });
    const ingest = restart(before, { seriesPerDeviceMax: 2 });
    const call = ingest.connect("press", { metrics: [] });
    const [refusal] = send(ingest, call, both(1, 5, 7));
    expect(refusal?.detail).toContain("no longer is; register it again");
    const later = ingest.connect("press", { metrics: two });
    expect(send(ingest, later, both(2, 10, 14))).toMatchObject([{ reason: SERIES_LIMIT }]);
    const crashed = restart(ingest, { seriesPerDeviceMax: 2 });
    expect(sums(crashed)).toEqual([["temperature", 15]]);
  });

  it("gets none in the group that has such a batch either", () => {
    const before = start({ seriesPerDeviceMax: 1 });
    before.connect("press", { metrics: two });
    const ingest = restart(before, { seriesPerDeviceMax: 2 });
    const call = ingest.open();
    call.register("press", { metrics: [] });
    call.batches(both(1, 5, 7));
    call.register("press", { metrics: two });
    ingest.flush();
    expect(sums(restart(ingest, { seriesPerDeviceMax: 2 }))).toEqual([["temperature", 5]]);
  });

  it("gets one when the journal does not have the batch any more", () => {
    const before = start({ seriesPerDeviceMax: 1 });
    before.connect("press", { metrics: two });
    const ingest = restart(before, { seriesPerDeviceMax: 2 });
    send(ingest, ingest.connect("press", { metrics: [] }), both(1, 5, 7));
    ingest.settle();
    expect([...ingest.store.read()]).toEqual([]);
    expect(send(ingest, ingest.connect("press", { metrics: two }), both(2, 10, 14))).toEqual([]);
    expect(sums(restart(ingest, { seriesPerDeviceMax: 2 }))).toEqual([
      ["temperature", 15],
      ["pressure", 14],
    ]);
  });

  it("does not become another metric's while the journal has a batch that was judged without", () => {
    const ingest = start({ seriesPerDeviceMax: 1 });
    const call = ingest.connect("press", { metrics: two });
    send(ingest, call, both(1, 5, 7));
    // Handle 2, which was "pressure", as the metric that has a series.
    const other = ingest.connect("press", { metrics: ["temperature"], metricHandle: 2 });
    expect(send(ingest, other, batch(2, [9], { metric: 2 }))).toMatchObject([{ reason: SERIES_LIMIT }]);
    expect(sums(restart(ingest, { seriesPerDeviceMax: 1 }))).toEqual([["temperature", 5]]);
  });

  it("is forgotten with a group that could not be stored", () => {
    const store = new FailingStore(defaultTiers);
    const ingest = start({ seriesPerDeviceMax: 1 }, store);
    store.failure = diskFull();
    const call = ingest.connect("press", { metrics: two });
    call.batches(both(1, 5, 7));
    ingest.flush();
    store.failure = undefined;
    expect(send(ingest, ingest.connect("press", { metrics: ["pressure"] }), batch(1, [7]))).toEqual([]);
  });
});

describe("whatever limits, registrations, crashes and flushes there are", () => {
  type Step =
    | { kind: "register"; metrics: number[] }
    | { kind: "batch"; metrics: number[] }
    | { kind: "crash"; deviceMax: number; allMax: number }
    | { kind: "settle" }
    | { kind: "fail" };
  const metrics = fc.subarray([1, 2, 3, 4]);
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("register" as const), metrics }) },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("batch" as const), metrics }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("crash" as const),
        deviceMax: fc.integer({ min: 1, max: 4 }),
        allMax: fc.integer({ min: 1, max: 5 }),
      }),
    },
    { weight: 1, arbitrary: fc.constantFrom({ kind: "settle" as const }, { kind: "fail" as const }) },
  );

  it("the aggregates are what the acks have called counted", () => {
    const property = fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const store = new FailingStore(defaultTiers);
      let ingest = start({ seriesPerDeviceMax: 2, seriesPerPrincipalMax: 3 }, store);
      let counted = 0;
      let refused = 0;
      let sequence = 1;
      for (const each of [...steps, { kind: "crash" as const, deviceMax: 4, allMax: 5 }]) {
        if (each.kind === "crash") {
          const { deviceMax: seriesPerDeviceMax, allMax: seriesPerPrincipalMax } = each;
          ingest = restart(ingest, { seriesPerDeviceMax, seriesPerPrincipalMax });
          const total = ingest.total("press");
          expect([total.count, ingest.device("press")?.samplesRefused ?? 0]).toEqual([counted, refused]);
        } else if (each.kind === "settle") ingest.settle();
        else if (each.kind === "fail") {
          store.failure = diskFull();
          registerEach(ingest, [1, 2, 3, 4]);
          store.failure = undefined;
        } else {
          const call = registerEach(ingest, each.kind === "register" ? each.metrics : []);
          if (each.kind === "register") continue;
          call.batches({ deviceHandle: 1, sequence: BigInt(sequence), tables: each.metrics.map(tableOf) });
          ingest.flush();
          const [ack] = call.take().acks;
          const refusals = ack?.refusals ?? [];
          sequence = Number(ack?.ackedSequence ?? 0) + 1;
          // Not registered at all: refused whole, and none of it counts.
          if (refusals.some(({ reason }) => reason !== SERIES_LIMIT)) continue;
          const without = refusals.reduce((sum, { samples }) => sum + samples, 0);
          refused += without;
          counted += each.metrics.length - without;
        }
      }
    });
    fc.assert(property, { numRuns: 400 });
  });

  const tableOf = (metric: number) => ({
    metricHandles: [metric],
    baseTimeUnixMs: BigInt(dayMs),
    timeOffsetsMs: [0],
    values: [metric],
  });

  /** A call with the device, and another device that takes room too. */
  function registerEach(ingest: IngestHarness, handles: readonly number[]): HarnessCall {
    const call = ingest.open();
    call.register("press", { metrics: [] });
    for (const handle of handles) call.register("press", { metrics: [`m${handle}`], metricHandle: handle });
    const other = ingest.open();
    other.register("lathe", { metrics: handles.map((handle) => `m${handle}`).slice(0, 1) });
    ingest.flush();
    call.take();
    return call;
  }
});
