import { describe, expect, it } from "vitest";
import { Channel } from "../../lib/rpc/client.ts";
import { IngestService, type StreamBatchesResponse } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { asBatches, asGap, asRegistration, batch, gap, registration } from "../support/batches.ts";
import { startProxy } from "../support/proxy.ts";
import { collect, failureOf } from "../support/rpc.ts";
import { startServer, type TestServer } from "../support/server.ts";
import { sessionOf, Witness } from "../support/ways.ts";

type Ingest = TestServer["ingest"];

/** A stream of the press that has been registered. */
async function openStream(ingest: Ingest) {
  const stream = ingest.streamBatches();
  const responses = stream.responses[Symbol.asyncIterator]();
  await stream.write(asRegistration(registration("press")));
  const { value } = await responses.next();
  expect(value?.message.case).toBe("registered");
  return { stream, responses };
}

/** Waits for the ack of a sequence. */
async function acked(responses: AsyncIterator<StreamBatchesResponse>, sequence: number) {
  for (;;) {
    const { value, done } = await responses.next();
    if (done === true) throw new Error(`the stream has ended before the ack of ${sequence}`);
    if (value.message.case !== "ack") continue;
    if (value.message.value.devices.some(({ ackedSequence }) => ackedSequence >= BigInt(sequence))) return;
  }
}

/** Sends batches of one sample each on a stream of its own. */
async function resend(server: TestServer, count: number): Promise<void> {
  const { stream, responses } = await openStream(server.ingest);
  for (let i = 1; i <= count; i += 1) await stream.write(asBatches(batch(i, [i])));
  await acked(responses, count);
  stream.end();
  expect(await responses.next()).toMatchObject({ done: true });
}

describe("a client that is gone", () => {
  it("in the middle of a stream has lost no acked batch, and what it sends again counts once", async () => {
    const server = await startServer();
    const witness = await Witness.start(server);
    const proxy = await startProxy(server.address);
    const channel = new Channel(proxy.address);
    const { stream, responses } = await openStream(channel.client(IngestService, "messages"));
    for (let i = 1; i <= 3; i += 1) await stream.write(asBatches(batch(i, [i])));
    await acked(responses, 3);
    for (let i = 4; i <= 20; i += 1) await stream.write(asBatches(batch(i, [i])));
    proxy.cut();
    expect(await failureOf(collect({ [Symbol.asyncIterator]: () => responses }))).toMatchObject({
      status: expect.stringMatching(/^(UNAVAILABLE|CANCELLED)$/),
    });
    channel.close();

    const { ackedSequence } = await sessionOf(server, registration("press"));
    expect(Number(ackedSequence)).toBeGreaterThanOrEqual(3);
    await resend(server, 20);
    expect(await sessionOf(server, registration("press"))).toMatchObject({ ackedSequence: 20n, samplesCounted: 20n });
    expect(await witness.send()).toEqual({ sent: 1n, acked: 1n });
  });

  it("in the middle of an upload is told by a registration what was kept", async () => {
    const server = await startServer();
    const proxy = await startProxy(server.address);
    const channel = new Channel(proxy.address);
    const upload = channel.client(IngestService, "messages").uploadBatches();
    await upload.write(asRegistration(registration("press")));
    for (let i = 1; i <= 20; i += 1) await upload.write(asBatches(batch(i, [i])));
    proxy.cut();
    expect(await failureOf(upload.finish())).toMatchObject({
      status: expect.stringMatching(/^(UNAVAILABLE|CANCELLED)$/),
    });
    channel.close();

    const { ackedSequence, samplesCounted } = await sessionOf(server, registration("press"));
    expect(samplesCounted).toBe(ackedSequence);
    await resend(server, 20);
    expect(await sessionOf(server, registration("press"))).toMatchObject({ ackedSequence: 20n, samplesCounted: 20n });
  });
});

