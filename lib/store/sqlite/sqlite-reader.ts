import type { Database } from "better-sqlite3";
import { type Tier, windowStart } from "../../aggregate/tiers.ts";
import { appendWindow, createWindowTable, type WindowTable } from "../../aggregate/window-table.ts";
import type {
  AggregateReader,
  DeviceRow,
  RangePage,
  RangeReader,
  RangeRequest,
  Selector,
  SeriesPosition,
  SeriesRow,
  SessionMark,
} from "../store.ts";
import { openForReading } from "./database.ts";
import { type DeviceColumns, deviceColumns, readDevice, setWindowColumns, windowColumns } from "./rows.ts";

/** Opens the store of a data directory for reading, while another connection writes it. */
export function openSqliteReader(dataDir: string, tiers: readonly Tier[]): AggregateReader {
  return new SqliteReader(openForReading(dataDir), tiers);
}

class SqliteReader implements AggregateReader {
  readonly tiers: readonly Tier[];
  readonly #db: Database;
  readonly #sql: ReturnType<typeof prepareStatements>;

  constructor(db: Database, tiers: readonly Tier[]) {
    this.#db = db;
    this.tiers = tiers;
    this.#sql = prepareStatements(db);
  }

  devices(after: string, limit: number): DeviceRow[] {
    const rows = this.#sql.devices.all(after, limit) as (DeviceColumns & SessionMark & { spoolId: string })[];
    return rows.map((row) => ({ ...readDevice(row), lastSeenAtMs: row.lastSeenAtMs ?? undefined }));
  }

  series(selector: Selector, after: SeriesPosition | undefined, limit: number): SeriesRow[] {
    return this.#sql.series.all({
      deviceIds: selector.deviceIds === undefined ? null : JSON.stringify(selector.deviceIds),
      names: selector.metricNames === undefined ? null : JSON.stringify(selector.metricNames),
      afterDevice: after?.deviceId ?? "",
      afterName: after?.name ?? "",
      limit,
    }) as SeriesRow[];
  }

  unknownDevices(deviceIds: readonly string[]): string[] {
    return this.#sql.unknownDevices.all(JSON.stringify(deviceIds)) as string[];
  }

  openRange(request: RangeRequest): RangeReader {
    return new SqliteRange(this.#db, this.#sql, request, this.#selection(request.selector));
  }

  close(): void {
    this.#db.close();
  }

  #selection(selector: Selector): Map<number, SeriesRow> | "all" {
    if (selector.deviceIds === undefined && selector.metricNames === undefined) return "all";
    const rows = this.series(selector, undefined, Number.MAX_SAFE_INTEGER);
    return new Map(rows.map((row) => [row.id, row]));
  }
}

/** Selections of at most this many series are looked up one by one in each window start. */
const lookupSeriesMax = 32;

class SqliteRange implements RangeReader {
  readonly #db: Database;
  readonly #sql: ReturnType<typeof prepareStatements>;
  readonly #widthMs: number;
  readonly #toMs: number;
  readonly #selection: Map<number, SeriesRow> | "all";
  /** The selected series to look up one by one, sorted; undefined: scan and filter. */
  readonly #lookups: readonly number[] | undefined;
  readonly #told = new Set<number>();
  /** What was read last. */
  #startMs: number;
  #series = 0;
  #done = false;

  constructor(
    db: Database,
    sql: ReturnType<typeof prepareStatements>,
    request: RangeRequest,
    selection: Map<number, SeriesRow> | "all",
  ) {
    this.#db = db;
    this.#sql = sql;
    this.#widthMs = request.widthMs;
    this.#startMs = windowStart(request.fromMs, request.widthMs);
    this.#toMs = request.toMs;
    this.#selection = selection;
    if (selection !== "all" && selection.size <= lookupSeriesMax) {
      this.#lookups = [...selection.keys()].sort((a, b) => a - b);
    }
  }

