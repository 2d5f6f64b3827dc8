import type { Database } from "better-sqlite3";
import { clearSketch, decodeSketch, encodeSketch } from "../../aggregate/sketch-table.ts";
import { appendWindow, type WindowTable } from "../../aggregate/window-table.ts";
import type { GapRow, RefusalRow } from "../registry.ts";
import type { Device, Session, SessionMark, WindowColumn } from "../store.ts";

/** How rows of the tables become values, and the statements of the writer. */

type LabelColumn = "labels" | "reportedLabels" | "setLabels";

export interface DeviceColumns
  extends Omit<Device, LabelColumn | "reset" | "deletedAtMs">,
    Readonly<Record<LabelColumn, string>> {
  readonly reset: number;
  readonly deletedAtMs: number | null;
}

type TimeColumn = "lastSeenAtMs" | "latestEventMs" | "latestSampleMs";

export type MarkColumns = Omit<SessionMark, TimeColumn> & Readonly<Record<TimeColumn, number | null>>;

export type SessionColumns = Omit<Session, "handles" | TimeColumn> & MarkColumns;

/** start_ms, series, then the values of a window: the columns of `windowColumns`. */
export type WindowRow = readonly [
  startMs: number,
  series: number,
  count: number,
  sum: number,
  m2: number,
  min: number,
  max: number,
  first: number,
  firstTimeMs: number,
  last: number,
  lastTimeMs: number,
  resetOffset: number | null,
  approximate: number,
  watermarkMs: number | null,
  revision: number,
  sketch: Uint8Array | null,
];

export const deviceColumns = `devices.id, devices.device_id AS deviceId, devices.labels,
  devices.reported_labels AS reportedLabels, devices.set_labels AS setLabels, devices.description, devices.session,
  devices.reset, devices.created_at_ms AS createdAtMs, devices.deleted_at_ms AS deletedAtMs`;
export const sessionColumnNames = `sessions.id, sessions.device, sessions.spool_id AS spoolId,
  sessions.acked_sequence AS ackedSequence, sessions.samples_counted AS samplesCounted,
  sessions.samples_refused AS samplesRefused, sessions.samples_lost AS samplesLost,
  sessions.batches_lost AS batchesLost, sessions.last_seen_at_ms AS lastSeenAtMs,
  sessions.latest_event_ms AS latestEventMs, sessions.latest_sample_ms AS latestSampleMs`;

export function readDevice<T extends DeviceColumns>(row: T): Omit<T, keyof DeviceColumns> & Device {
  const labels = (json: string) => JSON.parse(json) as Record<string, string>;
  return {
    ...row,
    labels: labels(row.labels),
    reportedLabels: labels(row.reportedLabels),
    setLabels: labels(row.setLabels),
    reset: row.reset === 1,
    deletedAtMs: row.deletedAtMs ?? undefined,
  };
}

/** What `writeDevice` takes. */
export function deviceParameters({ labels: _, ...device }: Device) {
  return {
    ...device,
    reportedLabels: JSON.stringify(device.reportedLabels),
    setLabels: JSON.stringify(device.setLabels),
    reset: device.reset ? 1 : 0,
    deletedAtMs: device.deletedAtMs ?? null,
  };
}

export function readTimes<T extends MarkColumns>(row: T): Omit<T, TimeColumn> & SessionMark {
  return {
    ...row,
    lastSeenAtMs: row.lastSeenAtMs ?? undefined,
    latestEventMs: row.latestEventMs ?? undefined,
    latestSampleMs: row.latestSampleMs ?? undefined,
  };
}

export function readSession(row: SessionColumns, handles: readonly [number, number][]): Session {
  return { ...readTimes(row), handles: new Map(handles) };
}

/** What `writeSession` takes. */
export function sessionColumns({ handles: _, ...session }: Session): SessionColumns {
  return {
    ...session,
    lastSeenAtMs: session.lastSeenAtMs ?? null,
    latestEventMs: session.latestEventMs ?? null,
    latestSampleMs: session.latestSampleMs ?? null,
  };
}

/** What `moveSession` takes. */
export function sessionMarks(session: Session): readonly (number | null)[] {
  return [
    session.ackedSequence,
    session.samplesCounted,
    session.samplesRefused,
    session.samplesLost,
    session.batchesLost,
    session.lastSeenAtMs ?? null,
    session.latestEventMs ?? null,
    session.latestSampleMs ?? null,
    session.id,
  ];
}

/** A group's gap goes behind the others of its device, of which only so many are kept. */
export function writeGap(sql: Statements, gap: GapRow, gapsMax: number): void {
  sql.writeGap.run(gap);
  sql.forgetGaps.run(gap.device, gap.device, gapsMax);
}

export function addRefusal(sql: Statements, refusal: RefusalRow): void {
  sql.addRefusal.run(refusal);
}

