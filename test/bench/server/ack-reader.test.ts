import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readAck } from "../../../bench/server/ack-reader.ts";
import { RefusalReason } from "../../../proto/gen/telemetry/v1/batch_pb.js";
import { StreamBatchesResponseSchema } from "../../../proto/gen/telemetry/v1/ingest_service_pb.js";

type Response = MessageInitShape<typeof StreamBatchesResponseSchema>;

const encode = (response: Response) =>
  toBinary(StreamBatchesResponseSchema, create(StreamBatchesResponseSchema, response));

/** What it tells, and whether it took the response. */
function read(bytes: Uint8Array) {
  const told: unknown[][] = [];
  const isAck = readAck(bytes, (...ack) => told.push(ack));
  return { isAck, told };
}

/** What generic decoding finds. */
function expected(bytes: Uint8Array) {
  const { message } = fromBinary(StreamBatchesResponseSchema, bytes);
  if (message.case !== "ack") return { isAck: false, told: [] };
  const told = message.value.devices.map(({ deviceHandle, ackedSequence, refusals }) => [
    deviceHandle,
    Number(ackedSequence),
    refusals,
  ]);
  return { isAck: true, told };
}

const sequence = fc.maxSafeNat().map(BigInt);
const refusal = fc.record({
  sequence,
  reason: fc.constantFrom(RefusalReason.INFINITE_VALUE, RefusalReason.UNKNOWN_METRIC),
  samples: fc.nat(),
  metricHandle: fc.nat(),
  timeUnixMs: fc.maxSafeInteger().map(BigInt),
  detail: fc.string(),
});
const devices = fc.array(
  fc.record({
    deviceHandle: fc.nat(0xffff_ffff),
    ackedSequence: sequence,
    refusals: fc.array(refusal, { maxLength: 1 }),
  }),
);

describe("an ack", () => {
  it("is read as generic decoding reads it", () => {
    fc.assert(
      fc.property(devices, (devices) => {
        const bytes = encode({ message: { case: "ack", value: { devices } } });
        expect(read(bytes)).toEqual(expected(bytes));
        expect(read(bytes).isAck).toBe(true);
      }),
    );
  });

  it("may lie in a larger buffer", () => {
    const bytes = encode({
      message: { case: "ack", value: { devices: [{ deviceHandle: 300, ackedSequence: 70_000n }] } },
    });
    const larger = new Uint8Array(bytes.length + 20).fill(0xff);
    larger.set(bytes, 10);
    expect(read(larger.subarray(10, 10 + bytes.length)).told).toEqual([[300, 70_000, []]]);
  });

  it("may have fields that are not known yet", () => {
    const device = [0x08, 5, 0x10, 9, 0x78, 1];
    const bytes = Uint8Array.from([0x12, device.length + 5, 0x0a, device.length, ...device, 0x7a, 1, 0]);
    expect(read(bytes)).toEqual(expected(bytes));
    expect(read(bytes).told).toEqual([[5, 9, []]]);
  });
});

describe("what is no ack is left to generic decoding:", () => {
  it.each<[string, Response]>([
    ["nothing", {}],
    ["registered", { message: { case: "registered", value: { deviceHandle: 7, ackedSequence: 3n } } }],
    ["reject", { message: { case: "reject", value: { deviceHandle: 7, detail: "no" } } }],
    ["slow_down", { message: { case: "slowDown", value: {} } }],
    ["drain", { message: { case: "drain", value: { detail: "bye" } } }],
  ])("%s", (_, response) => {
    const bytes = encode(response);
    expect(read(bytes)).toEqual(expected(bytes));
    expect(read(bytes).isAck).toBe(false);
  });

  it("an ack with something behind it", () => {
    const ack = encode({ message: { case: "ack", value: { devices: [{ deviceHandle: 1, ackedSequence: 1n }] } } });
    const drain = encode({ message: { case: "drain", value: {} } });
    expect(read(Buffer.concat([ack, drain]))).toEqual({ isAck: false, told: [] });
  });
});
