import { crc32 } from "node:zlib";
import type { GroupSpan, JournalPosition } from "../store.ts";

/**
 * A group of the journal in a segment: its head, then its records.
 *
 *     head: checksum u32 (CRC-32 of the rest of the head, begun with the segment's salt), checksum of the records u32,
 *           length of the records u32, 0 u32, position f64, receivedMs f64, fromMs f64, toMs f64 (NaN: no sample counts)
 *
 * Little-endian. A head fits its own records, in its own segment, only: what a file had in it before it was a segment,
 * bytes of devices among them, passes for a group of it by none of them.
 */
export interface GroupHead extends GroupSpan {
  readonly position: JournalPosition;
  /** Of the head in its segment. */
  readonly at: number;
  /** Of the records, in bytes. */
  readonly length: number;
  readonly recordsChecksum: number;
}

export const headBytes = 48;
const positionAt = 16;
const receivedAt = 24;
const fromAt = 32;
const toAt = 40;

export function writeHead(
  into: Buffer,
  salt: number,
  position: JournalPosition,
  span: GroupSpan,
  records: Uint8Array,
): void {
  into.writeUInt32LE(crc32(records), 4);
  into.writeUInt32LE(records.length, 8);
  into.writeUInt32LE(0, 12);
  into.writeDoubleLE(position, positionAt);
  into.writeDoubleLE(span.receivedMs, receivedAt);
  into.writeDoubleLE(span.fromMs ?? Number.NaN, fromAt);
  into.writeDoubleLE(span.toMs ?? Number.NaN, toAt);
  into.writeUInt32LE(headChecksum(into, 0, salt), 0);
}

/**
 * @param from has the whole head, beginning at `offset`
 * @param at where that is in its segment
 * @returns undefined when there is no head there, or a damaged one
 */
export function readHead(from: Buffer, offset: number, salt: number, at: number): GroupHead | undefined {
  if (from.readUInt32LE(offset) !== headChecksum(from, offset, salt)) return undefined;
  const timeAt = (field: number) => {
    const timeMs = from.readDoubleLE(offset + field);
    return Number.isNaN(timeMs) ? undefined : timeMs;
  };
  return {
    position: from.readDoubleLE(offset + positionAt),
    at,
    length: from.readUInt32LE(offset + 8),
    recordsChecksum: from.readUInt32LE(offset + 4),
    receivedMs: from.readDoubleLE(offset + receivedAt),
    fromMs: timeAt(fromAt),
    toMs: timeAt(toAt),
  };
}

function headChecksum(bytes: Buffer, offset: number, salt: number): number {
  return crc32(bytes.subarray(offset + 4, offset + headBytes), salt);
}