/** `windowColumns`, with NULL in place of those that are not wanted. @param wanted undefined: all */
export function someWindowColumns(wanted: ReadonlySet<WindowColumn> | undefined): string {
  const of = (column: WindowColumn, names: string) =>
    wanted?.has(column) === false ? names.replace(/\w+/g, "NULL") : names;
  return [
    "start_ms, series, count",
    of("sums", "sum"),
    of("m2s", "m2"),
    of("extremes", "min, max"),
    of("firsts", "first, first_time_ms"),
    of("lasts", "last, last_time_ms"),
    of("counters", "reset_offset, approximate"),
    "watermark_ms, revision",
    of("sketches", "sketch"),
  ].join(", ");
}

/** Columns that were left unread are NULL: 0 in the table, and NaN for the offset of counters. */
export function setWindowRow(table: WindowTable, at: number, row: WindowRow): void {
  table.starts[at] = row[0];
  table.series[at] = row[1];
  table.counts[at] = row[2];
  table.sums[at] = row[3];
  table.m2s[at] = row[4];
  table.mins[at] = row[5];
  table.maxs[at] = row[6];
  table.firsts[at] = row[7];
  table.firstTimesMs[at] = row[8];
  table.lasts[at] = row[9];
  table.lastTimesMs[at] = row[10];
  table.resetOffsets[at] = row[11] ?? Number.NaN;
  table.approximates[at] = row[12];
  table.watermarksMs[at] = row[13] ?? Number.NEGATIVE_INFINITY;
  table.revisions[at] = row[14];
  if (row[15] === null) clearSketch(table.sketches, at);
  else decodeSketch(table.sketches, at, row[15]);
}

export function appendWindowRow(table: WindowTable, row: WindowRow): void {
  setWindowRow(table, appendWindow(table, row[1], row[0]), row);
}

export function writeWindow(sql: Statements, widthMs: number, table: WindowTable, at: number): void {
  const watermarkMs = table.watermarksMs[at];
  sql.writeWindow.run(
    widthMs,
    table.starts[at],
    table.series[at],
    table.counts[at],
    table.sums[at],
    table.m2s[at],
    table.mins[at],
    table.maxs[at],
    table.firsts[at],
    table.firstTimesMs[at],
    table.lasts[at],
    table.lastTimesMs[at],
    // NaN is stored as NULL.
    table.resetOffsets[at],
    table.approximates[at],
    watermarkMs === Number.NEGATIVE_INFINITY ? null : watermarkMs,
    table.revisions[at],
    encodeSketch(table.sketches, at),
  );
}

export type Statements = ReturnType<typeof prepareStatements>;

