import { crc32 } from "node:zlib";
import { TelemetryError } from "../base/errors.ts";
import type { TimeBounds } from "./sample-check.ts";

/**
 * What a group of the journal holds: for each settled sequence its session and its verdict, and the batch's bytes as
 * they came. With the verdict lie the bounds that it rested on, so that a replay never judges again by another clock or
 * configuration.
 *
 *     group:  version u32, count u32, nowMs f64, keptFromMs f64, latestMs f64, latenessMs f64, checksum u32, records
 *     record: session u32, length u32, sequence f64, counted f64, refused f64, samplesLost f64, batchesLost f64,
 *             watermarkMs f64, bytes
 *
 * Little-endian; the checksum is CRC-32 of what follows it: SQLite notices damaged pages, not damaged content. A record
 * without bytes counts nothing: a gap, or a batch that was refused whole.
 */
export interface JournalRecord {
  readonly session: number;
  /** The highest sequence that it settles. */
  readonly sequence: number;
  readonly counted: number;
  readonly refused: number;
  readonly samplesLost: number;
  readonly batchesLost: number;
  /** Of the device, before the batch. */
  readonly watermarkMs: number;
  /** The batch, in the buffer that it was read from. */
  readonly bytes: Uint8Array;
}

export interface GroupBounds extends TimeBounds {
  /** When the group was admitted. */
  readonly nowMs: number;
  /** How late a sample might be before its window counted as final. */
  readonly latenessMs: number;
}

const version = 2;
const headerBytes = 44;
const checksumAt = 40;
const recordBytes = 56;

/** Gathers the records of a group. */
export class JournalRecords {
  #records: JournalRecord[] = [];
  #length = headerBytes;

  /** @param record its bytes stay the caller's, and must not change until `take` */
  add(record: JournalRecord): void {
    this.#records.push(record);
    this.#length += recordBytes + record.bytes.length;
  }

  /** The group's bytes, or undefined when there is no record; it is empty again. */
  take({ nowMs, keptFromMs, latestMs, latenessMs }: GroupBounds): Uint8Array | undefined {
    const records = this.#records;
    if (records.length === 0) return undefined;
    const bytes = Buffer.allocUnsafe(this.#length);
    let at = bytes.writeUInt32LE(version, 0);
    at = bytes.writeUInt32LE(records.length, at);
    for (const value of [nowMs, keptFromMs, latestMs, latenessMs]) at = bytes.writeDoubleLE(value, at);
    at = headerBytes;
    for (const record of records) {
      const { session, sequence, counted, refused, samplesLost, batchesLost, watermarkMs, bytes: batch } = record;
      at = bytes.writeUInt32LE(session, at);
      at = bytes.writeUInt32LE(batch.length, at);
      at = bytes.writeDoubleLE(sequence, at);
      at = bytes.writeDoubleLE(counted, at);
      at = bytes.writeDoubleLE(refused, at);
      at = bytes.writeDoubleLE(samplesLost, at);
      at = bytes.writeDoubleLE(batchesLost, at);
      at = bytes.writeDoubleLE(watermarkMs, at);
      bytes.set(batch, at);
      at += batch.length;
    }
    bytes.writeUInt32LE(crc32(bytes.subarray(headerBytes)), checksumAt);
    this.#records = [];
    this.#length = headerBytes;
    return bytes;
  }
}

/** A group that is read back. */
export class JournalGroup {
  readonly bounds: GroupBounds;
  readonly #bytes: Buffer;

  /** @throws TelemetryError when it is damaged */
  constructor(group: Uint8Array) {
    const bytes = Buffer.from(group.buffer, group.byteOffset, group.byteLength);
    const found = bytes.readUInt32LE(0);
    if (found !== version || bytes.readUInt32LE(checksumAt) !== crc32(bytes.subarray(headerBytes))) {
      throw new TelemetryError(
        "FAILED_PRECONDITION",
        "STORE_DAMAGED",
        `a group of the journal (version ${found}) cannot be read: its bytes have changed. Put a backup into an empty ` +
          "directory, or begin with an empty one: devices send what they still have",
      );
    }
    this.#bytes = bytes;
    this.bounds = {
      nowMs: bytes.readDoubleLE(8),
      keptFromMs: bytes.readDoubleLE(16),
      latestMs: bytes.readDoubleLE(24),
      latenessMs: bytes.readDoubleLE(32),
    };
  }

  /** @param from where to begin: `end` of a record; the first one unless told otherwise */
  *records(from = headerBytes): Generator<JournalRecord & { readonly end: number }> {
    const bytes = this.#bytes;
    for (let at = from; at < bytes.length; ) {
      const end = at + recordBytes + bytes.readUInt32LE(at + 4);
      yield {
        session: bytes.readUInt32LE(at),
        sequence: bytes.readDoubleLE(at + 8),
        counted: bytes.readDoubleLE(at + 16),
        refused: bytes.readDoubleLE(at + 24),
        samplesLost: bytes.readDoubleLE(at + 32),
        batchesLost: bytes.readDoubleLE(at + 40),
        watermarkMs: bytes.readDoubleLE(at + 48),
        bytes: bytes.subarray(at + recordBytes, end),
        end,
      };
      at = end;
    }
  }
}
