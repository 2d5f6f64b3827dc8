import {
  closeSync,
  constants,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
  writevSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Durability, GroupSpan, JournalPosition } from "../store.ts";
import { headBytes, writeHead } from "./group-head.ts";
import { NoSpaceError } from "./no-space-error.ts";
import { headerBytes, newHeader } from "./segment-header.ts";
import { listSegments, listSpares, segmentFile, spareFile } from "./segment-names.ts";

const segmentBytesDefault = 16 * 1024 * 1024;

/** Appends groups to the segments of a directory: one owner, one thread. */
export class SegmentWriter {
  readonly #dir: string;
  readonly #durability: Durability;
  readonly #segmentBytes: number;
  /** Of each segment, ascending. */
  readonly #firsts: JournalPosition[];
  readonly #head = Buffer.alloc(headBytes);
  /** The last segment. One of an earlier start is not appended to: a group that was cut off may be at its end. */
  #file: number | undefined;
  #salt = 0;
  /** Behind its last group. */
  #at = 0;
  /** Files to be written over: the disk need not find room for each group then, which takes twice as long. */
  readonly #spares: string[];
  #fsyncs = 0;

  /**
   * Makes the directory.
   * @param segmentBytes a segment that is so long is followed by a new one: it is released as a whole
   */
  constructor(dir: string, durability: Durability, segmentBytes = segmentBytesDefault) {
    this.#dir = dir;
    this.#durability = durability;
    this.#segmentBytes = segmentBytes;
    mkdirSync(dir, { recursive: true });
    this.#sync(dirname(dir));
    this.#firsts = listSegments(dir);
    this.#spares = listSpares(dir);
    // The last group of a start that was cut off may be whole, and not on disk.
    for (const first of this.#firsts) this.#sync(segmentFile(dir, first));
    this.#sync(dir);
  }

  /** Since it was made, of files and of directories. */
  get fsyncs(): number {
    return this.#fsyncs;
  }

  /** Files of segments, and spares. */
  get files(): number {
    return this.#firsts.length + this.#spares.length;
  }

  /**
   * Durable when it returns.
   * @throws NoSpaceError and others when it could not be written: nothing is there then, or what the next append with
   * its position goes before
   */
  append(position: JournalPosition, records: Uint8Array, span: GroupSpan): void {
    tellingNoSpace(() => this.#append(position, records, span));
  }

  #append(position: JournalPosition, records: Uint8Array, span: GroupSpan): void {
    if (this.#file === undefined || this.#at >= this.#segmentBytes) this.#begin(position);
    const file = this.#file as number;
    writeHead(this.#head, this.#salt, position, span, records);
    try {
      writeAll(file, [this.#head, records], this.#at);
      if (this.#durability === "fsync") {
        fdatasyncSync(file);
        this.#fsyncs += 1;
      }
    } catch (error) {
      this.#cutOff(file);
      throw error;
    }
    this.#at += headBytes + records.length;
  }

  /** Whether there is a segment without groups behind a position, besides the last one. */
  hasThrough(position: JournalPosition): boolean {
    return this.#firsts.length > 1 && this.#firsts[1] <= position + 1;
  }

  /**
   * Deletes the segments without groups behind a position, besides the last one. As many files stay to be used again as
   * there were segments: what the load needs.
   */
  release(through: JournalPosition): void {
    if (!this.hasThrough(through)) return;
    const sparesMax = this.#firsts.length;
    tellingNoSpace(() => {
      while (this.hasThrough(through)) {
        const [first] = this.#firsts;
        const spare = spareFile(this.#dir, first);
        renameSync(segmentFile(this.#dir, first), spare);
        this.#firsts.shift();
        this.#spares.push(spare);
      }
      while (this.#spares.length > sparesMax) {
        rmSync(this.#spares[0]);
        this.#spares.shift();
      }
    });
  }

  /** Deletes everything, when nothing of it is needed any more. */
  clear(): void {
    this.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #begin(first: JournalPosition): void {
    this.close();
    const name = segmentFile(this.#dir, first);
    const spare = this.#spares.at(-1);
    if (spare !== undefined) {
      renameSync(spare, name);
      this.#spares.pop();
    }
    // One that is there already has no whole group: a start was cut off at its first one.
    const file = openSync(name, constants.O_RDWR | constants.O_CREAT);
    if (this.#firsts.at(-1) !== first) this.#firsts.push(first);
    const { bytes, salt } = newHeader();
    try {
      writeAll(file, [bytes], 0);
      this.#sync(this.#dir);
    } catch (error) {
      closeSync(file);
      throw error;
    }
    this.#file = file;
    this.#salt = salt;
    this.#at = headerBytes;
  }

  /** What was written of a group that failed must not be found at the next start. */
  #cutOff(file: number): void {
    try {
      ftruncateSync(file, this.#at);
    } catch {
      // Its checksums do not fit, unless it is whole: then its batches are counted, and told so when they come again.
    }
  }

  /** Of a file, or of a directory: the name of a new file is on disk only when its directory is. */
  #sync(file: string): void {
    if (this.#durability !== "fsync") return;
    const opened = openSync(file, "r");
    try {
      fsyncSync(opened);
      this.#fsyncs += 1;
    } finally {
      closeSync(opened);
    }
  }
}

/** @throws NoSpaceError instead of what the system says of it */
function tellingNoSpace(run: () => void): void {
  try {
    run();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw code === "ENOSPC" || code === "EDQUOT" ? new NoSpaceError(error) : error;
  }
}

/** A disk that is nearly full takes some of it, and says so only when it is asked again. */
function writeAll(file: number, buffers: readonly Uint8Array[], at: number): void {
  let written = writevSync(file, buffers as Uint8Array[], at);
  const length = buffers.reduce((sum, each) => sum + each.length, 0);
  if (written === length) return;
  const rest = Buffer.concat(buffers);
  while (written < length) written += writeSync(file, rest, written, length - written, at + written);
}
