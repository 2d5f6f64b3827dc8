import { describe, expect, it } from "vitest";
import { IngestService, RejectReason } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { serve } from "../support/rpc.ts";
import { addDevice, rowsOf, startUplink, until } from "./support/fleet.ts";
import { type Answer, ack, registered, serveScript } from "./support/scripted-server.ts";

/** An uplink with one device that has sealed batches 1 to `batches`. */
function sealed(address: string, batches: number) {
  const sender = startUplink(address, "stream");
  const device = addDevice(sender, "pump");
  for (let i = 1; i <= batches; i += 1) void device.send(rowsOf(i)).catch(() => {});
  return { ...sender, device };
}

function reject(reason: RejectReason, expectedSequence = 0, deviceHandle = 1): Answer {
  return {
    case: "reject",
    value: { deviceHandle, reason, detail: "as the test says", expectedSequence: BigInt(expectedSequence) },
  };
}

describe("on a stream, an uplink", () => {
  it("sends nothing before its registration is answered", async () => {
    const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>();
    const server = await serveScript({
      onRegistration: () => {
        onAsked();
        return [];
      },
    });
    sealed(server.address, 2);
    await asked;
    await until(() => server.streams.length === 1);
    // A second uplink's whole exchange takes several round trips.
    const other = await serveScript({});
    const quick = sealed(other.address, 2);
    await quick.uplink.close(20_000);
    expect(server.streams).toEqual([[]]);
  });

  it("drops what the server has already, and sends the rest", async () => {
    const server = await serveScript({ onRegistration: (handle) => [registered(handle, 2)] });
    const { uplink, delivery } = sealed(server.address, 4);
    await uplink.close(20_000);
    expect(server.streams).toEqual([[3, 4]]);
    expect(delivery).toMatchObject({ batchesSent: 2, batchesAcked: 4, samplesAcked: 4 });
  });

  it("goes back to the sequence that the server expects", async () => {
    let rejected = false;
    const server = await serveScript({
      onBatch: (batch) => {
        if (rejected || batch.sequence < 3n) return rejected ? [ack(batch)] : [];
        rejected = true;
        return [reject(RejectReason.SEQUENCE_GAP, 1)];
      },
    });
    const { uplink, delivery } = sealed(server.address, 3);
    await uplink.close(20_000);
    expect(server.streams).toEqual([[1, 2, 3, 1, 2, 3]]);
    // Sending again is not sending more.
    expect(delivery).toMatchObject({ batchesSent: 3, batchesAcked: 3, samplesSent: 3 });
  });

  it("registers again when the server does not know the device", async () => {
    let registrations = 0;
    let rejected = false;
    const server = await serveScript({
      onRegistration: (handle) => {
        registrations += 1;
        return [registered(handle)];
      },
      onBatch: (batch) => {
        if (rejected) return [ack(batch)];
        rejected = true;
        return [reject(RejectReason.UNKNOWN_DEVICE)];
      },
    });
    const { uplink, delivery } = sealed(server.address, 1);
    await uplink.close(5_000);
    expect({ registrations, acked: delivery.batchesAcked }).toEqual({ registrations: 2, acked: 1 });
    expect(server.streams).toEqual([[1, 1]]);
  });

  it("stops a device when the server has lost what it had acked", async () => {
    let registrations = 0;
    const server = await serveScript({
      onRegistration: (handle) => {
        registrations += 1;
        return [registered(handle, registrations === 1 ? 0 : 1)];
      },
      onBatch: (batch) => (batch.sequence === 3n ? [reject(RejectReason.SEQUENCE_GAP, 2)] : [ack(batch)]),
    });
    const { uplink } = sealed(server.address, 3);
    await uplink.close(20_000);
    const failure = uplink.failures.get("pump");
    expect(failure?.reason).toBe("ACKED_BATCHES_LOST");
    expect(failure?.message).toContain("sequences 2 to 2 of pump");
  });

  it("ends with the server's reason when a message of its own cannot be read", async () => {
    const server = await serveScript({ onBatch: () => [reject(RejectReason.MALFORMED_MESSAGE, 0, 0)] });
    const { uplink } = sealed(server.address, 1);
    await uplink.close(20_000);
    expect(uplink.failures.get("pump")).toMatchObject({ reason: "MALFORMED_MESSAGE" });
    expect(server.streams).toHaveLength(1);
  });

  it("sends again on a new stream what the ended one had not acked", async () => {
    let streams = 0;
    const { address } = await serve(IngestService, "messages", {
      async *streamBatches(requests) {
        streams += 1;
        for await (const { message } of requests) {
          if (message.case === "registration") {
            yield { message: registered(message.value.deviceHandle, streams - 1) };
          } else if (message.case === "batches") {
            // The first stream acks one batch, and ends.
            const acked = streams === 1 ? 1n : 3n;
            yield { message: ack({ deviceHandle: 1, sequence: acked }) };
            if (streams === 1) return;
          }
        }
      },
    });
    const { uplink, delivery } = sealed(address, 3);
    await uplink.close(20_000);
    expect({ streams, ...delivery }).toMatchObject({ streams: 2, batchesSent: 3, batchesAcked: 3, reconnects: 1 });
  });

  it("gathers into one message what was sealed while the stream was blocked", async () => {
    const gate = Promise.withResolvers<void>();
    const messages: number[] = [];
    const { address } = await serve(IngestService, "messages", {
      async *streamBatches(requests) {
        for await (const { message } of requests) {
          if (message.case === "registration") {
            await gate.promise;
            yield { message: registered(1) };
          } else if (message.case === "batches") {
            messages.push(message.value.batches.length);
            for (const batch of message.value.batches) yield { message: ack(batch) };
          }
        }
      },
    });
    const { uplink } = sealed(address, 50);
    gate.resolve();
    await uplink.close(20_000);
    expect(messages).toEqual([50]);
  });
});

describe("by push, an uplink", () => {
  it("has one batch of a device under way at a time", async () => {
    let underWay = 0;
    let most = 0;
    const sequences: number[] = [];
    const { address } = await serve(IngestService, "messages", {
      async pushBatch({ payload }) {
        underWay += 1;
        most = Math.max(most, underWay);
        // Long enough for everything else that has been sent to come.
        for (let turn = 0; turn < 200; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        underWay -= 1;
        const sequence = payload.case === "batch" ? payload.value.sequence : 0n;
        sequences.push(Number(sequence));
        return { registered: { deviceHandle: 1, ackedSequence: sequence } };
      },
    });
    const sender = startUplink(address, "push");
    const device = addDevice(sender, "pump");
    for (let i = 1; i <= 5; i += 1) await device.send(rowsOf(i));
    await sender.uplink.close(20_000);
    expect({ most, sequences }).toEqual({ most: 1, sequences: [1, 2, 3, 4, 5] });
  });
});
