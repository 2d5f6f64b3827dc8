import { createHash } from "node:crypto";
import { cpSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { databaseFile } from "../../../lib/store/sqlite/database.ts";
import { makeDataDir } from "./data-dir.ts";

/** What a crash leaves: a copy of the directory while the store is open, since closing empties the log. */
export function crashCopy(dataDir: string): string {
  const dir = makeDataDir();
  cpSync(dataDir, dir, { recursive: true });
  return dir;
}

export function logFile(dataDir: string): string {
  return `${databaseFile(dataDir)}-wal`;
}

/** A directory's files that are not empty, by their contents; without the lock, and the log's index. */
export function fileHashes(dataDir: string): Record<string, string> {
  const names = readdirSync(dataDir).filter((name) => !/^(lock\.sqlite|holder)|-shm$/.test(name));
  const files = names.sort().map((name) => [name, readFileSync(join(dataDir, name))] as const);
  const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  return Object.fromEntries(files.filter(([, bytes]) => bytes.length > 0).map(([name, bytes]) => [name, hash(bytes)]));
}
