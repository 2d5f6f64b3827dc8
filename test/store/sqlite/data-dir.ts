import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { defaultTiers, type Tier } from "../../../lib/aggregate/tiers.ts";
import type { RawRetention } from "../../../lib/store/raw-retention.ts";
import { openSqliteJournal } from "../../../lib/store/sqlite/sqlite-journal-reader.ts";
import { openSqliteReader } from "../../../lib/store/sqlite/sqlite-reader.ts";
import { openSqliteStore, type SqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";

/** A new directory, removed when the test has finished. */
export function makeDataDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "tidemark-store-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  return dir;
}

/** What was committed survives the end of the process: tests do not cut the power. */
export function openStore(dataDir: string, tiers: readonly Tier[] = defaultTiers, keepRaw?: RawRetention): SqliteStore {
  return openSqliteStore({ dataDir, tiers, durability: "process", keepRaw });
}

/** A store and readers of it, in a new directory unless told otherwise; closed when the test has finished. */
export function openSqlite(tiers: readonly Tier[] = defaultTiers, dir = makeDataDir(), keepRaw?: RawRetention) {
  const store = openStore(dir, tiers, keepRaw);
  onTestFinished(() => store.close());
  const reader = openSqliteReader(dir, tiers);
  onTestFinished(() => reader.close());
  const journal = openSqliteJournal(dir);
  onTestFinished(() => journal.close());
  return { store, reader, journal };
}
