import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { JournalPosition } from "../store.ts";

/**
 * The highest position that was acked, in a file beside the database, so that a log which has lost its end is noticed.
 * Written after the fsync of the group and never synced itself: after a power cut it may be behind, never ahead. With
 * durability `process` nothing is synced: a power cut may then leave a store that is refused, as it has lost what it acked.
 *
 *     incarnation (32 bytes of text), position f64 little-endian
 */
const incarnationBytes = 32;

export class AckedPosition {
  readonly #file: number;
  readonly #bytes = Buffer.alloc(incarnationBytes + 8);

  constructor(dataDir: string, incarnation: string) {
    this.#file = openSync(positionFile(dataDir), "w");
    this.#bytes.write(incarnation, 0, "latin1");
  }

  write(position: JournalPosition): void {
    this.#bytes.writeDoubleLE(position, incarnationBytes);
    writeSync(this.#file, this.#bytes, 0, this.#bytes.length, 0);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/**
 * @param incarnation the database that it must be of; another one was put in its place (a backup)
 * @returns 0 when it is not known, or of another database
 */
export function readAckedPosition(dataDir: string, incarnation?: string): JournalPosition {
  try {
    const bytes = readFileSync(positionFile(dataDir));
    if (bytes.length < incarnationBytes + 8) return 0;
    const found = bytes.toString("latin1", 0, incarnationBytes);
    return incarnation === undefined || found === incarnation ? bytes.readDoubleLE(incarnationBytes) : 0;
  } catch {
    return 0;
  }
}

function positionFile(dataDir: string): string {
  return join(dataDir, "acked");
}
