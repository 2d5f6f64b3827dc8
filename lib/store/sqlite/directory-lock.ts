import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { TelemetryError } from "../../base/errors.ts";
import { cannotOpen } from "./database.ts";

/**
 * Keeps a second writer out of a data directory. The lock is SQLite's own on an empty database beside
 * the real one: the kernel drops it however this process ends.
 * @throws TelemetryError that names the holder, when another process holds it
 */
export function lockDirectory(dataDir: string): { release(): void } {
  const holderFile = join(dataDir, "holder");
  const db = openLock(dataDir);
  try {
    db.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    db.close();
    if (!(error instanceof Database.SqliteError) || error.code !== "SQLITE_BUSY") throw cannotOpen(dataDir, error);
    throw new TelemetryError(
      "FAILED_PRECONDITION",
      "DATA_DIRECTORY_IN_USE",
      `${dataDir} is in use by another tidemark server, ${readHolder(holderFile)}; stop that one, or name another ` +
        "directory with --data",
      { cause: error },
    );
  }
  writeFileSync(holderFile, `process ${process.pid}\n`);
  return { release: () => void db.close() };
}

function readHolder(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "which has not named itself";
  }
}

function openLock(dataDir: string): Database.Database {
  try {
    mkdirSync(dataDir, { recursive: true });
    return new Database(join(dataDir, "lock.sqlite"), { timeout: 0 });
  } catch (error) {
    throw cannotOpen(dataDir, error);
  }
}
