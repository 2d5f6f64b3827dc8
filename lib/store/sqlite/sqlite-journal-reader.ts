import type { Database } from "better-sqlite3";
import type { JournalExtent, JournalPosition, JournalReader, SeriesRow, SessionHandles } from "../store.ts";
import { openForReading } from "./database.ts";

/** Opens the journal of a data directory for reading, while another connection writes it. */
export function openSqliteJournal(dataDir: string): JournalReader {
  return new SqliteJournalReader(openForReading(dataDir));
}

/** Each call is a read transaction of its own: what is deleted between two of them is not there for the second. */
class SqliteJournalReader implements JournalReader {
  readonly #db: Database;
  readonly #sql: ReturnType<typeof prepareStatements>;

  constructor(db: Database) {
    this.#db = db;
    this.#sql = prepareStatements(db);
  }

  extent(): JournalExtent {
    const { first, last, receivedMs } = this.#sql.extent.get() as Record<keyof JournalExtent, number | null>;
    return { first: first ?? (last ?? 0) + 1, last: last ?? 0, receivedMs: receivedMs ?? undefined };
  }

  findGroup(after: JournalPosition, through: JournalPosition, fromMs: number, toMs: number) {
    return this.#sql.findGroup.get(after, through, toMs, fromMs) as JournalPosition | undefined;
  }

  readGroup(position: JournalPosition): Uint8Array | undefined {
    return this.#sql.readGroup.get(position) as Uint8Array | undefined;
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
    this.#db.close();
  }
}

function prepareStatements(db: Database) {
  return {
    extent: db.prepare(
      `SELECT first, max(settled, coalesce((SELECT max(position) FROM journal), 0)) AS last,
         (SELECT received_ms FROM journal WHERE position = first) AS receivedMs
       FROM meta, (SELECT min(position) AS first FROM journal)`,
    ),
    // Of the rows that it passes over, SQLite reads what stands before the records, and no page of the records.
    findGroup: db
      .prepare(
        `SELECT position FROM journal WHERE position > ? AND position <= ? AND from_ms < ? AND to_ms >= ?
         ORDER BY position LIMIT 1`,
      )
      .pluck(),
    readGroup: db.prepare("SELECT records FROM journal WHERE position = ?").pluck(),
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
