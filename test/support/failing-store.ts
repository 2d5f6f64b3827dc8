import Database from "better-sqlite3";
import type { WindowPart } from "../../lib/aggregate/held-windows.ts";
import type { Shard } from "../../lib/aggregate/shard.ts";
import type { Tier } from "../../lib/aggregate/tiers.ts";
import { MemoryStore } from "../../lib/store/memory/memory-store.ts";
import type { CatalogStep, GroupSpan, JournalPosition, Session, StoredDevice } from "../../lib/store/store.ts";

/** What a store throws when there is no space, and when the disk itself fails. */
export const diskFull = (): Error => new Database.SqliteError("database or disk is full", "SQLITE_FULL");
export const ioFailure = (): Error => new Database.SqliteError("disk I/O error", "SQLITE_IOERR_READ");

/** A store that can be told to fail; what fails has changed nothing. */
export class FailingStore extends MemoryStore {
  /** What every write throws. */
  failure: Error | undefined;
  /** What every reading of a window or a device throws. */
  readFailure: Error | undefined;

  constructor(tiers: readonly Tier[]) {
    super(tiers);
    const { loadWindow } = this;
    this.loadWindow = (...args) => {
      if (this.readFailure !== undefined) throw this.readFailure;
      return loadWindow(...args);
    };
  }

  override findDevice(deviceId: string): StoredDevice | undefined {
    if (this.readFailure !== undefined) throw this.readFailure;
    return super.findDevice(deviceId);
  }

  override append(
    records: Uint8Array | undefined,
    catalog: CatalogStep | undefined,
    span?: GroupSpan,
  ): JournalPosition {
    this.#write();
    return super.append(records, catalog, span);
  }

  override commit(shard: Shard, through: JournalPosition, parts: readonly WindowPart[]): void {
    this.#write();
    super.commit(shard, through, parts);
  }

  override commitSessions(sessions: Iterable<Session>): void {
    this.#write();
    super.commitSessions(sessions);
  }

  override settle(through: JournalPosition): void {
    this.#write();
    super.settle(through);
  }

  override trim(nowMs: number, groupsMax: number): number {
    this.#write();
    return super.trim(nowMs, groupsMax);
  }

  override storeRollUp(part: WindowPart): void {
    this.#write();
    super.storeRollUp(part);
  }

  override advanceRollUp(widthMs: number, rolledMs: number): void {
    this.#write();
    super.advanceRollUp(widthMs, rolledMs);
  }

  override prune(nowMs: number, windowsMax: number): number {
    this.#write();
    return super.prune(nowMs, windowsMax);
  }

  #write(): void {
    if (this.failure !== undefined) throw this.failure;
  }
}
