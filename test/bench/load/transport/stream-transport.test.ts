import type { MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { type Cell, cellOf } from "../../../../bench/cell.ts";
import { openSender } from "../../../../bench/load/open-sender.ts";
import { Workload } from "../../../../bench/load/workload.ts";
import { RefusalReason } from "../../../../proto/gen/telemetry/v1/batch_pb.js";
import {
  IngestService,
  RejectReason,
  type StreamBatchesRequest,
  type StreamBatchesResponseSchema,
} from "../../../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { serve } from "../../../support/rpc.ts";
import { HandClock } from "../support/hand-clock.ts";

type Response = MessageInitShape<typeof StreamBatchesResponseSchema>;

/** A server whose answers are the test's, and what it has received. */
async function scripted(answer: (request: StreamBatchesRequest) => Response[]) {
  const received: StreamBatchesRequest[] = [];
  const { address } = await serve(IngestService, "messages", {
    streamBatches: async function* (requests) {
      for await (const request of requests) {
        received.push(request);
        for (const response of answer(request)) {
          yield response;
          if (response.message?.case === "drain") return;
        }
      }
    },
  });
  return { address, received };
}

async function senderTo(address: string, chosen: Partial<Cell> = {}) {
  const cell = cellOf({ slots: 1, metrics: 2, batchSamples: 2, ...chosen });
  const source = new Workload({ cell, seed: 1, clock: new HandClock() });
  const sender = await openSender({ cell, source, addresses: { grpc: address, http1: "", http2: "" } });
  return { sender, source };
}

const registered = ({ message }: StreamBatchesRequest): Response[] =>
  message.case === "registration"
    ? [{ message: { case: "registered", value: { deviceHandle: message.value.deviceHandle } } }]
    : [];

const ack = (deviceHandle: number, ackedSequence: bigint): Response => ({
  message: { case: "ack", value: { devices: [{ deviceHandle, ackedSequence }] } },
});

describe("a stream", () => {
  it("registers each device once, on the stream that carries it", async () => {
    const { address, received } = await scripted(registered);
    const { sender } = await senderTo(address, { devices: 600, slots: 4, connections: 2 });
    await sender.close();
    const ids = received.map(({ message }) => (message.case === "registration" ? message.value.deviceId : ""));
    expect(ids).toHaveLength(600);
    expect(new Set(ids).size).toBe(600);
  });

  it("settles a message when all of its batches are acked, by how many acks ever", async () => {
    const handles: number[] = [];
    const { address } = await scripted((request) => {
      if (request.message.case !== "batches") return registered(request);
      handles.push(...request.message.value.batches.map(({ deviceHandle }) => deviceHandle));
      // The first ack says nothing new: a group that was settled before.
      return [ack(handles[0], 0n), ...handles.map((handle) => ack(handle, 1n))];
    });
    const { sender, source } = await senderTo(address, { batchesPerMessage: 3 });
    await sender.send(0);
    expect(handles).toEqual([1, 2, 3]);
    expect([...source.settledBatches]).toEqual([1, 1, 1]);
    await sender.close();
  });

  it("fails with the detail of a reject", async () => {
    const { address } = await scripted((request) =>
      request.message.case === "batches"
        ? [
            {
              message: {
                case: "reject",
                value: { deviceHandle: 1, reason: RejectReason.SUPERSEDED, detail: "a newer spool has taken over" },
              },
            },
          ]
        : registered(request),
    );
    const { sender, source } = await senderTo(address);
    const failure = { reason: "SUPERSEDED", message: "a newer spool has taken over" };
    await expect(sender.send(0)).rejects.toMatchObject(failure);
    // And so does whatever would be sent after it.
    await expect(sender.send(0)).rejects.toMatchObject(failure);
    expect(source.unsettledSlots).toEqual([0]);
    await sender.close();
  });

  it("fails when an ack names a refusal: a benchmark sends nothing that should be refused", async () => {
    const refusals = [{ sequence: 1n, reason: RefusalReason.TIME_IN_FUTURE, samples: 1, detail: "is ahead" }];
    const { address } = await scripted((request) =>
      request.message.case === "batches"
        ? [{ message: { case: "ack", value: { devices: [{ deviceHandle: 1, ackedSequence: 1n, refusals }] } } }]
        : registered(request),
    );
    const { sender } = await senderTo(address);
    await expect(sender.send(0)).rejects.toMatchObject({ reason: "TIME_IN_FUTURE", message: "is ahead" });
    await sender.close();
  });

  it("fails when a registration is rejected, and when the server drains or ends the stream", async () => {
    const reject = { reason: RejectReason.DEVICE_DELETED, detail: "was deleted" };
    const rejecting = await scripted(() => [{ message: { case: "reject", value: reject } }]);
    await expect(senderTo(rejecting.address)).rejects.toMatchObject({ reason: "DEVICE_DELETED" });
    const draining = await scripted(() => [{ message: { case: "drain", value: { detail: "shutting down" } } }]);
    await expect(senderTo(draining.address)).rejects.toMatchObject({ reason: "DRAIN" });
    const { address } = await serve(IngestService, "messages", {
      streamBatches: async function* () {},
    });
    await expect(senderTo(address)).rejects.toMatchObject({ reason: "STREAM_ENDED" });
  });

  it("gives up what is in flight when it is closed", async () => {
    const { address } = await scripted(registered);
    const { sender } = await senderTo(address);
    const failure = expect(sender.send(0)).rejects.toMatchObject({ status: "CANCELLED" });
    await sender.close();
    await failure;
  });
});
