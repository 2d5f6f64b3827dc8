import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { simulate } from "../../cli/simulation.ts";
import { pushHeldMsMax, rateBurstMs } from "../../lib/base/limits.ts";
import { AdminService } from "../../proto/gen/telemetry/v1/admin_service_pb.js";
import { BatchSchema, RefusalReason } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { SlowDownCause } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { counted, countedOnce } from "../device-sim/support/counted.ts";
import { asBatches, asRegistration, batch, registration } from "../support/batches.ts";
import { failureOf } from "../support/rpc.ts";
import { serverOfFile, startServer, type TestServer } from "../support/server.ts";
import { deliver, sessionOf, ways } from "../support/ways.ts";

/** Small: a minute's worth of samples is one batch. */
const perSecond = 1_000;
const burst = (perSecond * rateBurstMs) / 1_000;
const server = serverOfFile({ seriesPerDeviceMax: 2, samplesPerSecondMax: perSecond, timeAheadMsMax: 60_000 });

const never = new AbortController().signal;
const three = ["temperature", "pressure", "humidity"];
const statusOf = (which: TestServer) => which.channel.client(AdminService, "messages").getStatus({});
const encode = (...args: Parameters<typeof batch>) => toBinary(BatchSchema, create(BatchSchema, batch(...args)));
const many = (sequence: number, samples: number) => batch(sequence, Array<number>(samples).fill(1));

describe.each(ways)("by %s,", (way) => {
  it("a metric over the limit is refused by reason, and the device's others count, also after a restart", async () => {
    const own = await startServer({ seriesPerDeviceMax: 2 });
    const device = registration("press", { metrics: three });
    for (const sequence of [1, 3]) {
      expect(await deliver(own, way, device, encode(sequence, [1, 2], { metric: 3 }))).toMatchObject({
        ackedSequence: sequence,
        complaint: undefined,
        refusals: [
          {
            reason: RefusalReason.SERIES_LIMIT,
            samples: 2,
            metricHandle: 3,
            detail: expect.stringMatching(/handle 3 .* has 2 series, the limit is 2 per device; .*--device-series-max/),
          },
        ],
      });
      expect(await deliver(own, way, device, encode(sequence + 1, [1, 2]))).toMatchObject({ refusals: [] });
      await own.restart({ seriesPerDeviceMax: 2 });
    }
    await own.restart({ seriesPerDeviceMax: 3 });
    expect(await deliver(own, way, device, encode(5, [1], { metric: 3 }))).toMatchObject({ refusals: [] });
    expect(await sessionOf(own, device)).toMatchObject({ samplesCounted: 5n, samplesRefused: 4n });
  });

  it("a time further ahead than allowed is refused with the limit and its flag", async () => {
    const device = registration(`ahead-${way}`);
    const bytes = encode(1, [1], { timeMs: Date.now() + 120_000 });
    const { refusals } = await deliver(server(), way, device, bytes);
    expect(refusals).toMatchObject([{ reason: RefusalReason.TIME_IN_FUTURE, samples: 1 }]);
    expect(refusals[0]?.detail).toContain("raise --future-max");
    expect(await deliver(server(), way, device, encode(2, [1], { timeMs: Date.now() + 30_000 }))).toMatchObject({
      refusals: [],
    });
  });

  it("a device over its rate is delayed: everything counts, and its rate holds", async () => {
    const device = registration(`fast-${way}`);
    const startMs = performance.now();
    for (const sequence of [1, 2, 3]) {
      const samples = sequence === 1 ? burst : 300;
      const bytes = toBinary(BatchSchema, create(BatchSchema, many(sequence, samples)));
      expect(await deliver(server(), way, device, bytes)).toMatchObject({ ackedSequence: sequence, refusals: [] });
    }
    // The third waits until the second has drained, which the answer to the second does not.
    expect(performance.now() - startMs).toBeGreaterThan(300 - 1);
    expect(await sessionOf(server(), device)).toMatchObject({
      samplesCounted: BigInt(burst + 600),
      samplesRefused: 0n,
    });
  });
});

describe("a fleet that sends faster than it may", () => {
  it.each([
    ["stream", 1_000, burst / 1_000 + 2],
    ["upload", 1_000, burst / 1_000 + 2],
    // The first is 3 s over the rate: the second waits, however slow the machine is.
    ["push", burst + 3_000, 2],
  ] as const)("is delayed by %s, without loss and without an error", async (mode, batchSamples, batches) => {
    const before = (await statusOf(server())).rateDelays;
    const summary = await simulate(
      {
        address: server().address,
        mode,
        devices: 3,
        metrics: 2,
        interval: 10,
        batchSamples,
        batches,
        connections: 1,
        seed: 1,
        start: Date.UTC(2026, 0, 15),
        speed: Number.POSITIVE_INFINITY,
        idPrefix: `fleet-${mode}-`,
      },
      never,
    );
    const samples = batches * batchSamples;
    expect(summary).toMatchObject({
      samplesAcked: 3 * samples,
      samplesRejected: 0,
      reconnects: 0,
      devicesRefused: 0,
    });
    const ids = [1, 2, 3].map((i) => `fleet-${mode}-000${i}`);
    expect(await counted(server().address, `fleet-${mode}-`)).toEqual(countedOnce(ids, samples));
    expect((await statusOf(server())).rateDelays).toBeGreaterThan(before);
  });
});

