import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { Door } from "../../../bench/server/door.ts";
import type { NamedBatch } from "../../../bench/server/named-batch.ts";
import { readSlab } from "../../../ingest/slab.ts";
import { TelemetryError, toFields } from "../../../lib/base/errors.ts";
import { callBytesInFlightMax } from "../../../lib/base/limits.ts";
import { DeviceService } from "../../../proto/gen/telemetry/v1/device_service_pb.js";
import {
  IngestService,
  StreamBatchesRequestSchema,
  StreamBatchesResponseSchema,
} from "../../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { registration } from "../../support/batches.ts";
import {
  ackedBy,
  benchServerOfFile,
  bodyOf,
  complaintOf,
  expectedOf,
  type PlainBatch,
  plainBatch,
  typeOf,
} from "../../support/bench-server.ts";
import { HeldSink, turn } from "../../support/held-sink.ts";
import { failureOf } from "../../support/rpc.ts";

const running = benchServerOfFile();

/** The acked sequence, or status and reason. */
async function send(batch: PlainBatch, encoding: "json-rows" | "protobuf-columns" = "json-rows") {
  const reply = await running().client.http1(bodyOf[encoding](batch), { headers: typeOf(encoding) });
  return reply.status === 200 ? ackedBy(reply) : `${reply.status} ${complaintOf(reply).reason}`;
}

const complaint = async (batch: PlainBatch, encoding: "json-rows" | "protobuf-columns") =>
  complaintOf(await running().client.http1(bodyOf[encoding](batch), { headers: typeOf(encoding) })).message;

describe("a session of a door", () => {
  it("refuses a hole in its sequence, and goes on", async () => {
    const batch = plainBatch();
    expect(await Promise.all([send(batch), send({ ...batch, sequence: 3 })])).toEqual([1, "409 SEQUENCE_GAP"]);
    expect(await send({ ...batch, sequence: 2 })).toBe(2);
    expect(await send({ ...batch, sequence: 3 })).toBe(3);
    expect(await running().client.aggregates(batch.device)).toEqual(expectedOf(batch, batch, batch));
  });

  it("takes batches of one device that come at once", async () => {
    const batch = plainBatch();
    const sequences = Array.from({ length: 20 }, (_, i) => i + 1);
    const acked = await Promise.all(sequences.map((sequence) => httpInOrder({ ...batch, sequence })));
    for (const [i, sequence] of sequences.entries()) expect(acked[i]).toBeGreaterThanOrEqual(sequence);
  });

  it("is superseded by a newer spool of its device, and both count", async () => {
    const old = plainBatch();
    const fresh = { ...old, spool: "f".repeat(32) };
    expect(await send(old)).toBe(1);
    expect(await send(fresh)).toBe(1);
    expect(await send({ ...old, sequence: 2 })).toBe("409 SUPERSEDED");
    expect(await send({ ...fresh, sequence: 2 })).toBe(2);
    expect(await running().client.aggregates(old.device)).toEqual(expectedOf(old, fresh, fresh));
  });

  it("never takes the ack of a newer spool for its own", async () => {
    const old = plainBatch();
    const fresh = { ...old, spool: "f".repeat(32) };
    expect(await send(old)).toBe(1);
    const [late, first] = await Promise.all([send({ ...old, sequence: 2 }), send(fresh)]);
    expect(first).toBe(1);
    // It came before or after the newer spool; in either case it was told the truth.
    const counted = await running().client.aggregates(old.device);
    expect(counted).toEqual(late === 2 ? expectedOf(old, old, fresh) : expectedOf(old, fresh));
  });

  it("ends with its device, and begins when that is created again", async () => {
    const batch = plainBatch();
    const devices = running().client.channel.client(DeviceService, "messages");
    expect(await send(batch)).toBe(1);
    await devices.deleteDevice({ deviceId: batch.device, force: true });
    expect(await send({ ...batch, sequence: 2 })).toBe("409 DEVICE_DELETED");
    await devices.createDevice({ deviceId: batch.device });
    expect(await send({ ...batch, sequence: 2 })).toBe(2);
    expect(await running().client.aggregates(batch.device)).toEqual(expectedOf(batch));
  });

  it("refuses a metric that is a counter by another way, and takes the others", async () => {
    const batch = plainBatch({ metrics: ["speed", "energy"] });
    await running()
      .client.channel.client(IngestService, "messages")
      .pushBatch({
        registration: {
          ...registration(batch.device, { metrics: ["energy"], counters: ["energy"], metricHandle: 2 }),
          spoolId: Buffer.from(batch.spool, "hex"),
        },
      });
    expect(await send(batch)).toBe("400 INVALID_REGISTRATION");
    const speed = { ...batch, metrics: ["speed"], values: batch.values.slice(0, 4) };
    expect(await send(speed)).toBe(1);
    expect(await running().client.aggregates(batch.device)).toEqual(expectedOf(speed));
  });

  it("has one handle, which no other has", async () => {
    const columns = plainBatch();
    const rows = plainBatch();
    expect(await send(columns, "protobuf-columns")).toBe(1);
    expect(await send(rows)).toBe(1);
    expect(await complaint({ ...plainBatch(), handle: columns.handle }, "protobuf-columns")).toBe(
      `batch.device_handle is ${columns.handle}: it is that of device ${columns.device} with its spool; ` +
        "send one that no other device has",
    );
    expect(await complaint({ ...rows, sequence: 2 }, "protobuf-columns")).toMatch(
      /this device and spool have \d+ here; send one that no other device has/,
    );
    // Rows of the same session may follow columns.
    expect(await send({ ...columns, sequence: 2, metrics: ["x"], values: [1, 2, 3, 4] })).toBe(2);
    expect(await send({ ...columns, sequence: 3 }, "protobuf-columns")).toBe(3);
  });
});