  next(windowsMax: number): RangePage | undefined {
    if (this.#done) return undefined;
    // One transaction, so that the page shows whole commits.
    return this.#db.transaction(() => {
      const windows = createWindowTable(windowsMax);
      if (this.#lookups === undefined) this.#scan(windows, windowsMax);
      else this.#lookUp(this.#lookups, windows, windowsMax);
      return { windows, series: this.#untold(windows) };
    })();
  }

  /** Reads rows in the order of the table; stops after a bounded number, matching or not. */
  #scan(windows: WindowTable, windowsMax: number): void {
    const rowsMax = this.#selection === "all" ? windowsMax : windowsMax * 8;
    const rows = this.#sql.scan.all(this.#widthMs, this.#startMs, this.#series, this.#toMs, rowsMax) as WindowRow[];
    for (const row of rows) {
      if (windows.length === windowsMax) return;
      this.#startMs = row[0];
      this.#series = row[1];
      if (this.#selection === "all" || this.#selection.has(row[1])) append(windows, row);
    }
    this.#done = rows.length < rowsMax;
  }

  /** For each window start that exists, looks up each series. */
  #lookUp(series: readonly number[], windows: WindowTable, windowsMax: number): void {
    let seeksLeft = windowsMax * 8;
    while (windows.length < windowsMax && seeksLeft > 0) {
      let next = series.findIndex((id) => id > this.#series);
      if (next === -1) {
        this.#startMs += this.#widthMs;
        next = 0;
      }
      if (next === 0) {
        const startMs = this.#sql.nextStart.get(this.#widthMs, this.#startMs, this.#toMs) as number | undefined;
        if (startMs === undefined || series.length === 0) {
          this.#done = true;
          return;
        }
        this.#startMs = startMs;
        seeksLeft -= 1;
      }
      for (; next < series.length && windows.length < windowsMax; next += 1) {
        this.#series = series[next];
        const row = this.#sql.lookUp.get(this.#widthMs, this.#startMs, this.#series) as WindowRow | undefined;
        if (row !== undefined) append(windows, row);
        seeksLeft -= 1;
      }
    }
  }

  #untold(windows: WindowTable): SeriesRow[] {
    const rows: SeriesRow[] = [];
    for (let i = 0; i < windows.length; i += 1) {
      const id = windows.series[i];
      if (this.#told.has(id)) continue;
      this.#told.add(id);
      const row = this.#selection === "all" ? this.#sql.seriesById.get(id) : this.#selection.get(id);
      rows.push(row as SeriesRow);
    }
    return rows;
  }
}

/** start_ms, series, then `windowColumns`. */
type WindowRow = [number, number, number, number, number, number, number, number, number, number];

function append(windows: WindowTable, row: WindowRow): void {
  const [startMs, series, ...columns] = row;
  setWindowColumns(windows, appendWindow(windows, series, startMs), columns);
}

function prepareStatements(db: Database) {
  const seriesColumns = `series.id, series.device, series.name, series.kind, series.unit, series.description,
    devices.device_id AS deviceId`;
  return {
    devices: db.prepare(
      `SELECT ${deviceColumns}, newest.spool_id AS spoolId, newest.acked_sequence AS ackedSequence,
         sum(sessions.samples_counted) AS samplesCounted, sum(sessions.samples_refused) AS samplesRefused,
         sum(sessions.samples_lost) AS samplesLost, sum(sessions.batches_lost) AS batchesLost,
         max(sessions.last_seen_at_ms) AS lastSeenAtMs
       FROM devices
       JOIN sessions AS newest ON newest.id = devices.session
       JOIN sessions ON sessions.device = devices.id
       WHERE device_id > ? GROUP BY device_id ORDER BY device_id LIMIT ?`,
    ),
    series: db.prepare(
      `SELECT ${seriesColumns} FROM devices JOIN series ON series.device = devices.id
       WHERE (@deviceIds IS NULL OR device_id IN (SELECT value FROM json_each(@deviceIds)))
         AND (@names IS NULL OR name IN (SELECT value FROM json_each(@names)))
         AND device_id >= @afterDevice AND (device_id, name) > (@afterDevice, @afterName)
       ORDER BY device_id, name LIMIT @limit`,
    ),
    seriesById: db.prepare(
      `SELECT ${seriesColumns} FROM series JOIN devices ON devices.id = series.device WHERE series.id = ?`,
    ),
    unknownDevices: db
      .prepare("SELECT value FROM json_each(?) WHERE value NOT IN (SELECT device_id FROM devices)")
      .pluck(),
    scan: db
      .prepare(
        `SELECT start_ms, series, ${windowColumns} FROM windows
         WHERE tier_ms = ? AND (start_ms, series) > (?, ?) AND start_ms < ?
         ORDER BY start_ms, series LIMIT ?`,
      )
      .raw(),
    nextStart: db
      .prepare(
        "SELECT start_ms FROM windows WHERE tier_ms = ? AND start_ms >= ? AND start_ms < ? ORDER BY start_ms LIMIT 1",
      )
      .pluck(),
    lookUp: db
      .prepare(
        `SELECT start_ms, series, ${windowColumns} FROM windows WHERE tier_ms = ? AND start_ms = ? AND series = ?`,
      )
      .raw(),
  };
}