describe("a stream of a device over its rate", () => {
  it("is told so with the cause quota, while another stream of another device goes on", async () => {
    const stream = server().ingest.streamBatches();
    const responses = stream.responses[Symbol.asyncIterator]();
    await stream.write(asRegistration(registration("loud")));
    await stream.write(asBatches(many(1, burst), many(2, 700)));
    for (let acked = 0n; acked < 2n; ) {
      const { value } = await responses.next();
      if (value.message.case === "ack") acked = value.message.value.devices[0]?.ackedSequence ?? 0n;
    }
    await stream.write(asBatches(many(3, 1)));
    const { value: told } = await responses.next();
    expect(told.message).toMatchObject({ case: "slowDown", value: { cause: SlowDownCause.QUOTA } });
    for (const word of ['"loud"', "700 samples over", "1000 samples/s", "--device-rate"]) {
      expect(told.message.value.detail).toContain(word);
    }
    expect(await deliver(server(), "stream", registration("quiet"), encode(1, [1]))).toMatchObject({
      ackedSequence: 1,
    });
    const { value: later } = await responses.next();
    expect(later.message).toMatchObject({ case: "ack", value: { devices: [{ ackedSequence: 3n }] } });
    stream.end();
  });
});

describe("a push of a device far over its rate", () => {
  it("is told when to come again, and is taken then", async () => {
    const own = await startServer({ samplesPerSecondMax: 10 });
    const push = (sequence: number, samples: number) =>
      own.ingest.pushBatch({
        registration: registration("press"),
        payload: { case: "batch", value: many(sequence, samples) },
      });
    await push(1, 800);
    const failure = await failureOf(push(2, 1));
    expect(failure).toMatchObject({ status: "RESOURCE_EXHAUSTED", reason: "DEVICE_RATE" });
    const retryMs = failure.retryAfterMs ?? 0;
    expect(retryMs).toBeGreaterThan(pushHeldMsMax);
    expect(retryMs).toBeLessThanOrEqual(20_000);
    // A restart forgives, so that the test need not wait.
    await own.restart({ samplesPerSecondMax: 10 });
    expect(await push(2, 1)).toMatchObject({ registered: { ackedSequence: 2n } });
  });

  it("does not keep a server from ending", async () => {
    const own = await startServer({ samplesPerSecondMax: 1_000 });
    const push = (sequence: number, samples: number) =>
      own.ingest.pushBatch({
        registration: registration("press"),
        payload: { case: "batch", value: many(sequence, samples) },
      });
    await push(1, burst + 4_900);
    const failure = failureOf(push(2, 1));
    // By then it waits: the status is behind it in the writer.
    while ((await statusOf(own)).rateDelays === 0n);
    const startMs = performance.now();
    await own.stop();
    expect(performance.now() - startMs).toBeLessThan(2_000);
    expect(await failure).toMatchObject({ status: "UNAVAILABLE", reason: "DRAINING" });
  });
});

describe("the status of a server", () => {
  it("tells what was refused by reason, what was delayed, the series and the quotas", async () => {
    const own = await startServer({ seriesPerDeviceMax: 1, seriesPerPrincipalMax: 2, samplesPerSecondMax: 100 });
    const device = registration("press", { metrics: ["temperature", "pressure"] });
    await deliver(own, "push", device, encode(1, [1, Number.POSITIVE_INFINITY]));
    await deliver(own, "push", device, encode(2, [1, 2, 3], { metric: 2 }));
    await deliver(own, "push", device, encode(3, [1], { metric: 2 }));
    await deliver(own, "push", device, encode(4, [1], { metric: 9 }));
    await deliver(own, "stream", registration("lathe"), toBinary(BatchSchema, create(BatchSchema, many(1, 6_001))));
    const status = await statusOf(own);
    expect(status).toMatchObject({
      samplesRefused: 5n,
      rateDelays: 1n,
      series: 2n,
      refused: [
        { reason: RefusalReason.INFINITE_VALUE, samples: 1n, batches: 1n },
        { reason: RefusalReason.SERIES_LIMIT, samples: 4n, batches: 2n },
        { reason: RefusalReason.UNKNOWN_METRIC, samples: 0n, batches: 1n },
      ],
      quotas: {
        seriesPerDeviceMax: 1,
        seriesPerPrincipalMax: 2n,
        samplesPerSecondMax: 100n,
        futureMax: { seconds: 600n },
      },
    });
    await own.restart({
      seriesPerPrincipalMax: Number.POSITIVE_INFINITY,
      samplesPerSecondMax: Number.POSITIVE_INFINITY,
    });
    expect(await statusOf(own)).toMatchObject({
      refused: [],
      rateDelays: 0n,
      series: 2n,
      quotas: { seriesPerDeviceMax: 1_000, seriesPerPrincipalMax: 0n, samplesPerSecondMax: 0n },
    });
  });

  it("is what registrations tell of it too", async () => {
    const { limits } = await sessionOf(server(), registration("asks"));
    expect(limits).toMatchObject({
      seriesPerDeviceMax: 2,
      samplesPerSecondMax: perSecond,
      futureMax: { seconds: 60n },
    });
  });
});
