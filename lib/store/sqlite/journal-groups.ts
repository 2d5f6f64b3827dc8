import type { Database, Statement } from "better-sqlite3";
import { segmentDirectory } from "../segments/segment-names.ts";
import { type CheckGroups, SegmentReader } from "../segments/segment-reader.ts";
import type { GroupSpan, JournalPosition } from "../store.ts";
import { damagedStore } from "./damaged-store.ts";
import { databaseFile } from "./database.ts";

export interface JournalMeta {
  readonly incarnation: string;
  /** Every table shows the groups up to here. */
  readonly settled: JournalPosition;
  /** Groups up to here are deleted. */
  readonly trimmed: JournalPosition;
  /** The last group of the table; 0: it has none. */
  readonly tableLast: JournalPosition;
}

/** A group of the journal, wherever it lies. */
export interface StoredGroup extends GroupSpan {
  readonly position: JournalPosition;
  /** Of its records, in bytes. */
  readonly length: number;
  readonly isInTable: boolean;
}

interface TableRow {
  readonly position: JournalPosition;
  readonly receivedMs: number;
  readonly fromMs: number | null;
  readonly toMs: number | null;
  readonly length: number;
}

/**
 * What a start has: the position of the last group of those that follow what is settled without a hole, and are whole;
 * and whether there are others behind it, besides one that was cut off.
 */
export function lastWholeGroup(db: Database, dataDir: string): { last: JournalPosition; isHole: boolean } {
  const groups = new JournalGroups(db, dataDir, false);
  try {
    let last = groups.meta().settled;
    for (const { position } of groups.between(last, Number.MAX_SAFE_INTEGER)) {
      if (position > last + 1) return { last, isHole: true };
      if (groups.records(position) !== undefined) last = position;
    }
    return { last, isHole: false };
  } finally {
    groups.close();
  }
}

/** Reads the groups of both, the table `journal` and the segments, as one sequence. */
export class JournalGroups {
  readonly #segments: SegmentReader;
  readonly #sql: ReturnType<typeof prepareStatements>;
  readonly #file: string;
  readonly #db: Database;
  #count: Statement | undefined;

  /** @param isChecked whether to throw when a group that must be there is not: else it is left out */
  constructor(db: Database, dataDir: string, isChecked: boolean) {
    this.#db = db;
    this.#file = databaseFile(dataDir);
    this.#sql = prepareStatements(db);
    const dir = segmentDirectory(dataDir, this.meta().incarnation);
    this.#segments = new SegmentReader(dir, isChecked ? this.#check : undefined);
  }

  meta(): JournalMeta {
    return this.#sql.meta.get() as JournalMeta;
  }

  /** Groups up to here have been appended. */
  appended(through: JournalPosition): void {
    this.#segments.list(through);
  }

  /** Groups with `after` < position <= `through`, in order. */
  *between(after: JournalPosition, through: JournalPosition): Iterable<StoredGroup> {
    const rows = this.inTable(after, through);
    let r = 0;
    for (const head of this.#segments.groups(after, through)) {
      for (; r < rows.length && rows[r].position < head.position; r += 1) yield rows[r];
      // What the table has under its position was stored after an append to the segment had failed.
      if (rows[r]?.position !== head.position) yield { ...head, isInTable: false };
    }
    yield* rows.slice(r);
  }

  /** Of the records of all of them. */
  bytesBetween(after: JournalPosition, through: JournalPosition): number {
    let bytes = this.#sql.bytes.get(after, through) as number;
    for (const { length } of this.#segments.groups(after, through)) bytes += length;
    return bytes;
  }

  /** Those of them that are in the table. */
  inTable(after: JournalPosition, through: JournalPosition): StoredGroup[] {
    return (this.#sql.rows.all(after, through) as TableRow[]).map((row) => ({
      ...row,
      fromMs: row.fromMs ?? undefined,
      toMs: row.toMs ?? undefined,
      isInTable: true,
    }));
  }

  /** The first of them that may have samples with `fromMs` <= time < `toMs`. */
  find(after: JournalPosition, through: JournalPosition, fromMs: number, toMs: number): JournalPosition | undefined {
    const inTable = this.#sql.find.get(after, through, toMs, fromMs) as JournalPosition | undefined;
    const [found] = this.#segments.groups(after, inTable ?? through, { fromMs, toMs });
    return found?.position ?? inTable;
  }

  records(position: JournalPosition): Uint8Array | undefined {
    return (this.#sql.records.get(position) as Uint8Array | undefined) ?? this.#segments.records(position);
  }

  /** @throws TelemetryError when it is not there, or not whole */
  whole(position: JournalPosition): Uint8Array {
    const records = this.records(position);
    if (records !== undefined) return records;
    throw damagedStore(this.#file, `group ${position} of its journal cannot be read`);
  }

  close(): void {
    this.#segments.close();
  }

  #check: CheckGroups = (segment, after, before) => {
    this.#count ??= this.#db.prepare(
      `SELECT trimmed, (SELECT count(*) FROM journal WHERE position > max(@after, trimmed) AND position < @before) AS count
       FROM meta`,
    );
    const { trimmed, count } = this.#count.get({ after, before }) as { trimmed: JournalPosition; count: number };
    const from = Math.max(after, trimmed);
    const inSegment = segment === undefined ? 0 : segment.indexAfter(before - 1) - segment.indexAfter(from);
    const missing = before - 1 - from - inSegment - count;
    if (missing <= 0) return;
    throw damagedStore(this.#file, `${missing} of the groups ${from + 1} to ${before - 1} of its journal are gone`);
  };
}

function prepareStatements(db: Database) {
  return {
    meta: db.prepare(
      // All columns: a database of an earlier version is looked at before it has all of them.
      "SELECT *, coalesce((SELECT max(position) FROM journal), 0) AS tableLast FROM meta",
    ),
    rows: db.prepare(
      `SELECT position, received_ms AS receivedMs, from_ms AS fromMs, to_ms AS toMs, length(records) AS length FROM journal
       WHERE position > ? AND position <= ? ORDER BY position`,
    ),
    bytes: db
      .prepare("SELECT coalesce(sum(length(records)), 0) FROM journal WHERE position > ? AND position <= ?")
      .pluck(),
    // Of the rows that it passes over, SQLite reads what stands before the records, and no page of the records.
    find: db
      .prepare(
        `SELECT position FROM journal WHERE position > ? AND position <= ? AND from_ms < ? AND to_ms >= ?
         ORDER BY position LIMIT 1`,
      )
      .pluck(),
    records: db.prepare("SELECT records FROM journal WHERE position = ?").pluck(),
  };
}
