import { mkdirSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { errorMessage, TelemetryError } from "../../lib/base/errors.ts";

/** Names the file as ours: "TmSp". */
const applicationId = 0x546d_5370;
const schemaVersion = 1;

const schema = `
  CREATE TABLE options (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE devices (
    handle INTEGER PRIMARY KEY,
    device_id TEXT NOT NULL UNIQUE,
    spool_id BLOB NOT NULL,
    next_sequence INTEGER NOT NULL,
    acked_sequence INTEGER NOT NULL,
    incarnation BLOB NOT NULL
  ) STRICT;
  CREATE TABLE batches (
    handle INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (handle, sequence)
  ) STRICT;
  CREATE TABLE gaps (
    handle INTEGER NOT NULL,
    first_sequence INTEGER NOT NULL,
    last_sequence INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    PRIMARY KEY (handle, first_sequence)
  ) STRICT, WITHOUT ROWID;
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${schemaVersion};
`;

/**
 * The file that keeps the spools of a process: one writer, and no second process.
 * @throws TelemetryError when another process has it, or it is not such a file
 */
export function openSpoolDatabase(directory: string): Database.Database {
  const file = join(directory, "spool.sqlite");
  let db: Database.Database | undefined;
  try {
    mkdirSync(directory, { recursive: true });
    db = new Database(file, { timeout: 0 });
    // Before the first access: the lock is then held until this process ends, however it ends.
    db.pragma("locking_mode = EXCLUSIVE");
    db.pragma("journal_mode = WAL");
    // The default under WAL loses commits in a power cut: a sequence would come again with other bytes.
    db.pragma("synchronous = FULL");
    db.transaction(prepare).exclusive(db, file);
    return db;
  } catch (error) {
    db?.close();
    if (error instanceof TelemetryError) throw error;
    throw isBusy(error) ? inUse(directory, error) : unreadable(file, errorMessage(error), error);
  }
}

function prepare(db: Database.Database, file: string): void {
  const found = db.pragma("application_id", { simple: true });
  const version = db.pragma("user_version", { simple: true });
  const tables = db.prepare("SELECT count(*) FROM sqlite_schema").pluck().get();
  if (found === 0 && version === 0 && tables === 0) db.exec(schema);
  else if (found !== applicationId) throw unreadable(file, "it is the database of another program");
  else if (version !== schemaVersion) {
    throw unreadable(file, `its format is version ${version}, this program knows version ${schemaVersion}`);
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code.startsWith("SQLITE_BUSY");
}

function inUse(directory: string, cause: unknown): TelemetryError {
  return new TelemetryError(
    "FAILED_PRECONDITION",
    "DATA_DIRECTORY_IN_USE",
    `the spool in ${directory} is in use by another simulator; stop that one, or name another directory with --spool`,
    { cause },
  );
}

function unreadable(file: string, problem: string, cause?: unknown): TelemetryError {
  return new TelemetryError(
    "FAILED_PRECONDITION",
    "STORE_UNREADABLE",
    `cannot use the spool ${file}: ${problem}; name another directory with --spool`,
    { cause },
  );
}
