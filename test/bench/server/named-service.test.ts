import { create, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { Door } from "../../../bench/server/door.ts";
import { namedStreams } from "../../../bench/server/named-service.ts";
import { anyone } from "../../../lib/access/principal.ts";
import { NamedService } from "../../../proto/gen/bench/v1/named_service_pb.js";
import { StreamBatchesResponseSchema } from "../../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { benchServerOfTest, bodyOf, plainBatch } from "../../support/bench-server.ts";
import { HeldSink, turn } from "../../support/held-sink.ts";

describe("a stream of batches with names", () => {
  it("is not read when 64 batches are not acked, and goes on when they are", async () => {
    const sink = new HeldSink({ hasRates: false });
    const batch = plainBatch();
    let read = 0;
    const acks: Uint8Array[] = [];
    const ended = Promise.withResolvers<unknown>();
    const receiver = namedStreams(new Door(sink.inlet))(
      {
        send(messages, onSent) {
          acks.push(...messages);
          setImmediate(onSent);
        },
        resume: () => send(),
        end: (error) => ended.resolve(error),
      },
      anyone,
    );
    const send = () => {
      for (let mayGoOn = true; mayGoOn && read < 100; ) {
        read += 1;
        mayGoOn = receiver.onMessage(bodyOf["protobuf-columns"]({ ...batch, sequence: read }));
      }
      if (read === 100) receiver.onEnd();
    };
    send();
    for (let i = 0; i < 200; i += 1) await turn();
    expect(read).toBe(64);
    const devices = (ackedSequence: bigint) => [{ deviceHandle: batch.handle, ackedSequence }];
    const ackOf = (sequence: bigint) =>
      toBinary(
        StreamBatchesResponseSchema,
        create(StreamBatchesResponseSchema, { message: { case: "ack", value: { devices: devices(sequence) } } }),
      );
    const settle = async (sequence: bigint) => {
      while (sink.slabs.length > 0) sink.settleFirst([ackOf(sequence)]);
      for (let i = 0; i < 200; i += 1) await turn();
    };
    await settle(64n);
    expect(read).toBe(100);
    await settle(100n);
    expect(await ended.promise).toBeUndefined();
    expect(acks).toHaveLength(100);
  });

  it("ends with OK when the server stops, also when nothing is sent on it", async () => {
    const { server, client } = await benchServerOfTest();
    const stream = client.channel.client(NamedService, "bytes").streamNamed();
    await stream.write(bodyOf["protobuf-columns"](plainBatch()));
    const responses = stream.responses[Symbol.asyncIterator]();
    expect((await responses.next()).done).toBe(false);
    const stopped = server.stop();
    expect((await responses.next()).done).toBe(true);
    await stopped;
  });
});
