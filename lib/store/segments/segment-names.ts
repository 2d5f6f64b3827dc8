import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { JournalPosition } from "../store.ts";

/** The directory of the segments that belong to a database: another one in its place has others. */
export function segmentDirectory(dataDir: string, incarnation: string): string {
  return join(dataDir, `journal-${incarnation}`);
}

/** Whether there are segments of any database in a data directory. */
export function hasSegments(dataDir: string): boolean {
  const directories = readdirSync(dataDir).filter((name) => /^journal-[0-9a-f]{32}$/.test(name));
  return directories.some((name) => listSegments(join(dataDir, name)).length > 0);
}

/** A segment is named by the position that was next when it was begun: it has no group before. */
export function segmentFile(dir: string, first: JournalPosition): string {
  return join(dir, `${String(first).padStart(16, "0")}.segment`);
}

/** What a segment is called when it is one no more, and may be written over. */
export function spareFile(dir: string, first: JournalPosition): string {
  return join(dir, `${String(first).padStart(16, "0")}.spare`);
}

export function listSpares(dir: string): string[] {
  return existsSync(dir) ? readdirSync(dir).flatMap((name) => (name.endsWith(".spare") ? join(dir, name) : [])) : [];
}

/** The `first` of all segments of a directory, ascending. */
export function listSegments(dir: string): JournalPosition[] {
  if (!existsSync(dir)) return [];
  const names = readdirSync(dir).flatMap((name) => /^(\d{16})\.segment$/.exec(name)?.[1] ?? []);
  return names.map(Number).sort((a, b) => a - b);
}
