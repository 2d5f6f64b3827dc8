import { createHash } from "node:crypto";
import { cpSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { expect } from "vitest";
import { TelemetryError } from "../../../lib/base/errors.ts";
import { databaseFile } from "../../../lib/store/sqlite/database.ts";
import { makeDataDir, openStore } from "./data-dir.ts";

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
  const entries = readdirSync(dataDir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const names = entries.map(({ parentPath, name }) => relative(dataDir, join(parentPath, name)));
  const kept = names.filter((name) => !/^(lock\.sqlite|holder)|-shm$/.test(name));
  const files = kept.sort().map((name) => [name, readFileSync(join(dataDir, name))] as const);
  const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  return Object.fromEntries(files.filter(([, bytes]) => bytes.length > 0).map(([name, bytes]) => [name, hash(bytes)]));
}

/** Says no as often as it is asked, and leaves everything as it was. */
export function expectRefused(dir: string, message: string | RegExp): void {
  const before = fileHashes(dir);
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const open = () => openStore(dir).close();
    expect(open).toThrow(TelemetryError);
    expect(open).toThrow(expect.objectContaining({ status: "FAILED_PRECONDITION", reason: "STORE_DAMAGED" }));
    expect(open).toThrow(message);
    expect(open).toThrow("nothing was changed");
    expect(fileHashes(dir)).toEqual(before);
  }
}
