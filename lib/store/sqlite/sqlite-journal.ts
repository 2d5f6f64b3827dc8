import { setImmediate } from "node:timers/promises";
import Database from "better-sqlite3";
import { meetsFullDisk } from "../../base/faults.ts";
import { isOver, type RawRetention } from "../raw-retention.ts";
import { segmentDirectory } from "../segments/segment-names.ts";
import { SegmentWriter } from "../segments/segment-writer.ts";
import {
  type CatalogStep,
  type GroupSpan,
  type Journal,
  type JournalEntry,
  type JournalPosition,
  noSpan,
} from "../store.ts";
import { AckedPosition } from "./acked-position.ts";
import { writeCatalog } from "./catalog-writer.ts";
import { JournalGroups, lastWholeGroup, type StoredGroup } from "./journal-groups.ts";
import type { Statements } from "./rows.ts";
import type { Transactions } from "./transactions.ts";

/** Journal deleted from the table in one transaction: a few milliseconds. */
const trimBytesMax = 4 * 1024 * 1024;
/** Copied between two groups. */
const copyBytesMax = 1024 * 1024;
const copyGroupsMax = 1_000;

/**
 * The journal of a data directory. A group that changes the catalog lies in the table `journal`, in one transaction with
 * what it changes. Any other lies in a segment: a table would write its bytes to the log, copy them into the database, and
 * delete them again. A position is in one of the two.
 */
export class SqliteJournal implements Journal {
  readonly #transactions: Transactions;
  readonly #dataDir: string;
  readonly #sql: Statements;
  readonly #groups: JournalGroups;
  readonly #segments: SegmentWriter;
  readonly #acked: AckedPosition;
  readonly #keepRaw: RawRetention | undefined;
  #position: JournalPosition;
  #settled: JournalPosition;
  /** Groups up to here are deleted. */
  #trimmed: JournalPosition;
  /** Of the journal's records; without a bound on them, less what was there at the start. */
  #bytes = 0;
  /** How many copies are being made. */
  #copies = 0;

  constructor(transactions: Transactions, sql: Statements, dataDir: string, keepRaw: RawRetention | undefined) {
    this.#transactions = transactions;
    this.#sql = sql;
    this.#keepRaw = keepRaw;
    this.#dataDir = dataDir;
    this.#groups = new JournalGroups(transactions.db, dataDir, false);
    const { incarnation, settled, trimmed } = this.#groups.meta();
    this.#segments = new SegmentWriter(segmentDirectory(dataDir, incarnation), transactions.durability);
    this.#settled = settled;
    this.#trimmed = trimmed;
    this.#position = lastWholeGroup(transactions.db, dataDir).last;
    const isSized = keepRaw !== undefined && keepRaw.bytesMax !== Number.POSITIVE_INFINITY;
    if (isSized) this.#bytes = this.#groups.bytesBetween(trimmed, this.#position);
    this.#acked = new AckedPosition(dataDir, incarnation);
    this.#acked.write(this.#position);
  }

  get position(): JournalPosition {
    return this.#position;
  }

  get settled(): JournalPosition {
    return this.#settled;
  }

  /** Of segments and their directory. */
  get fsyncs(): number {
    return this.#segments.fsyncs;
  }

  /** Files of segments, and those kept for the next ones. */
  get files(): number {
    return this.#segments.files;
  }

