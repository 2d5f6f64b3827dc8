import { randomBytes } from "node:crypto";
import Database from "better-sqlite3";
import type { WindowPart } from "../../aggregate/held-windows.ts";
import type { SeriesRange } from "../../aggregate/roll-up.ts";
import type { Shard } from "../../aggregate/shard.ts";
import { keptFromMs, type Tier } from "../../aggregate/tiers.ts";
import type { WindowTable } from "../../aggregate/window-table.ts";
import { systemClock } from "../../base/clock.ts";
import { DurationHistogram } from "../../base/duration-histogram.ts";
import { reach } from "../../base/faults.ts";
import type { RawRetention } from "../raw-retention.ts";
import type { PurgePosition } from "../registry.ts";
import type {
  AggregateStore,
  CatalogStep,
  Device,
  Durability,
  GroupSpan,
  Journal,
  JournalEntry,
  JournalPosition,
  NextIds,
  Series,
  Session,
  StoredDevice,
} from "../store.ts";
import { WindowChangesOfPart } from "./changed-windows.ts";
import { checkUndamaged } from "./damage.ts";
import { databaseFile, openForWriting, readPragmas } from "./database.ts";
import { lockDirectory } from "./directory-lock.ts";
import { LogFile } from "./log-file.ts";
import { SqliteDeletedDevices } from "./purge.ts";
import {
  type DeviceColumns,
  latestStart,
  nextStart,
  prepareStatements,
  readDevice,
  readMarks,
  readSession,
  readWindows,
  type SessionColumns,
  type Statements,
  sessionMarks,
  setWindowRow,
  type WindowRow,
  writeWindow,
} from "./rows.ts";
import { SqliteJournal } from "./sqlite-journal.ts";
import { Transactions } from "./transactions.ts";

export interface SqliteStoreOptions {
  readonly dataDir: string;
  /** Finest first. */
  readonly tiers: readonly Tier[];
  readonly durability: Durability;
  /** For how long settled groups stay in the journal; undefined: not at all. */
  readonly keepRaw?: RawRetention | undefined;
  /** The log is too long when readers have kept it from being emptied up to here; 128 MiB by default. */
  readonly logBytesMax?: number;
}

/**
 * Opens the store of a data directory, and makes it if there is none.
 * @throws TelemetryError when another server has it, or it cannot be read
 */
