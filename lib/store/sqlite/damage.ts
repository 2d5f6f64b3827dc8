import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import Database from "better-sqlite3";
import { errorMessage, TelemetryError } from "../../base/errors.ts";
import { readAckedPosition } from "./acked-position.ts";
import { cannotOpen } from "./database.ts";
import { checkSchema } from "./schema.ts";

/** A larger database is not read whole at the start; SQLite still refuses to answer from a damaged page of it. */
const checkedBytesMax = 256 * 1024 * 1024;

/**
 * Looks for damage before anything is opened for writing: opening alone would make SQLite drop what it cannot read of
 * its log, and acked batches with it.
 * @throws TelemetryError when the files are not ours, too new, or damaged; then they are as they were
 */
export function checkUndamaged(dataDir: string, file: string): void {
  checkLogBelongs(file);
  if (!existsSync(file)) return;
  let db: Database.Database | undefined;
  try {
    db = new Database(file, { readonly: true });
    if (!checkSchema(db, file)) {
      const acked = readAckedPosition(dataDir);
      if (acked > 0) throw damagedStore(file, `it is empty, and ${acked} groups were acked here`);
      return;
    }
    if (statSync(file).size <= checkedBytesMax) {
      const found = db.pragma("quick_check(1)", { simple: true });
      if (found !== "ok") throw damagedStore(file, String(found));
    }
    checkPosition(db, dataDir, file);
  } catch (error) {
    if (error instanceof TelemetryError) throw error;
    throw isDamage(error) ? damagedStore(file, errorMessage(error)) : cannotOpen(file, error);
  } finally {
    db?.close();
  }
}

/** What of the store is damaged, and what to do. */
export function damagedStore(file: string, detail: string): TelemetryError {
  return new TelemetryError(
    "FAILED_PRECONDITION",
    "STORE_DAMAGED",
    `${file} is damaged: ${detail}; nothing was changed. Put a backup into an empty directory, or begin with an empty ` +
      "one: devices send what they still have",
  );
}

/** SQLite would replay whatever log lies beside a database: into a backup that was put there, for one. */
function checkLogBelongs(file: string): void {
  const log = `${file}-wal`;
  if (!existsSync(log) || statSync(log).size === 0) return;
  if (!existsSync(file) || statSync(file).size === 0) throw damagedStore(file, "it is gone, and its log is still here");
  if (writeVersion(file) === rollbackVersion) throw damagedStore(file, `${log} is the log of another database`);
}

/** Byte 18 of the header: 2 for a database with a log, 1 without (https://www.sqlite.org/fileformat2.html). */
function writeVersion(file: string): number {
  const header = Buffer.alloc(20);
  const handle = openSync(file, "r");
  readSync(handle, header, 0, header.length, 0);
  closeSync(handle);
  return header[18];
}

const rollbackVersion = 1;

/**
 * SQLite reads its log up to the first frame that does not fit, and forgets the rest without a word. After a crash the
 * rest was never acked; when it was, bytes have changed, or are gone.
 */
function checkPosition(db: Database.Database, dataDir: string, file: string): void {
  const { incarnation, position } = db
    .prepare("SELECT incarnation, max(settled, coalesce((SELECT max(position) FROM journal), 0)) AS position FROM meta")
    .get() as { incarnation: string; position: number };
  const acked = readAckedPosition(dataDir, incarnation);
  if (acked <= position) return;
  throw damagedStore(file, `groups ${position + 1} to ${acked} of its journal were acked and are gone`);
}

function isDamage(error: unknown): boolean {
  return error instanceof Database.SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code);
}
