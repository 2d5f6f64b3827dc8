import { closeSync, fsyncSync, openSync, readSync } from "node:fs";
import { databaseFile } from "./database.ts";

/** https://sqlite.org/fileformat2.html#walformat */
const headerBytes = 32;
const headerSaltsAt = 16;
const frameHeaderBytes = 24;
const frameSaltsAt = 8;
const saltBytes = 8;

/**
 * The write-ahead log. Its file does not say how much is in it: SQLite begins anew at its start when all of it is in the
 * database, and leaves what was written there before. What belongs to the log has the salts of its header.
 */
export class LogFile {
  readonly #file: string;
  readonly #frameBytes: number;
  readonly #salts = Buffer.alloc(saltBytes);
  readonly #frameSalts = Buffer.alloc(saltBytes);
  #descriptor: number | undefined;

  /** @param pageBytes of the database */
  constructor(dataDir: string, pageBytes: number) {
    this.#file = `${databaseFile(dataDir)}-wal`;
    this.#frameBytes = frameHeaderBytes + pageBytes;
  }

  /** Whether more than so many bytes are in the log. What is in the database already counts until the next commit. */
  isLongerThan(bytes: number): boolean {
    const frame = headerBytes + Math.floor(bytes / this.#frameBytes) * this.#frameBytes;
    return (
      this.#read(this.#frameSalts, frame + frameSaltsAt) &&
      this.#read(this.#salts, headerSaltsAt) &&
      this.#salts.equals(this.#frameSalts)
    );
  }

  /** What is in it is on disk when this returns. */
  sync(): void {
    this.#descriptor ??= openSync(this.#file, "r");
    fsyncSync(this.#descriptor);
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
  }

  /** @returns whether the file is so long */
  #read(into: Buffer, at: number): boolean {
    this.#descriptor ??= openSync(this.#file, "r");
    return readSync(this.#descriptor, into, 0, into.length, at) === into.length;
  }
}