/** On a connection that keeps the order. */
async function httpInOrder(batch: PlainBatch): Promise<number> {
  return ackedBy(await running().client.http2(bodyOf["json-columns"](batch), { headers: typeOf("json-columns") }));
}

describe("a door", () => {
  const batchOf = (device: string, sequence = 1, values = Float64Array.of(1, 2)): NamedBatch => ({
    deviceId: device,
    spoolId: "0".repeat(32),
    sequence,
    tables: [{ metrics: ["a"], baseTimeMs: 0, offsetsMs: Array.from(values, (_, i) => i), values }],
  });

  /** A door before a pipeline that answers when it is told to. */
  function held() {
    const sink = new HeldSink({ hasRates: false });
    return { sink, door: new Door(sink.inlet) };
  }

  /** Kinds of messages of all slabs so far, with how many batches they hold. */
  const messagesOf = ({ slabs }: HeldSink): string[] => {
    const found: string[] = [];
    for (const slab of slabs) {
      readSlab(slab, (call, event, start, end) => {
        if (event !== "message") return;
        const { message } = fromBinary(StreamBatchesRequestSchema, slab.bytes.subarray(start, end));
        const size = message.case === "batches" ? ` ${message.value.batches.length}` : "";
        found.push(`${call} ${message.case}${size}`);
      });
    }
    return found;
  };

  const ackOf = (deviceHandle: number, ackedSequence: bigint) =>
    toBinary(
      StreamBatchesResponseSchema,
      create(StreamBatchesResponseSchema, {
        message: { case: "ack", value: { devices: [{ deviceHandle, ackedSequence }] } },
      }),
    );

  const turns = async () => {
    await turn();
    await turn();
  };

  it("registers a device once, and sends what comes in one turn in one message", async () => {
    const { sink, door } = held();
    const first = [door.push(batchOf("press")), door.push(batchOf("drill"))];
    await turns();
    expect(messagesOf(sink)).toEqual(["1 registration", "1 registration", "1 batches 2"]);
    while (sink.slabs.length > 0) sink.settleFirst([ackOf(1, 1n), ackOf(2, 1n)]);
    expect(await Promise.all(first)).toEqual([1, 1]);
    void door.push(batchOf("press", 2));
    void door.push(batchOf("drill", 2));
    await turns();
    expect(messagesOf(sink)).toEqual(["1 batches 2"]);
  });

  it("answers a request when its own sequence is acked, not before", async () => {
    const { sink, door } = held();
    let acked: number | undefined;
    void door.push(batchOf("press", 2)).then((sequence) => {
      acked = sequence;
    });
    await turns();
    sink.settleFirst([ackOf(1, 1n)]);
    await turns();
    expect(acked).toBeUndefined();
    sink.inlet.onSettled([{ call: 1, bytes: 0, answers: [ackOf(1, 2n)], end: undefined }], 0);
    await turns();
    expect(acked).toBe(2);
  });

  it("fails what waits when its call has ended, and registers again on the next", async () => {
    const { sink, door } = held();
    const failures = [failureOf(door.push(batchOf("press"))), failureOf(door.push(batchOf("drill")))];
    await turns();
    const full = toFields(new TelemetryError("RESOURCE_EXHAUSTED", "STORE_FULL", "no space"));
    sink.slabs.splice(0);
    sink.inlet.onSettled([{ call: 1, bytes: 0, answers: [], end: full }], 0);
    for (const failure of failures) expect((await failure).reason).toBe("STORE_FULL");
    const again = door.push(batchOf("press"));
    await turns();
    expect(messagesOf(sink)).toEqual(["2 registration", "2 batches 1"]);
    sink.settleFirst([ackOf(1, 1n)]);
    expect(await again).toBe(1);
  });

  it("holds back what the pipeline has no room for", async () => {
    const { sink, door } = held();
    const values = new Float64Array(50_000);
    const pushed = Array.from({ length: 20 }, (_, i) => door.push(batchOf(`press-${i}`, 1, values)));
    for (let i = 0; i < 20; i += 1) await turns();
    const inFlight = sink.inlet.bytesInFlight;
    expect(inFlight).toBeGreaterThan(callBytesInFlightMax / 2);
    expect(inFlight).toBeLessThan(1.5 * callBytesInFlightMax);
    const acks = pushed.map((_, i) => ackOf(i + 1, 1n));
    while (sink.slabs.length > 0) {
      sink.settleFirst(acks);
      await turns();
    }
    expect(await Promise.all(pushed)).toEqual(pushed.map(() => 1));
  });

  it("takes nothing while the server drains, and fails what was not taken", async () => {
    const { sink, door } = held();
    const taken = door.push(batchOf("press"));
    await turns();
    sink.inlet.drain();
    const late = failureOf(door.push(batchOf("drill")));
    await turns();
    sink.inlet.onSettled([{ call: 1, bytes: 0, answers: [ackOf(1, 1n)], end: "ok" }], 0);
    expect(await taken).toBe(1);
    expect((await late).reason).toBe("DRAINING");
    await expect(door.push(batchOf("lathe"))).rejects.toThrow(TelemetryError);
  });
});
