import { closeSync, openSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";
import type { JournalPosition } from "../store.ts";
import { type GroupHead, headBytes, readHead } from "./group-head.ts";
import { headerBytes, readHeader } from "./segment-header.ts";

/** Heads are read so many bytes at once: small groups lie close together, large ones are passed over. */
const chunkBytes = 16 * 1024;

/** @returns undefined when there is no such file */
export function openSegment(file: string, first: JournalPosition): Segment | undefined {
  try {
    return new Segment(openSync(file, "r"), first);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** One segment, open for reading. What is behind its last group is of a group that was cut off, or of another life. */
export class Segment {
  /** In order; those that have been found so far. */
  readonly heads: GroupHead[] = [];
  readonly first: JournalPosition;
  /** It was looked whether all groups up to here are there. */
  checked: JournalPosition;
  readonly #file: number;
  readonly #chunk = Buffer.allocUnsafe(chunkBytes);
  /** Undefined: it has no header yet. */
  #salt: number | undefined;
  /** Behind the last of `heads`. */
  #end = headerBytes;

  /** @param file its descriptor, which `close` closes */
  constructor(file: number, first: JournalPosition) {
    this.#file = file;
    this.first = first;
    this.checked = first - 1;
  }

  /**
   * Looks for groups that have come since.
   * @param before it has none from here on: they are in the next one
   */
  extend(before: JournalPosition): void {
    this.#salt ??= this.#readSalt();
    if (this.#salt === undefined) return;
    let chunkAt = 0;
    let chunkEnd = 0;
    for (;;) {
      if (this.#end + headBytes > chunkEnd) {
        chunkAt = this.#end;
        chunkEnd = chunkAt + readSync(this.#file, this.#chunk, 0, chunkBytes, chunkAt);
        if (this.#end + headBytes > chunkEnd) return;
      }
      const head = readHead(this.#chunk, this.#end - chunkAt, this.#salt, this.#end);
      if (head === undefined || head.position >= before) return;
      this.heads.push(head);
      this.#end += headBytes + head.length;
    }
  }

  /** @returns undefined when they are not whole, or something else is there by now */
  records({ at, length, recordsChecksum, position }: GroupHead): Uint8Array | undefined {
    const bytes = Buffer.allocUnsafe(headBytes + length);
    if (readSync(this.#file, bytes, 0, bytes.length, at) < bytes.length) return undefined;
    const records = bytes.subarray(headBytes);
    const found = readHead(bytes, 0, this.#salt ?? 0, at);
    const isSame = found?.position === position && found.recordsChecksum === recordsChecksum;
    return isSame && crc32(records) === recordsChecksum ? records : undefined;
  }

  /** Of the groups that have been found: the first with a position after this one; `heads.length` when none has. */
  indexAfter(position: JournalPosition): number {
    let low = 0;
    let high = this.heads.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.heads[middle].position <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  close(): void {
    closeSync(this.#file);
  }

  #readSalt(): number | undefined {
    const bytes = this.#chunk.subarray(0, headerBytes);
    return readSync(this.#file, bytes, 0, headerBytes, 0) === headerBytes ? readHeader(bytes) : undefined;
  }
}
