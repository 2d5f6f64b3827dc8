import { create, toBinary } from "@bufbuild/protobuf";
import { encodeBatch } from "../../lib/wire/batch-encoder.ts";
import { embed } from "../../lib/wire/embed.ts";
import { PushNamedResponseSchema } from "../../proto/gen/bench/v1/named_service_pb.js";

/**
 * Answers without generic encoding. `Registered`, `DeviceAck` and `StreamNamedResponse` begin with the two fields that a
 * `Batch` begins with, the device's handle and a sequence, under the same numbers.
 */

/** A `Registered`, a `DeviceAck` or a `StreamNamedResponse`. */
export function encodeAck(deviceHandle: number, ackedSequence: number): Uint8Array {
  return encodeBatch(deviceHandle, ackedSequence, []);
}

/** A `StreamBatchesResponse` or a `PushBatchResponse` with a `Registered`, or a device of an `UploadBatchesResponse`. */
export function encodeFirstField(ack: Uint8Array): Uint8Array {
  return embed(1, ack);
}

export function encodeNamedAck(ackedSequence: number): Uint8Array {
  const message = create(PushNamedResponseSchema, { ackedSequence: BigInt(ackedSequence) });
  return toBinary(PushNamedResponseSchema, message);
}
