import type { Database } from "better-sqlite3";
import type { WindowTable } from "../../aggregate/window-table.ts";
import type { Device, Session } from "../store.ts";

/** How rows of the tables become values, and the statements of the writer. */

export interface DeviceColumns extends Omit<Device, "labels" | "reset"> {
  readonly labels: string;
  readonly reset: number;
}

export interface SessionColumns extends Omit<Session, "handles" | "lastSeenAtMs"> {
  readonly lastSeenAtMs: number | null;
}

/** `windowColumns` of a row, in this order. */
export type WindowColumns = readonly [number, number, number, number, number, number, number, number];

export const deviceColumns = `devices.id, devices.device_id AS deviceId, devices.labels, devices.session, devices.reset,
  devices.created_at_ms AS createdAtMs`;
export const windowColumns = "count, sum, min, max, first, first_time_ms, last, last_time_ms";

export function readDevice<T extends DeviceColumns>(row: T): Omit<T, "labels" | "reset"> & Device {
  return { ...row, labels: JSON.parse(row.labels) as Record<string, string>, reset: row.reset === 1 };
}

export function readSession(row: SessionColumns, handles: readonly [number, number][]): Session {
  return { ...row, lastSeenAtMs: row.lastSeenAtMs ?? undefined, handles: new Map(handles) };
}

export function setWindowColumns(table: WindowTable, at: number, row: WindowColumns): void {
  table.counts[at] = row[0];
  table.sums[at] = row[1];
  table.mins[at] = row[2];
  table.maxs[at] = row[3];
  table.firsts[at] = row[4];
  table.firstTimesMs[at] = row[5];
  table.lasts[at] = row[6];
  table.lastTimesMs[at] = row[7];
}

export type Statements = ReturnType<typeof prepareStatements>;

export function prepareStatements(db: Database) {
  const sessionColumns = `id, device, spool_id AS spoolId, acked_sequence AS ackedSequence,
    samples_counted AS samplesCounted, samples_refused AS samplesRefused, samples_lost AS samplesLost,
    batches_lost AS batchesLost, last_seen_at_ms AS lastSeenAtMs`;
  return {
    meta: db.prepare("SELECT incarnation, trimmed FROM meta"),
    lastPosition: db.prepare("SELECT max(position) FROM journal").pluck(),
    firstPosition: db.prepare("SELECT min(position) FROM journal").pluck(),
    append: db.prepare("INSERT INTO journal VALUES (?, ?)"),
    nextEntry: db.prepare("SELECT position, records FROM journal WHERE position > ? ORDER BY position LIMIT 1"),
    trim: db.prepare("DELETE FROM journal WHERE position <= ?"),
    writeTrimmed: db.prepare("UPDATE meta SET trimmed = ?"),
    positions: db.prepare("SELECT shard, applied FROM shards").raw(),
    writePosition: db.prepare("INSERT OR REPLACE INTO shards VALUES (?, ?)"),
    device: db.prepare(`SELECT ${deviceColumns} FROM devices WHERE device_id = ?`),
    session: db.prepare(`SELECT ${sessionColumns} FROM sessions WHERE id = ?`),
    sessionOf: db.prepare("SELECT id FROM sessions WHERE device = ? AND spool_id = ?").pluck(),
    handles: db.prepare("SELECT handle, series FROM handles WHERE session = ?").raw(),
    series: db.prepare("SELECT id, device, name, kind, unit, description FROM series WHERE device = ?"),
    superseded: db.prepare(
      `SELECT 1 FROM sessions JOIN devices ON devices.id = sessions.device
       WHERE sessions.device = ? AND spool_id = ? AND sessions.id <> devices.session`,
    ),
    writeDevice: db.prepare(
      "INSERT OR REPLACE INTO devices VALUES (@id, @deviceId, @labels, @session, @reset, @createdAtMs)",
    ),
    writeSession: db.prepare(
      `INSERT OR REPLACE INTO sessions VALUES (@id, @device, @spoolId, @ackedSequence, @samplesCounted,
       @samplesRefused, @samplesLost, @batchesLost, @lastSeenAtMs)`,
    ),
    writeSeries: db.prepare("INSERT OR REPLACE INTO series VALUES (@id, @device, @name, @kind, @unit, @description)"),
    writeHandle: db.prepare("INSERT INTO handles VALUES (?, ?, ?)"),
    // A handle keeps its series: only one that was refused, and has none, may get one.
    deleteRefusedHandle: db.prepare("DELETE FROM handles WHERE session = ? AND handle = ? AND series = 0"),
    window: db.prepare(`SELECT ${windowColumns} FROM windows WHERE tier_ms = ? AND start_ms = ? AND series = ?`).raw(),
    writeWindow: db.prepare("INSERT OR REPLACE INTO windows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
    prune: db.prepare(
      `DELETE FROM windows WHERE (tier_ms, start_ms, series) IN
       (SELECT tier_ms, start_ms, series FROM windows WHERE tier_ms = ? AND start_ms < ?
        ORDER BY start_ms, series LIMIT ?)`,
    ),
  };
}
