import { describe, expect, it } from "vitest";
import { encodings } from "../../../bench/cell.ts";
import { NamedService } from "../../../proto/gen/bench/v1/named_service_pb.js";
import { IngestService } from "../../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { asBatches, asRegistration, batch, registration } from "../../support/batches.ts";
import { ackedBy, benchServerOfFile, bodyOf, plainBatch, typeOf } from "../../support/bench-server.ts";
import { collect } from "../../support/rpc.ts";

describe("a null server", () => {
  const running = benchServerOfFile({ isNull: true });
  const ingest = () => running().client.channel.client(IngestService, "messages");

  it.each(encodings)("answers %s at once, whatever their sequence", async (encoding) => {
    for (const way of ["http1", "http2"] as const) {
      const body = bodyOf[encoding](plainBatch({ sequence: 1_000 }));
      const reply = await running().client[way](body, { headers: typeOf(encoding) });
      expect(reply.status).toBe(200);
      expect(ackedBy(reply)).toBe(Number.MAX_SAFE_INTEGER);
    }
  });

  it("answers NamedService", async () => {
    const service = running().client.channel.client(NamedService, "bytes");
    const one = plainBatch({ sequence: 7 });
    const { ackedSequence } = await service.pushNamed(bodyOf["protobuf-columns"](one));
    expect(ackedSequence).toBe(BigInt(Number.MAX_SAFE_INTEGER));
    const stream = service.streamNamed();
    for (const sequence of [7, 8]) await stream.write(bodyOf["protobuf-columns"]({ ...one, sequence }));
    stream.end();
    expect(await collect(stream.responses)).toMatchObject([
      { deviceHandle: one.handle, ackedSequence: 7n },
      { deviceHandle: one.handle, ackedSequence: 8n },
    ]);
  });

  it("answers PushBatch with the batch's sequence, and 0 to a registration", async () => {
    const device = registration("press", { handle: 3 });
    const first = await ingest().pushBatch({ registration: device });
    expect(first.registered).toMatchObject({ deviceHandle: 3, ackedSequence: 0n });
    const payload = { case: "batch" as const, value: batch(9, [1], { handle: 3 }) };
    const second = await ingest().pushBatch({ registration: device, payload });
    expect(second.registered).toMatchObject({ deviceHandle: 3, ackedSequence: 9n });
  });

  it("answers UploadBatches with the latest sequence of each device", async () => {
    const upload = ingest().uploadBatches();
    await upload.write(asRegistration(registration("press")));
    await upload.write(asBatches(batch(1, [1]), batch(5, [1], { handle: 2 })));
    await upload.write(asBatches(batch(2, [1])));
    expect((await upload.finish()).devices).toMatchObject([
      { deviceHandle: 1, ackedSequence: 2n },
      { deviceHandle: 2, ackedSequence: 5n },
    ]);
  });

  it("answers each message of StreamBatches with one", async () => {
    const stream = ingest().streamBatches();
    await stream.write(asRegistration(registration("press", { handle: 4 })));
    await stream.write(asBatches(batch(1, [1], { handle: 4 }), batch(6, [2], { handle: 300 })));
    await stream.write(asBatches(batch(2, [1], { handle: 4 })));
    stream.end();
    expect((await collect(stream.responses)).map(({ message }) => message)).toMatchObject([
      { case: "registered", value: { deviceHandle: 4, ackedSequence: 0n } },
      {
        case: "ack",
        value: {
          devices: [
            { deviceHandle: 4, ackedSequence: 1n },
            { deviceHandle: 300, ackedSequence: 6n },
          ],
        },
      },
      { case: "ack", value: { devices: [{ deviceHandle: 4, ackedSequence: 2n }] } },
    ]);
  });

  it("has the figures of its process, and nothing in flight", () => {
    const { server } = running();
    expect(server.ready).toMatchObject({ kind: "ready", pragmas: {}, ca: undefined });
    expect(server.usage().bytesInFlight).toBe(0);
  });
});