describe("a server that is stopped", () => {
  it("acks what it has read of a stream, says that it drains, and ends it with OK", async () => {
    const server = await startServer();
    const { stream, responses } = await openStream(server.ingest);
    await stream.write(asBatches(batch(1, [1])));
    await acked(responses, 1);
    await stream.write(asBatches(batch(2, [2]), batch(3, [3])));
    const stopped = server.stop();
    const rest = await collect({ [Symbol.asyncIterator]: () => responses });
    expect(rest.at(-1)?.message).toMatchObject({ case: "drain", value: { detail: expect.stringContaining("again") } });
    await expect(stream.write(asBatches(batch(4, [4])))).rejects.toMatchObject({ reason: "CALL_OVER" });
    await stopped;

    await server.restart();
    const told = rest.flatMap(({ message }) => (message.case === "ack" ? message.value.devices : []));
    const lastAck = Math.max(1, ...told.map(({ ackedSequence }) => Number(ackedSequence)));
    const { ackedSequence, samplesCounted } = await sessionOf(server, registration("press"));
    // What was read is acked: the store has no more than the client was told.
    expect(Number(ackedSequence)).toBe(lastAck);
    expect(samplesCounted).toBe(ackedSequence);
  });

  it("ends an upload with UNAVAILABLE, and has counted each batch once or not at all", async () => {
    const server = await startServer();
    const upload = server.ingest.uploadBatches();
    await upload.write(asRegistration(registration("press")));
    await upload.write(asBatches(batch(1, [1])));
    // Answered after the messages before it: the upload has been read.
    await sessionOf(server, registration("lathe"));
    const stopped = server.stop();
    expect(await failureOf(upload.finish())).toMatchObject({ status: "UNAVAILABLE", reason: "DRAINING" });
    await stopped;

    await server.restart();
    const { ackedSequence, samplesCounted } = await sessionOf(server, registration("press"));
    expect(samplesCounted).toBe(ackedSequence);
    await resend(server, 2);
    expect(await sessionOf(server, registration("press"))).toMatchObject({ ackedSequence: 2n, samplesCounted: 2n });
  });

  it("has kept what it acked, in any way, when it starts again on its directory", async () => {
    const server = await startServer();
    await resend(server, 5);
    const lathe = registration("lathe");
    await server.ingest.pushBatch({ registration: lathe, payload: { case: "batch", value: batch(1, [1, 2]) } });
    const upload = server.ingest.uploadBatches();
    await upload.write(asRegistration(registration("drill")));
    await upload.write(asGap(gap(1, 4, 40)));
    await upload.write(asBatches(batch(5, [1, Number.POSITIVE_INFINITY])));
    await upload.finish();
    const before = (await server.query.listDevices({})).devices;
    await server.restart();
    expect((await server.query.listDevices({})).devices).toEqual(before);
    expect(before.map((device) => [device.deviceId, device.ackedSequence, device.samplesCounted])).toEqual([
      ["drill", 5n, 1n],
      ["lathe", 1n, 2n],
      ["press", 5n, 5n],
    ]);
    expect(before[0]).toMatchObject({ samplesRefused: 1n, samplesLost: 40n });
    expect(await sessionOf(server, lathe)).toMatchObject({ ackedSequence: 1n });
    // A replay of all of it, and one batch more.
    await resend(server, 6);
    expect(await sessionOf(server, registration("press"))).toMatchObject({ ackedSequence: 6n, samplesCounted: 6n });
  });
});

describe("a gap that says it lost more samples than a column holds", () => {
  it("does not end the calls of others", async () => {
    const server = await startServer();
    const witness = await Witness.start(server);
    const { stream, responses } = await openStream(server.ingest);
    await stream.write(asGap({ ...gap(1, 2), samples: 2n ** 64n - 1n }));
    await Promise.allSettled([responses.next()]);
    expect(await witness.send()).toEqual({ sent: 1n, acked: 1n });
  });
});
