import { describe, expect, it } from "vitest";
import { IngestService } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { QueryService } from "../../proto/gen/telemetry/v1/query_service_pb.js";
import { asBatches, asRegistration, batch, registration } from "../support/batches.ts";
import { collect, serve } from "../support/rpc.ts";

describe("the four kinds of call", () => {
  it("takes one request to one response", async () => {
    const { client } = await serve(IngestService, "messages", {
      async pushBatch({ registration }, { principal }) {
        return {
          registered: {
            deviceHandle: registration?.deviceHandle ?? 0,
            limits: { batchBytesMax: principal.name.length },
          },
        };
      },
    });
    const { registered } = await client.pushBatch({ registration: registration("press", { handle: 7 }) });
    expect(registered?.deviceHandle).toBe(7);
    expect(registered?.limits?.batchBytesMax).toBe("anyone".length);
  });

  it("takes one request to many responses, in order", async () => {
    const { client } = await serve(QueryService, "messages", {
      async *queryRange({ pointsMax }) {
        for (let i = 0; i < pointsMax; i += 1) yield { frame: { revision: BigInt(i) } };
      },
    });
    const responses = await collect(client.queryRange({ pointsMax: 100 }));
    expect(responses.map(({ frame }) => Number(frame?.revision))).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  it("takes many requests to one response", async () => {
    const { client } = await serve(IngestService, "messages", {
      async uploadBatches(requests) {
        const devices = [];
        for await (const { message } of requests) {
          if (message.case === "registration") devices.push({ deviceHandle: message.value.deviceHandle });
        }
        return { devices };
      },
    });
    const upload = client.uploadBatches();
    for (const handle of [3, 1, 2]) await upload.write(asRegistration(registration("press", { handle })));
    const { devices } = await upload.finish();
    expect(devices.map(({ deviceHandle }) => deviceHandle)).toEqual([3, 1, 2]);
  });

  it("takes requests and responses side by side", async () => {
    const { client } = await serve(IngestService, "messages", {
      async *streamBatches(requests) {
        for await (const { message } of requests) {
          if (message.case !== "batches") continue;
          const devices = message.value.batches.map(({ sequence }) => ({ ackedSequence: sequence }));
          yield { message: { case: "ack", value: { devices } } };
        }
      },
    });
    const stream = client.streamBatches();
    const responses = stream.responses[Symbol.asyncIterator]();
    for (const sequence of [1, 2, 3]) {
      await stream.write(asBatches(batch(sequence, [0])));
      // Each is answered before the next is sent.
      const { value } = await responses.next();
      expect(value?.message).toMatchObject({ case: "ack", value: { devices: [{ ackedSequence: BigInt(sequence) }] } });
    }
    stream.end();
    expect(await responses.next()).toMatchObject({ done: true });
  });

  it("sends the status of a bidi handler that answers after its client has closed its side", async () => {
    const { client } = await serve(IngestService, "messages", {
      async *streamBatches(requests) {
        let sequence = 0n;
        for await (const { message } of requests) {
          if (message.case === "batches") sequence = message.value.batches[0]?.sequence ?? 0n;
        }
        await new Promise(setImmediate);
        yield { message: { case: "ack", value: { devices: [{ ackedSequence: sequence }] } } };
      },
    });
    const stream = client.streamBatches();
    await stream.write(asBatches(batch(9, [0])));
    stream.end();
    const responses = await collect(stream.responses);
    expect(responses).toHaveLength(1);
    expect(responses[0]?.message).toMatchObject({ value: { devices: [{ ackedSequence: 9n }] } });
  });

  it("hands requests on as they came when asked for bytes", async () => {
    const received: Uint8Array[] = [];
    const { client } = await serve(IngestService, "bytes", {
      async pushBatch(request) {
        received.push(Uint8Array.from(request));
        return new Uint8Array(0);
      },
    });
    const garbage = Uint8Array.of(0xff, 0xff, 0xff);
    await client.pushBatch(garbage);
    await client.pushBatch(new Uint8Array(0));
    expect(received).toEqual([garbage, new Uint8Array(0)]);
  });

  it("keeps no fields that it does not know", async () => {
    let unknown: unknown = "not called";
    const { channel } = await serve(IngestService, "messages", {
      async pushBatch(request) {
        unknown = request.$unknown;
        return {};
      },
    });
    // Field 100, a number.
    await channel.client(IngestService, "bytes").pushBatch(Uint8Array.of(0xa0, 0x06, 0x01));
    expect(unknown).toBeUndefined();
  });
});
