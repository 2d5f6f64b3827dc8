import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import Database from "better-sqlite3";
import { errorMessage, TelemetryError } from "../../base/errors.ts";
import { hasSegments } from "../segments/segment-names.ts";
import { readAckedPosition } from "./acked-position.ts";
import { damagedStore } from "./damaged-store.ts";
import { cannotOpen } from "./database.ts";
import { lastWholeGroup } from "./journal-groups.ts";
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
  if (!existsSync(file)) {
    if (existsSync(dataDir) && hasSegments(dataDir))
      throw damagedStore(file, "it is gone, and its journal is still here");
    return;
  }
  let db: Database.Database | undefined;
  try {
    db = new Database(file, { readonly: true });
    if (!checkSchema(db, file)) {
      const acked = readAckedPosition(dataDir);
      if (acked > 0) throw damagedStore(file, `it is empty, and ${acked} groups were acked here`);
      if (hasSegments(dataDir)) throw damagedStore(file, "it is empty, and its journal is still here");
      return;
    }
    if (statSync(file).size <= checkedBytesMax) {
      const found = db.pragma("quick_check(1)", { simple: true });
      if (found !== "ok") throw damagedStore(file, String(found));
    }
    checkJournal(db, dataDir, file);
  } catch (error) {
    if (error instanceof TelemetryError) throw error;
    throw isDamage(error) ? damagedStore(file, errorMessage(error)) : cannotOpen(file, error);
  } finally {
    db?.close();
  }
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
 * SQLite reads its log up to the first frame that does not fit, and forgets the rest without a word; a segment is read
 * up to the first group that does not fit. After a crash the rest was never acked; when it was, bytes have changed, or
 * are gone.
 */
function checkJournal(db: Database.Database, dataDir: string, file: string): void {
  const { last, isHole } = lastWholeGroup(db, dataDir);
  const incarnation = db.prepare("SELECT incarnation FROM meta").pluck().get() as string;
  const acked = readAckedPosition(dataDir, incarnation);
  // A group is begun when those before it are on disk: what a start finds is synced by it.
  if (isHole) throw damagedStore(file, `group ${last + 1} of its journal was acked and is gone`);
  if (acked <= last) return;
  throw damagedStore(file, `groups ${last + 1} to ${acked} of its journal were acked and are gone`);
}

function isDamage(error: unknown): boolean {
  return error instanceof Database.SqliteError && /^SQLITE_(CORRUPT|NOTADB)/.test(error.code);
}
