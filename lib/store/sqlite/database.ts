import { mkdirSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import type { Tier } from "../../aggregate/tiers.ts";
import { errorMessage, TelemetryError } from "../../base/errors.ts";
import type { Durability } from "../store.ts";
import { prepareSchema } from "./schema.ts";

/** The database's file in a data directory. */
export function databaseFile(dataDir: string): string {
  return join(dataDir, "tidemark.sqlite");
}

/** Opens for writing: WAL, and with `fsync` one at each commit, so that what is acked survives a power cut. */
export function openForWriting(dataDir: string, durability: Durability, tiers: readonly Tier[]): Database.Database {
  const file = databaseFile(dataDir);
  let db: Database.Database | undefined;
  try {
    mkdirSync(dataDir, { recursive: true });
    db = new Database(file);
    // Before anything is changed: it may be another program's.
    prepareSchema(db, file, tiers);
    db.pragma("journal_mode = WAL");
    // better-sqlite3's own default under WAL is NORMAL, which loses commits in a power cut.
    db.pragma(`synchronous = ${durability === "fsync" ? "FULL" : "NORMAL"}`);
    // Checkpoints come between groups, when the writer says so (`SqliteStore.checkpoint`), not inside a commit.
    db.pragma("wal_autocheckpoint = 0");
    // After a large write the log is cut back to this size.
    db.pragma("journal_size_limit = 67108864");
    return db;
  } catch (error) {
    db?.close();
    throw error instanceof TelemetryError ? error : cannotOpen(file, error);
  }
}

const tellingPragmas = [
  "journal_mode",
  "synchronous",
  "page_size",
  "cache_size",
  "wal_autocheckpoint",
  "journal_size_limit",
  "mmap_size",
] as const;

/** The settings that say how durable and how fast a connection is, as read back from it. */
export function readPragmas(db: Database.Database): Readonly<Record<string, string>> {
  return Object.fromEntries(tellingPragmas.map((name) => [name, String(db.pragma(name, { simple: true }))]));
}

/** Opens for reading what another connection writes. */
export function openForReading(dataDir: string): Database.Database {
  const file = databaseFile(dataDir);
  try {
    return new Database(file, { readonly: true, fileMustExist: true });
  } catch (error) {
    throw cannotOpen(file, error);
  }
}

/** The file or directory cannot be used at all. */
export function cannotOpen(file: string, cause: unknown): TelemetryError {
  return new TelemetryError(
    "FAILED_PRECONDITION",
    "STORE_UNREADABLE",
    `cannot open ${file}: ${errorMessage(cause)}; check the path, its permissions and the disk, or name another directory with --data`,
    { cause },
  );
}