export function prepareStatements(db: Database) {
  return {
    meta: db.prepare("SELECT incarnation, commits FROM meta"),
    writeCommits: db.prepare("UPDATE meta SET commits = ?"),
    append: db.prepare("INSERT INTO journal VALUES (?, ?, ?, ?, ?)"),
    trim: db.prepare("DELETE FROM journal WHERE position <= ?"),
    writeTrimmed: db.prepare("UPDATE meta SET trimmed = ?"),
    settle: db.prepare("UPDATE meta SET settled = ?"),
    positions: db.prepare("SELECT shard, applied FROM shards").raw(),
    writePosition: db.prepare("INSERT OR REPLACE INTO shards VALUES (?, ?)"),
    device: db.prepare(`SELECT ${deviceColumns} FROM devices WHERE device_id = ? AND deleted_at_ms IS NULL`),
    session: db.prepare(`SELECT ${sessionColumnNames} FROM sessions WHERE id = ?`),
    sessionOf: db.prepare("SELECT id FROM sessions WHERE device = ? AND spool_id = ?").pluck(),
    handles: db.prepare("SELECT handle, series FROM handles WHERE session = ?").raw(),
    series: db.prepare("SELECT id, device, name, kind, unit, description FROM series WHERE device = ?"),
    superseded: db.prepare(
      `SELECT 1 FROM sessions JOIN devices ON devices.id = sessions.device
       WHERE sessions.device = ? AND spool_id = ? AND sessions.id <> devices.session`,
    ),
    // No REPLACE: two that are there by one id are an error, not one less.
    writeDevice: db.prepare(
      `INSERT INTO devices (id, device_id, reported_labels, set_labels, description, session, reset, created_at_ms,
         deleted_at_ms)
       VALUES (@id, @deviceId, @reportedLabels, @setLabels, @description, @session, @reset, @createdAtMs, @deletedAtMs)
       ON CONFLICT (id) DO UPDATE SET reported_labels = excluded.reported_labels, set_labels = excluded.set_labels,
         description = excluded.description, session = excluded.session, reset = excluded.reset,
         deleted_at_ms = excluded.deleted_at_ms`,
    ),
    writeSession: db.prepare(
      `INSERT OR REPLACE INTO sessions VALUES (@id, @device, @spoolId, @ackedSequence, @samplesCounted,
       @samplesRefused, @samplesLost, @batchesLost, @lastSeenAtMs, @latestEventMs, @latestSampleMs)`,
    ),
    moveSession: db.prepare(
      `UPDATE sessions SET acked_sequence = ?, samples_counted = ?, samples_refused = ?, samples_lost = ?,
         batches_lost = ?, last_seen_at_ms = ?, latest_event_ms = ?, latest_sample_ms = ? WHERE id = ?`,
    ),
    writeGap: db.prepare(
      "INSERT INTO gaps VALUES (NULL, @device, @firstSequence, @lastSequence, @samples, @reason, @recordedAtMs)",
    ),
    forgetGaps: db.prepare(
      `DELETE FROM gaps WHERE device = ?
       AND id <= (SELECT id FROM gaps WHERE device = ? ORDER BY id DESC LIMIT 1 OFFSET ?)`,
    ),
    addRefusal: db.prepare(
      `INSERT INTO refusals VALUES (@device, @reason, @samples, @batches)
       ON CONFLICT DO UPDATE SET samples = samples + excluded.samples, batches = batches + excluded.batches`,
    ),
    writeSeries: db.prepare("INSERT OR REPLACE INTO series VALUES (@id, @device, @name, @kind, @unit, @description)"),
    writeHandle: db.prepare("INSERT INTO handles VALUES (?, ?, ?, ?)"),
    counters: db.prepare("SELECT id FROM series WHERE kind = 'counter'").pluck(),
    advanceRollUp: db.prepare("UPDATE tiers SET rolled_ms = ? WHERE tier_ms = ?"),
    // A handle keeps its series: only one that was refused, and has none, may get one.
    deleteRefusedHandle: db.prepare("DELETE FROM handles WHERE session = ? AND handle = ? AND series = 0"),
    ...prepareWindowReads(db),
    window: db
      .prepare(`SELECT ${someWindowColumns(undefined)} FROM windows WHERE tier_ms = ? AND start_ms = ? AND series = ?`)
      .raw(),
    writeWindow: db.prepare(
      "INSERT OR REPLACE INTO windows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    ),
    writeChange: db.prepare(
      "INSERT INTO changes VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET revision = max(revision, excluded.revision)",
    ),
    pruneChanges: db.prepare(
      `DELETE FROM changes WHERE (tier_ms, start_ms, shard) IN
       (SELECT tier_ms, start_ms, shard FROM changes WHERE tier_ms = ? AND start_ms < ?
        ORDER BY start_ms, shard LIMIT ?)`,
    ),
    prune: db.prepare(
      `DELETE FROM windows WHERE (tier_ms, start_ms, series) IN
       (SELECT tier_ms, start_ms, series FROM windows WHERE tier_ms = ? AND start_ms < ?
        ORDER BY start_ms, series LIMIT ?)`,
    ),
  };
}

export type WindowReads = ReturnType<typeof prepareWindowReads>;

/** How writer and readers read windows that are merged. @param columns to read; undefined: all */
export function prepareWindowReads(db: Database, columns?: ReadonlySet<WindowColumn>) {
  return {
    nextStart: db
      .prepare(
        "SELECT start_ms FROM windows WHERE tier_ms = ? AND start_ms >= ? AND start_ms < ? ORDER BY start_ms LIMIT 1",
      )
      .pluck(),
    marks: db.prepare("SELECT rolled_ms FROM tiers ORDER BY tier_ms").pluck(),
    lastSeries: db.prepare("SELECT coalesce(max(id), 0) FROM series").pluck(),
    latestStart: db.prepare("SELECT max(start_ms) FROM windows WHERE tier_ms = ?").pluck(),
    windowsAt: db
      .prepare(
        `SELECT ${someWindowColumns(columns)} FROM windows
         WHERE tier_ms = ? AND start_ms = ? AND series BETWEEN ? AND ? ORDER BY series`,
      )
      .raw(),
  };
}

export function nextStart(sql: WindowReads, widthMs: number, fromMs: number, toMs: number): number | undefined {
  // Infinity is no INTEGER, and compares as it should all the same.
  return sql.nextStart.get(widthMs, fromMs, toMs) as number | undefined;
}

export function latestStart(sql: WindowReads, widthMs: number): number {
  return (sql.latestStart.get(widthMs) as number | null) ?? Number.NEGATIVE_INFINITY;
}

export function readWindows(
  sql: WindowReads,
  widthMs: number,
  startMs: number,
  first: number,
  last: number,
  into: WindowTable,
): void {
  const rows = sql.windowsAt.all(widthMs, startMs, first, last) as WindowRow[];
  for (const row of rows) appendWindowRow(into, row);
}

/** The marks of the tiers: infinity for the finest, and -infinity where nothing has been rolled up yet. */
export function readMarks(sql: WindowReads): number[] {
  const marks = sql.marks.all() as (number | null)[];
  return marks.map((rolledMs, t) => (t === 0 ? Number.POSITIVE_INFINITY : (rolledMs ?? Number.NEGATIVE_INFINITY)));
}