  append(records: Uint8Array | undefined, catalog: CatalogStep | undefined, span: GroupSpan = noSpan): JournalPosition {
    if (meetsFullDisk()) throw new Database.SqliteError("database or disk is full", "SQLITE_FULL");
    const position = records === undefined ? this.#position : this.#position + 1;
    if (catalog !== undefined) {
      const { receivedMs, fromMs = null, toMs = null } = span;
      this.#transactions.durable(() => {
        writeCatalog(this.#sql, catalog, this.#position + 1);
        if (records !== undefined) this.#sql.append.run(position, receivedMs, fromMs, toMs, records);
      });
    } else if (records !== undefined) this.#segments.append(position, records, span);
    this.#position = position;
    this.#bytes += records?.length ?? 0;
    this.#acked.write(position);
    return position;
  }

  *read(): Iterable<JournalEntry> {
    for (const { position } of this.#groups.between(this.#settled, this.#position)) {
      yield { position, records: this.#groups.whole(position) };
    }
  }

  settle(through: JournalPosition): void {
    const settled = Math.min(through, this.#position);
    if (settled <= this.#settled) return;
    this.#transactions.lazy(() => {
      this.#sql.settle.run(settled);
    });
    this.#settled = settled;
  }

  trim(nowMs: number, groupsMax: number): number {
    if (this.#copies > 0) return 0;
    const { through, bytes } = this.#toTrim(nowMs, groupsMax);
    const groups = through - this.#trimmed;
    if (groups === 0) return 0;
    const write = () => {
      this.#sql.trim.run(through);
      this.#sql.writeTrimmed.run(through);
    };
    if (this.#segments.hasThrough(through)) {
      // What shows their groups, and that they are settled, must be on disk before they are gone from it.
      this.#transactions.durable(write);
    } else this.#transactions.lazy(write);
    this.#trimmed = through;
    this.#bytes -= bytes;
    this.#segments.release(through);
    return groups;
  }

  /** Groups of the table can be large: to free the pages of several would hold up acks. */
  #toTrim(nowMs: number, groupsMax: number): { through: JournalPosition; bytes: number } {
    const last = Math.min(this.#settled, this.#trimmed + groupsMax);
    let bytes = 0;
    let tableBytes = 0;
    for (const { position, receivedMs, length, isInTable } of this.#trimmable(last)) {
      const isKept = this.#keepRaw !== undefined && !isOver(this.#keepRaw, receivedMs, this.#bytes - bytes, nowMs);
      if (isInTable) tableBytes += length;
      if (isKept || (tableBytes > length && tableBytes > trimBytesMax)) return { through: position - 1, bytes };
      bytes += length;
    }
    return { through: last, bytes };
  }

  /** Those of segments matter only where some may be kept. */
  #trimmable(last: JournalPosition): Iterable<StoredGroup> {
    return this.#keepRaw === undefined
      ? this.#groups.inTable(this.#trimmed, last)
      : this.#groups.between(this.#trimmed, last);
  }

  /**
   * Copies the groups of segments into the table of a copy of the database, up to the moment at which that was made.
   * Nothing is trimmed meanwhile.
   */
  async copyGroups(copy: Database.Database): Promise<void> {
    const through = this.#position;
    const groups = new JournalGroups(this.#transactions.db, this.#dataDir, true);
    const insert = copy.prepare("INSERT INTO journal VALUES (?, ?, ?, ?, ?)");
    const has = copy.prepare("SELECT 1 FROM journal WHERE position = ?");
    let after = copy.prepare("SELECT trimmed FROM meta").pluck().get() as JournalPosition;
    const copySome = copy.transaction(() => {
      let bytes = 0;
      for (const group of groups.between(after, Math.min(through, after + copyGroupsMax))) {
        const { position, receivedMs, fromMs = null, toMs = null, length, isInTable } = group;
        // One that came after the copy was made, and what is behind it.
        if (isInTable && has.get(position) === undefined) return false;
        if (!isInTable) insert.run(position, receivedMs, fromMs, toMs, groups.whole(position));
        after = position;
        bytes += length;
        if (bytes > copyBytesMax) return true;
      }
      return after < through;
    });
    this.#copies += 1;
    try {
      while (copySome()) await setImmediate();
    } finally {
      this.#copies -= 1;
      groups.close();
    }
  }

  /** @param isStored whether the database has all that was settled, on disk: then segments are needed no more */
  close(isStored: boolean): void {
    this.#groups.close();
    this.#acked.close();
    if (isStored && this.#trimmed === this.#position) this.#segments.clear();
    else this.#segments.close();
  }
}