export function openSqliteStore(options: SqliteStoreOptions): SqliteStore {
  const { dataDir } = options;
  const lock = lockDirectory(dataDir);
  try {
    checkUndamaged(dataDir, databaseFile(dataDir));
    const db = openForWriting(dataDir, options.durability, options.tiers);
    try {
      return new SqliteStore(db, options, lock);
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** The log is moved into the database when it is this long: 10 to 30 ms of work, once in a while. */
const checkpointBytes = 16 * 1024 * 1024;

export class SqliteStore implements AggregateStore, Journal {
  readonly incarnation: string;
  readonly durability: Durability;
  /** As read back from the connection that writes. */
  readonly pragmas: Readonly<Record<string, string>>;
  readonly tiers: readonly Tier[];
  readonly rolledMs: number[];
  #commits: number;
  readonly #db: Database.Database;
  readonly #transactions: Transactions;
  readonly #journal: SqliteJournal;
  readonly #lock: { release(): void };
  readonly #log: LogFile;
  readonly #sql: Statements;
  readonly #deleted: SqliteDeletedDevices;
  readonly #logBytesMax: number;
  readonly #pageBytes: number;
  /** Time of moving the log into the database. */
  readonly checkpoints = new DurationHistogram();
  /** Of the log and the database, by checkpoints. */
  #fsyncs = 0;
  /** How many transactions there were when all of the log was in the database. */
  #emptiedAt = -1;
  /** The log is emptied when it is longer. */
  #checkpointBytes = checkpointBytes;

  constructor(
    db: Database.Database,
    { dataDir, tiers, keepRaw, logBytesMax = 128 * 1024 * 1024 }: SqliteStoreOptions,
    lock: { release(): void },
  ) {
    this.#db = db;
    this.#lock = lock;
    this.tiers = tiers;
    this.#logBytesMax = logBytesMax;
    this.#pageBytes = db.pragma("page_size", { simple: true }) as number;
    this.#log = new LogFile(dataDir, this.#pageBytes);
    this.#transactions = new Transactions(db);
    this.durability = this.#transactions.durability;
    this.#sql = prepareStatements(db);
    this.#deleted = new SqliteDeletedDevices(db, this.#sql, (run) => this.#transactions.lazy(run));
    const meta = this.#sql.meta.get() as { incarnation: string; commits: number };
    this.#commits = meta.commits;
    this.incarnation = meta.incarnation;
    this.rolledMs = readMarks(this.#sql);
    // What a start finds may have been written by one that was cut off before it synced it. It counts as acked from here on.
    if (this.durability === "fsync") this.#log.sync();
    this.#journal = new SqliteJournal(this.#transactions, this.#sql, dataDir, keepRaw);
    this.pragmas = readPragmas(db);
  }

  get position(): JournalPosition {
    return this.#journal.position;
  }

  get settled(): JournalPosition {
    return this.#journal.settled;
  }

  /** Since it was opened: of the journal for each group, of the log and the database for each checkpoint. */
  get fsyncs(): number {
    return this.#fsyncs + this.#transactions.fsyncs + this.#journal.fsyncs;
  }

  /** Files of the journal's segments, and those kept for the next ones. */
  get segments(): number {
    return this.#journal.files;
  }

  get commits(): number {
    return this.#commits;
  }

  nextIds(): NextIds {
    const highest = this.#db.prepare("SELECT seq FROM sqlite_sequence WHERE name = ?").pluck();
    const next = (table: string) => ((highest.get(table) as number | undefined) ?? 0) + 1;
    return { device: next("devices"), session: next("sessions"), series: next("series") };
  }

  seriesCount(): number {
    const count = (of: string) => this.#db.prepare(`SELECT count(*) FROM ${of}`).pluck().get() as number;
    return count("series") - count("devices JOIN series ON device = devices.id WHERE deleted_at_ms IS NOT NULL");
  }

  findDeleted(deviceId: string): Device | undefined {
    return this.#deleted.findDeleted(deviceId);
  }

  sessionsOf(device: number): Session[] {
    return this.#deleted.sessionsOf(device);
  }

  unpurgedDevices(): number[] {
    return this.#deleted.unpurgedDevices();
  }

  seriesOf(devices: readonly number[]): number[] {
    return this.#deleted.seriesOf(devices);
  }

  purgeWindows(
    widthMs: number,
    from: PurgePosition | undefined,
    runs: readonly SeriesRange[],
    stepsMax: number,
  ): PurgePosition | undefined {
    return this.#deleted.purgeWindows(widthMs, from, runs, stepsMax);
  }

  purgeCatalog(devices: readonly number[], rowsMax: number): boolean {
    return this.#deleted.purgeCatalog(devices, rowsMax);
  }

  findDevice(deviceId: string): StoredDevice | undefined {
    const row = this.#sql.device.get(deviceId) as DeviceColumns | undefined;
    if (row === undefined) return undefined;
    const session = this.findSession(row.session);
    if (session === undefined) throw new Error(`device ${row.id} has no session ${row.session}`);
    return { device: readDevice(row), session, series: this.#sql.series.all(row.id) as Series[] };
  }

  findSession(id: number): Session | undefined {
    const row = this.#sql.session.get(id) as SessionColumns | undefined;
    if (row === undefined) return undefined;
    return readSession(row, this.#sql.handles.all(id) as [number, number][]);
  }

  findSessionOf(device: number, spoolId: string): Session | undefined {
    const id = this.#sql.sessionOf.get(device, spoolId) as number | undefined;
    return id === undefined ? undefined : this.findSession(id);
  }

  isSuperseded(device: number, spoolId: string): boolean {
    return this.#sql.superseded.get(device, spoolId) !== undefined;
  }

  append(records: Uint8Array | undefined, catalog: CatalogStep | undefined, span?: GroupSpan): JournalPosition {
    return this.#journal.append(records, catalog, span);
  }

  read(): Iterable<JournalEntry> {
    return this.#journal.read();
  }

  settle(through: JournalPosition): void {
    this.#journal.settle(through);
  }

  trim(nowMs: number, groupsMax: number): number {
    return this.#journal.trim(nowMs, groupsMax);
  }

  positions(): ReadonlyMap<Shard, JournalPosition> {
    return new Map(this.#sql.positions.all() as [Shard, JournalPosition][]);
  }

  loadWindow = (widthMs: number, startMs: number, series: number, into: WindowTable, at: number): boolean => {
    const row = this.#sql.window.get(widthMs, startMs, series) as WindowRow | undefined;
    if (row === undefined) return false;
    setWindowRow(into, at, row);
    return true;
  };

  latestStart(): number {
    return latestStart(this.#sql, this.tiers[0].widthMs);
  }

  counterSeries(): Iterable<number> {
    return this.#sql.counters.all() as number[];
  }

  nextStart(widthMs: number, fromMs: number, toMs: number): number | undefined {
    return nextStart(this.#sql, widthMs, fromMs, toMs);
  }

  readWindows(widthMs: number, startMs: number, first: number, last: number, into: WindowTable): void {
    readWindows(this.#sql, widthMs, startMs, first, last, into);
  }

  commit(shard: Shard, through: JournalPosition, parts: readonly WindowPart[]): void {
    this.#changeWindows(() => {
      for (const part of parts) this.#writeWindows(part);
      this.#sql.writePosition.run(shard, through);
      return true;
    });
  }

  storeRollUp(part: WindowPart): void {
    this.#changeWindows(() => {
      this.#writeWindows(part);
      return true;
    });
  }

  advanceRollUp(widthMs: number, rolledMs: number): void {
    const tier = this.tiers.findIndex((each) => each.widthMs === widthMs);
    this.#changeWindows(() => {
      this.#sql.advanceRollUp.run(rolledMs, widthMs);
      return true;
    });
    this.rolledMs[tier] = rolledMs;
  }

  commitSessions(sessions: Iterable<Session>): void {
    this.#transactions.lazy(() => {
      for (const session of sessions) this.#sql.moveSession.run(...sessionMarks(session));
    });
  }

  prune(nowMs: number, windowsMax: number): number {
    let deleted = 0;
    for (const [t, tier] of this.tiers.entries()) {
      if (tier.retentionMs === undefined || deleted >= windowsMax) continue;
      const before = Math.min(keptFromMs(tier, nowMs), this.rolledMs[t + 1] ?? Number.POSITIVE_INFINITY);
      this.#changeWindows(() => {
        const { changes } = this.#sql.prune.run(tier.widthMs, before, windowsMax - deleted);
        deleted += changes;
        // While some are left, so is what finds them.
        if (deleted < windowsMax) this.#sql.pruneChanges.run(tier.widthMs, before, windowsMax);
        return changes > 0;
      });
    }
    return deleted;
  }

  checkpoint(): boolean {
    // Its length counts what is in the database already until the next transaction: then it begins anew.
    const { count } = this.#transactions;
    if (count === this.#emptiedAt || !this.#log.isLongerThan(this.#checkpointBytes)) return false;
    reach("before-checkpoint");
    const startMs = systemClock.elapsedMs();
    const [result] = this.#db.pragma("wal_checkpoint(PASSIVE)") as { log: number; checkpointed: number }[];
    this.checkpoints.record(systemClock.elapsedMs() - startMs);
    this.#fsyncs += 1;
    const logBytes = result.log * this.#pageBytes;
    // What a snapshot may still read of the log stays, and what comes is appended.
    const isHeld = result.log > result.checkpointed;
    const isTooLong = isHeld && logBytes > this.#logBytesMax;
    if (!isHeld) this.#emptiedAt = count;
    this.#checkpointBytes =
      isHeld && !isTooLong ? Math.min(logBytes + checkpointBytes, this.#logBytesMax) : checkpointBytes;
    return isTooLong;
  }

  async backUp(file: string): Promise<void> {
    await this.#db.backup(file);
    const copy = new Database(file);
    try {
      // One file, with no log of its own, whatever becomes of it; and no fsync but the last.
      copy.pragma("journal_mode = MEMORY");
      copy.pragma("synchronous = OFF");
      await this.#journal.copyGroups(copy);
      copy.pragma("synchronous = FULL");
      // What was acked after this moment is not in the copy: whoever starts from it must be told apart.
      copy.prepare("UPDATE meta SET incarnation = ?").run(randomBytes(16).toString("hex"));
    } finally {
      copy.close();
    }
  }

  close(): void {
    let isEmptied = false;
    try {
      const [{ busy }] = this.#db.pragma("wal_checkpoint(TRUNCATE)") as { busy: number }[];
      isEmptied = busy === 0;
    } catch {
      // For want of space, say: the log stays, and is read at the next start.
    }
    this.#journal.close(isEmptied);
    this.#db.close();
    this.#log.close();
    this.#lock.release();
  }

  /** A transaction that readers of windows see the effect of. @param run returns whether it has changed anything */
  #changeWindows(run: () => boolean): void {
    let changed = false;
    this.#transactions.lazy(() => {
      changed = run();
      if (changed) this.#sql.writeCommits.run(this.#commits + 1);
    });
    if (changed) this.#commits += 1;
  }

  #writeWindows({ widthMs, table, rows }: WindowPart): void {
    const changes = new WindowChangesOfPart();
    const length = rows?.length ?? table.length;
    for (let i = 0; i < length; i += 1) {
      const at = rows === undefined ? i : rows[i];
      if (table.counts[at] === 0) continue;
      writeWindow(this.#sql, widthMs, table, at);
      changes.add(table, at);
    }
    changes.write(this.#sql, widthMs);
  }
}
