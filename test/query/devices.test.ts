import { describe, expect, it } from "vitest";
import { GapReason, RefusalReason } from "../../proto/gen/telemetry/v1/batch_pb.js";
import { DeviceConnection } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { asBatches, asRegistration, batch, gap, registration, spool } from "../support/batches.ts";
import { push, range, read } from "../support/query.ts";
import { failureOf } from "../support/rpc.ts";
import { serverOfFile, startServer, type TestServer } from "../support/server.ts";

const server = serverOfFile();

/** A stream of a device that is registered. */
async function connect(to: TestServer, deviceId: string, spoolNumber = 1) {
  const stream = to.ingest.streamBatches();
  const answers = stream.responses[Symbol.asyncIterator]();
  await stream.write(asRegistration(registration(deviceId, { spool: spoolNumber })));
  const answer = async () => (await answers.next()).value?.message;
  expect(await answer()).toMatchObject({ case: "registered" });
  const end = async () => {
    stream.end();
    expect(await answer()).toBeUndefined();
  };
  return { stream, answer, end };
}

describe("GetDevice", () => {
  it("tells last seen, highest acked sequence, lag, gaps and what was refused by reason, as soon as it was acked", async () => {
    const deviceId = "detail";
    const before = await server().devices.createDevice({ deviceId, labels: { site: "x" }, description: "one" });
    expect(before.device).toMatchObject({ deviceId, spoolId: new Uint8Array(), description: "one" });
    const nowMs = Date.now();
    for (let sequence = 1; sequence <= 10; sequence += 1) {
      await push(server(), deviceId, sequence, [1, Number.POSITIVE_INFINITY], { timeMs: nowMs - 60_000 });
      const { device, refused } = await server().query.getDevice({ deviceId });
      expect(device).toMatchObject({ ackedSequence: BigInt(sequence), samplesCounted: BigInt(sequence) });
      expect(refused).toMatchObject([
        { reason: RefusalReason.INFINITE_VALUE, samples: BigInt(sequence), batches: BigInt(sequence) },
      ]);
    }
    const lost = { ...gap(11, 15, 500), reason: GapReason.SPOOL_FULL };
    await server().ingest.pushBatch({ registration: registration(deviceId), payload: { case: "gap", value: lost } });
    const { device, gaps, lag, latestEventAt, series, sessions } = await server().query.getDevice({ deviceId });
    expect(device).toMatchObject({
      labels: { site: "x" },
      setLabels: { site: "x" },
      ackedSequence: 15n,
      samplesLost: 500n,
      batchesLost: 5n,
      spoolId: Buffer.from(spool(1)),
      connection: DeviceConnection.DISCONNECTED,
    });
    const { reason, samples } = lost;
    expect(gaps).toMatchObject([{ firstSequence: 11n, lastSequence: 15n, reason, samples }]);
    expect(gaps[0]?.recordedAt).toEqual(device?.lastSeenAt);
    expect(Number(latestEventAt?.seconds)).toBe(Math.floor((nowMs - 60_000) / 1_000));
    expect(Number(lag?.seconds)).toBeGreaterThanOrEqual(60);
    expect({ series, sessions }).toEqual({ series: 1, sessions: 1 });
  });

  it("tells whether a device is on a call", async () => {
    const connection = async () => (await server().query.getDevice({ deviceId: "caller" })).device?.connection;
    const call = await connect(server(), "caller");
    expect(await connection()).toBe(DeviceConnection.CONNECTED);
    const { devices } = await server().query.listDevices({ deviceIdPrefixes: ["caller"] });
    expect(devices[0]?.connection).toBe(DeviceConnection.CONNECTED);
    await call.end();
    expect(await connection()).toBe(DeviceConnection.DISCONNECTED);
  });

  it("does not know a device that is deleted, or never was", async () => {
    await server().devices.createDevice({ deviceId: "gone" });
    await server().devices.deleteDevice({ deviceId: "gone" });
    for (const deviceId of ["gone", "never", ""]) {
      const error = await failureOf(server().query.getDevice({ deviceId }));
      expect(error).toMatchObject({ status: "NOT_FOUND", reason: "DEVICE_NOT_FOUND" });
    }
  });
});

describe("DeviceService", () => {
  it("tells its errors with status, reason and remedy", async () => {
    const { devices } = server();
    await devices.createDevice({ deviceId: "errors" });
    const f = async (run: Promise<unknown>, want: object) => expect(await failureOf(run)).toMatchObject(want);
    await f(devices.createDevice({ deviceId: "errors" }), { status: "ALREADY_EXISTS", reason: "DEVICE_EXISTS" });
    await f(devices.createDevice({ deviceId: "" }), { status: "INVALID_ARGUMENT", reason: "INVALID_FIELD" });
    await f(devices.updateDevice({ deviceId: "nobody" }), { status: "NOT_FOUND", reason: "DEVICE_NOT_FOUND" });
    await f(devices.updateDevice({ deviceId: "errors", updateMask: { paths: ["x"] } }), {
      status: "INVALID_ARGUMENT",
      message: expect.stringContaining('update_mask.paths[0] is "x"; write labels, description, or labels.KEY'),
    });
    await f(devices.deleteDevice({ deviceId: "nobody" }), { status: "NOT_FOUND" });
    const call = await connect(server(), "errors");
    await f(devices.deleteDevice({ deviceId: "errors" }), {
      status: "FAILED_PRECONDITION",
      reason: "DEVICE_CONNECTED",
    });
    await call.end();
    await devices.deleteDevice({ deviceId: "errors" });
  });

  it("deletes a device with its series and windows, at once and for everyone who reads", async () => {
    const own = await startServer();
    await push(own, "press", 1, [1, 2]);
    await push(own, "lathe", 1, [5]);
    const call = await connect(own, "press");
    await own.devices.deleteDevice({ deviceId: "press", force: true });
    for (const request of [range([]), range([], { tierMs: 60_000 })]) {
      const { windows } = await read(own, request);
      expect(windows.map(({ deviceId, sum }) => [deviceId, sum])).toEqual([["lathe", 5]]);
    }
    expect((await own.query.listMetrics({})).metrics.map(({ deviceId }) => deviceId)).toEqual(["lathe"]);
    expect(await failureOf(read(own, range(["press"])))).toMatchObject({ status: "NOT_FOUND" });
    await call.stream.write(asBatches(batch(2, [4])));
    expect(await call.answer()).toMatchObject({ case: "reject" });
    expect(await failureOf(push(own, "press", 2, [4]))).toMatchObject({
      status: "FAILED_PRECONDITION",
      reason: "DEVICE_DELETED",
    });
    await call.end();
    await own.restart();
    expect((await read(own, range([]))).windows.map(({ deviceId }) => deviceId)).toEqual(["lathe"]);
    await own.devices.createDevice({ deviceId: "press" });
    // Its spool goes on, with nothing counted of before.
    await push(own, "press", 2, [4]);
    const { windows } = await read(own, range(["press"]));
    expect(windows.map(({ count, sum }) => [count, sum])).toEqual([[1, 4]]);
  });
});
