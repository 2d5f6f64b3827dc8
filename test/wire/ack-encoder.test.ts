import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, it } from "vitest";
import { encodeStreamAck } from "../../lib/wire/ack-encoder.ts";
import { StreamBatchesResponseSchema } from "../../proto/gen/telemetry/v1/ingest_service_pb.js";

it("an ack has the bytes of generic encoding", () => {
  const device = fc.record({
    deviceHandle: fc.oneof(fc.nat({ max: 300 }), fc.integer({ min: 0, max: 0xffff_ffff })),
    ackedSequence: fc.oneof(fc.nat({ max: 300 }), fc.maxSafeNat()),
  });
  fc.assert(
    fc.property(fc.array(device, { maxLength: 20 }), (devices) => {
      const value = { devices: devices.map((each) => ({ ...each, ackedSequence: BigInt(each.ackedSequence) })) };
      const message = create(StreamBatchesResponseSchema, { message: { case: "ack", value } });
      expect(Buffer.from(encodeStreamAck(devices))).toEqual(
        Buffer.from(toBinary(StreamBatchesResponseSchema, message)),
      );
    }),
  );
});
