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

const noBytes = new Uint8Array(0);

/** More memory than this is given back after the group that needed it. */
const keptBytesMax = 4 * 1024 * 1024;

/** Gathers the records of a group, in memory that the next group uses again. */
export class JournalRecords {
  #bytes = Buffer.allocUnsafe(64 * 1024);
  #view = viewOf(this.#bytes);
  #length = headerBytes;
  #count = 0;

  /** Adds a record, with a copy of its bytes: `from[start..end]`. */
  add(record: Omit<JournalRecord, "bytes">, from: Uint8Array = noBytes, start = 0, end = from.length): void {
    const at = this.#length;
    const batchAt = at + recordBytes;
    const batchBytes = end - start;
    this.#length = batchAt + batchBytes;
    if (this.#length > this.#bytes.length) this.#grow(at);
    const view = this.#view;
    view.setUint32(at, record.session, true);
    view.setUint32(at + 4, batchBytes, true);
    view.setFloat64(at + 8, record.sequence, true);
    view.setFloat64(at + 16, record.counted, true);
    view.setFloat64(at + 24, record.refused, true);
    view.setFloat64(at + 32, record.samplesLost, true);
    view.setFloat64(at + 40, record.batchesLost, true);
    view.setFloat64(at + 48, record.watermarkMs, true);
    if (batchBytes > 0) this.#bytes.set(from.subarray(start, end), batchAt);
    this.#count += 1;
  }

  /** The group's bytes, until the next record is added, or undefined when there is no record; it is empty again. */
  take({ nowMs, keptFromMs, latestMs, latenessMs }: GroupBounds): Uint8Array | undefined {
    if (this.#count === 0) return undefined;
    const bytes = this.#bytes.subarray(0, this.#length);
    let at = bytes.writeUInt32LE(version, 0);
    at = bytes.writeUInt32LE(this.#count, at);
    for (const value of [nowMs, keptFromMs, latestMs, latenessMs]) at = bytes.writeDoubleLE(value, at);
    bytes.writeUInt32LE(crc32(bytes.subarray(headerBytes)), checksumAt);
    this.#length = headerBytes;
    this.#count = 0;
    if (this.#bytes.length > keptBytesMax) this.#replace(keptBytesMax);
    return bytes;
  }

  /** @param used what is in it already */
  #grow(used: number): void {
    const before = this.#bytes;
    this.#replace(Math.max(before.length * 2, this.#length));
    before.copy(this.#bytes, 0, 0, used);
  }

  #replace(length: number): void {
    this.#bytes = Buffer.allocUnsafe(length);
    this.#view = viewOf(this.#bytes);
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Buffer): DataView {
  return new DataView(buffer, byteOffset, byteLength);
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
