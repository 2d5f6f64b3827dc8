import { create, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  batchFrameLength,
  encodeBatch,
  encodeBatchesMessage,
  encodeBatchHeader,
  encodePushMessage,
  encodeTables,
} from "../../lib/wire/batch-encoder.ts";
import { BatchSchema, RegistrationSchema } from "../../proto/gen/telemetry/v1/batch_pb.js";
import {
  PushBatchRequestSchema,
  StreamBatchesRequestSchema,
  UploadBatchesRequestSchema,
} from "../../proto/gen/telemetry/v1/ingest_service_pb.js";
import { anyDeviceHandle, anySequence, anyTables, batchMessage } from "./any-batch.ts";

const anyBatch = fc.tuple(anyDeviceHandle, anySequence, anyTables);

describe("encodeBatch", () => {
  it("writes what generic decoding reads back equal", () => {
    fc.assert(
      fc.property(anyBatch, (batch) => {
        expect(fromBinary(BatchSchema, encodeBatch(...batch))).toEqual(create(BatchSchema, batchMessage(...batch)));
      }),
    );
  });

  it("writes numbers of every length", () => {
    const numbers = Array.from({ length: 53 }, (_, bit) => [2 ** bit - 1, 2 ** bit]).flat();
    for (const number of [...numbers, Number.MAX_SAFE_INTEGER]) {
      const handle = Math.min(number, 0xffff_ffff);
      const values = Float64Array.of(number, -number);
      for (const baseTimeMs of [number, -number]) {
        const tables = [{ metricHandles: [handle], baseTimeMs, offsetsMs: Uint32Array.of(handle, 0), values }];
        const read = fromBinary(BatchSchema, encodeBatch(handle, number, tables));
        expect(read).toMatchObject({ deviceHandle: handle, sequence: BigInt(number) });
        expect(read.tables[0]).toMatchObject({
          metricHandles: [handle],
          baseTimeUnixMs: BigInt(baseTimeMs),
          timeOffsetsMs: [handle, 0],
        });
      }
    }
  });

  it("writes a view of a larger array, and nothing around it", () => {
    const all = Float64Array.of(1, 2, 3, 4);
    const table = { metricHandles: [1], baseTimeMs: 0, offsetsMs: [0, 1], values: all.subarray(1, 3) };
    expect(fromBinary(BatchSchema, encodeBatch(1, 1, [table])).tables[0].values).toEqual([2, 3]);
  });
});

describe("encodeBatchHeader and encodeTables", () => {
  it("write the two parts of a batch", () => {
    fc.assert(
      fc.property(anyBatch, ([deviceHandle, sequence, tables]) => {
        const parts = [encodeBatchHeader(deviceHandle, sequence), encodeTables(tables)];
        expect(Buffer.concat(parts)).toEqual(Buffer.from(encodeBatch(deviceHandle, sequence, tables)));
      }),
    );
  });
});

describe("encodeBatchesMessage", () => {
  it("writes a message of a stream and of an upload", () => {
    fc.assert(
      fc.property(fc.array(anyBatch, { maxLength: 4 }), (batches) => {
        const bytes = encodeBatchesMessage(batches.map((batch) => encodeBatch(...batch)));
        const value = { batches: batches.map((batch) => batchMessage(...batch)) };
        for (const schema of [StreamBatchesRequestSchema, UploadBatchesRequestSchema]) {
          const want = create(schema, { message: { case: "batches", value } });
          expect<Message>(fromBinary(schema, bytes)).toEqual(want);
        }
      }),
    );
  });

  it("adds to each batch as many bytes as batchFrameLength says", () => {
    function f(...lengths: readonly number[]): void {
      const batches = lengths.map((length) => new Uint8Array(length));
      const message = encodeBatchesMessage(batches);
      const frames = batches.reduce((sum, batch) => sum + batchFrameLength(batch), 0);
      const listTagAndLength = message.length - frames;
      expect(listTagAndLength).toBe(frames < 128 ? 2 : frames < 16_384 ? 3 : 4);
    }
    f();
    f(0);
    f(127);
    f(128);
    f(16_383);
    f(16_384);
    f(10, 200, 20_000);
  });
});

describe("encodePushMessage", () => {
  it("writes a request with registration and batch", () => {
    fc.assert(
      fc.property(anyBatch, fc.string({ maxLength: 300 }), (batch, deviceId) => {
        const registration = create(RegistrationSchema, { deviceHandle: 7, deviceId, spoolId: new Uint8Array(16) });
        const bytes = encodePushMessage(toBinary(RegistrationSchema, registration), encodeBatch(...batch));
        const want = create(PushBatchRequestSchema, {
          registration,
          payload: { case: "batch", value: batchMessage(...batch) },
        });
        expect(fromBinary(PushBatchRequestSchema, bytes)).toEqual(want);
      }),
    );
  });
});
