import type { Database } from "better-sqlite3";
import { gapsPerDeviceMax } from "../../base/limits.ts";
import { foldMark } from "../marks.ts";
import type { DeviceDetail, DeviceFilter, GapRow, RefusalRow, StandingMark } from "../registry.ts";
import type { DeviceRow } from "../store.ts";
import {
  type DeviceColumns,
  deviceColumns,
  type MarkColumns,
  readDevice,
  readSession,
  readTimes,
  type SessionColumns,
  sessionColumnNames,
} from "./rows.ts";

type RowColumns = DeviceColumns & MarkColumns & { readonly spoolId: string };

/** Reads devices for who lists them. */
export class DeviceReader {
  readonly #db: Database;
  readonly #sql: ReturnType<typeof prepareStatements>;

  constructor(db: Database) {
    this.#db = db;
    this.#sql = prepareStatements(db);
  }

  /** Devices with an id above `after`, by id. */
  page(after: string, limit: number, { deviceIdPrefixes, labels = {} }: DeviceFilter = {}): DeviceRow[] {
    const rows = this.#sql.page.all({
      after,
      limit,
      labels: JSON.stringify(labels),
      prefixes: deviceIdPrefixes === undefined ? null : JSON.stringify(deviceIdPrefixes),
    });
    return (rows as RowColumns[]).map(readRow);
  }

  /** Those of the devices that are there, by id. */
  those(deviceIds: readonly string[], marks: readonly StandingMark[]): DeviceRow[] {
    return this.#db.transaction(() => {
      const rows = this.#sql.those.all(JSON.stringify(deviceIds)) as RowColumns[];
      const byDevice = Map.groupBy(marks, ({ device }) => device);
      return rows.map((row) => this.#withMarks(readRow(row), byDevice.get(row.id) ?? []));
    })();
  }

  count(): number {
    return this.#sql.count.get() as number;
  }

  detail(deviceId: string, marks: readonly StandingMark[]): DeviceDetail | undefined {
    return this.#db.transaction(() => {
      const [device] = this.those([deviceId], marks);
      if (device === undefined) return undefined;
      return {
        device,
        gaps: this.#sql.gaps.all(device.id, gapsPerDeviceMax) as GapRow[],
        refusals: this.#sql.refusals.all(device.id) as RefusalRow[],
        series: this.#sql.series.get(device.id) as number,
        sessions: this.#sql.sessions.get(device.id) as number,
      };
    })();
  }

  #withMarks(row: DeviceRow, marks: readonly StandingMark[]): DeviceRow {
    return marks.reduce((folded, mark) => {
      const stored = this.#sql.session.get(mark.id) as SessionColumns | undefined;
      return stored === undefined ? folded : foldMark(folded, readSession(stored, []), mark);
    }, row);
  }
}

function readRow(row: RowColumns): DeviceRow {
  return readDevice(readTimes(row));
}

function prepareStatements(db: Database) {
  const rowsOf = (devices: string) =>
    `SELECT ${deviceColumns}, newest.spool_id AS spoolId, newest.acked_sequence AS ackedSequence,
       sum(sessions.samples_counted) AS samplesCounted, sum(sessions.samples_refused) AS samplesRefused,
       sum(sessions.samples_lost) AS samplesLost, sum(sessions.batches_lost) AS batchesLost,
       max(sessions.last_seen_at_ms) AS lastSeenAtMs, max(sessions.latest_event_ms) AS latestEventMs,
       max(sessions.latest_sample_ms) AS latestSampleMs
     FROM (${devices}) AS devices
     JOIN sessions AS newest ON newest.id = devices.session
     JOIN sessions ON sessions.device = devices.id
     GROUP BY devices.id ORDER BY device_id`;
  return {
    page: db.prepare(
      rowsOf(
        `SELECT * FROM devices
         WHERE deleted_at_ms IS NULL AND device_id > @after
           AND (@prefixes IS NULL OR (
             device_id >= (SELECT min(value) FROM json_each(@prefixes))
             AND EXISTS (SELECT 1 FROM json_each(@prefixes) WHERE substr(device_id, 1, length(value)) = value)))
           AND NOT EXISTS (
             SELECT 1 FROM json_each(@labels) AS wanted
             WHERE wanted.value IS NOT (SELECT value FROM json_each(devices.labels) WHERE key = wanted.key))
         ORDER BY device_id LIMIT @limit`,
      ),
    ),
    those: db.prepare(
      rowsOf("SELECT * FROM devices WHERE deleted_at_ms IS NULL AND device_id IN (SELECT value FROM json_each(?))"),
    ),
    count: db.prepare("SELECT count(*) FROM devices WHERE deleted_at_ms IS NULL").pluck(),
    session: db.prepare(`SELECT ${sessionColumnNames} FROM sessions WHERE id = ?`),
    gaps: db.prepare(
      `SELECT device, first_sequence AS firstSequence, last_sequence AS lastSequence, samples, reason,
         recorded_at_ms AS recordedAtMs
       FROM gaps WHERE device = ? ORDER BY id DESC LIMIT ?`,
    ),
    refusals: db.prepare("SELECT device, reason, samples, batches FROM refusals WHERE device = ? ORDER BY reason"),
    series: db.prepare("SELECT count(*) FROM series WHERE device = ?").pluck(),
    sessions: db.prepare("SELECT count(*) FROM sessions WHERE device = ? AND spool_id <> ''").pluck(),
  };
}
