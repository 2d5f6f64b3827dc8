import type { Database } from "better-sqlite3";
import type { JournalExtent, JournalPosition, JournalReader, SeriesRow, SessionHandles } from "../store.ts";
import { readAckedPosition } from "./acked-position.ts";
import { openForReading } from "./database.ts";
import { JournalGroups, type JournalMeta } from "./journal-groups.ts";

/** Opens the journal of a data directory for reading, while another connection writes it. */
export function openSqliteJournal(dataDir: string): JournalReader {
  return new SqliteJournalReader(openForReading(dataDir), dataDir);
}

/** Each call sees the journal at a moment of its own: what is deleted between two of them is not there for the second. */
class SqliteJournalReader implements JournalReader {
  readonly #db: Database;
  readonly #dataDir: string;
  readonly #groups: JournalGroups;
  readonly #sql: ReturnType<typeof prepareStatements>;
  /** The latest group, when it was looked for last. */
  #last: JournalPosition = 0;

  constructor(db: Database, dataDir: string) {
    this.#db = db;
    this.#dataDir = dataDir;
    this.#groups = new JournalGroups(db, dataDir, true);
    this.#sql = prepareStatements(db);
  }

  extent(): JournalExtent {
    const meta = this.#groups.meta();
    const first = meta.trimmed + 1;
    const last = this.#lookForLast(meta);
    if (first > last) return { first, last, receivedMs: undefined };
    const [found] = this.#groups.between(meta.trimmed, first);
    if (found !== undefined) return { first, last, receivedMs: found.receivedMs };
    this.#expectDeleted(first);
    return this.extent();
  }

  findGroup(after: JournalPosition, through: JournalPosition, fromMs: number, toMs: number) {
    const meta = this.#groups.meta();
    const last = through > this.#last ? this.#lookForLast(meta) : this.#last;
    return this.#groups.find(Math.max(after, meta.trimmed), Math.min(through, last), fromMs, toMs);
  }

  readGroup(position: JournalPosition): Uint8Array | undefined {
    const meta = this.#groups.meta();
    if (position <= meta.trimmed) return undefined;
    if (position > this.#last && position > this.#lookForLast(meta)) return undefined;
    const records = this.#groups.records(position);
    if (records === undefined) this.#expectDeleted(position);
    return records;
  }

  sessionHandles(session: number): SessionHandles | undefined {
    const device = this.#sql.deviceOf.get(session) as number | undefined;
    if (device === undefined) return undefined;
    return { device, handles: this.#sql.handles.all(session) as [number, number, number][] };
  }

  seriesRow(id: number): SeriesRow | undefined {
    const row = this.#sql.seriesRow.get(id) as (Omit<SeriesRow, "labels"> & { labels: string }) | undefined;
    return row === undefined ? undefined : { ...row, labels: JSON.parse(row.labels) as Record<string, string> };
  }

  close(): void {
    this.#groups.close();
    this.#db.close();
  }

  /** No group that is not on disk yet: it may come to nothing. */
  #lookForLast({ incarnation, settled, tableLast }: JournalMeta): JournalPosition {
    this.#last = Math.max(settled, tableLast, readAckedPosition(this.#dataDir, incarnation));
    this.#groups.appended(this.#last);
    return this.#last;
  }

  /** A group was not found. @throws TelemetryError when it was not deleted meanwhile */
  #expectDeleted(position: JournalPosition): void {
    if (position > this.#groups.meta().trimmed) this.#groups.whole(position);
  }
}

function prepareStatements(db: Database) {
  return {
    deviceOf: db.prepare("SELECT device FROM sessions WHERE id = ?").pluck(),
    handles: db.prepare("SELECT handle, series, since FROM handles WHERE session = ?").raw(),
    seriesRow: db.prepare(
      `SELECT series.id, series.device, series.name, series.kind, series.unit, series.description,
         devices.device_id AS deviceId, devices.labels
       FROM series JOIN devices ON devices.id = series.device
       WHERE series.id = ? AND devices.deleted_at_ms IS NULL`,
    ),
  };
}
