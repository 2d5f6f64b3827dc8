import type { Database } from "better-sqlite3";
import { mergeBelow, mergeStart, type SeriesRange, type StoredWindows } from "../../aggregate/roll-up.ts";
import { seriesOf } from "../../aggregate/shard.ts";
import { type Tier, windowStart } from "../../aggregate/tiers.ts";
import type { DeviceProgress } from "../../aggregate/watermark.ts";
import { TierWindows } from "../../aggregate/window-set.ts";
import { copyWindow, createWindowTable, type WindowTable } from "../../aggregate/window-table.ts";
import type { Selector } from "../selector.ts";
import type {
  AggregateReader,
  ChangedRequest,
  DeviceRow,
  RangePage,
  RangeReader,
  RangeRequest,
  SeriesPosition,
  SeriesRow,
  SessionMark,
} from "../store.ts";
import { ChangedWindows, prepareChangeReads } from "./changed-windows.ts";
import { openForReading } from "./database.ts";
import {
  appendWindowRow,
  type DeviceColumns,
  deviceColumns,
  latestStart,
  nextStart,
  prepareWindowReads,
  readDevice,
  readMarks,
  readWindows,
  type WindowRow,
  windowColumns,
} from "./rows.ts";

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
    return rows.map((row) => ({
      ...readDevice(row),
      lastSeenAtMs: row.lastSeenAtMs ?? undefined,
      latestEventMs: row.latestEventMs ?? undefined,
    }));
  }

  series(selector: Selector, after: SeriesPosition | undefined, limit: number): SeriesRow[] {
    const rows = this.#sql.series.all({
      labels: JSON.stringify(selector.labels ?? {}),
      deviceIds: namesOrNull(selector.deviceIds),
      devicePrefixes: namesOrNull(selector.deviceIdPrefixes),
      names: namesOrNull(selector.metricNames),
      namePrefixes: namesOrNull(selector.metricNamePrefixes),
      afterDevice: after?.deviceId ?? "",
      afterName: after?.name ?? "",
      limit,
    });
    return (rows as SeriesColumns[]).map(readSeries);
  }

  unknownDevices(deviceIds: readonly string[]): string[] {
    return this.#sql.unknownDevices.all(JSON.stringify(deviceIds)) as string[];
  }

  progress(device: number): DeviceProgress {
    const row = this.#sql.progress.get(device) as Record<keyof DeviceProgress, number | null>;
    return { lastSeenAtMs: row.lastSeenAtMs ?? undefined, latestEventMs: row.latestEventMs ?? undefined };
  }

  openRange(request: RangeRequest): RangeReader {
    return new SqliteRange(this.#db, this.#sql, this.tiers, request, this.#selection(request.selector));
  }

  openChanged(request: ChangedRequest): RangeReader {
    const selection = this.#selection(request.selector);
    return new ChangedWindows(this.#db, this.#sql, this.tiers, request, selection, (id) => {
      return readSeries(this.#sql.seriesById.get(id) as SeriesColumns);
    });
  }

  close(): void {
    this.#db.close();
  }

  #selection(selector: Selector): Map<number, SeriesRow> | "all" {
    if (Object.values(selector).every((part) => part === undefined)) return "all";
    const rows = this.series(selector, undefined, Number.MAX_SAFE_INTEGER);
    return new Map(rows.map((row) => [row.id, row]));
  }
}

/** Selections of at most this many series are looked up one by one in each window start. */
const lookupSeriesMax = 32;
/** Window starts to look into before a page is handed on, full or not. */
const startsPerPageMax = 512;

/**
 * Up to the tier's mark, windows are read as they are stored; later ones are merged from the tiers below, some series
 * at a time, so that memory is bounded. Each page goes by the marks as they are by then: what the tier above shows may
 * be deleted below.
 */
class SqliteRange implements RangeReader, StoredWindows {
  readonly tiers: readonly Tier[];
  rolledMs: readonly number[];
  readonly #db: Database;
  readonly #sql: ReturnType<typeof prepareStatements>;
  readonly #tier: number;
  readonly #widthMs: number;
  readonly #toMs: number;
  readonly #selection: Map<number, SeriesRow> | "all";
  /** Series to look up together in each window start; undefined: scan and filter. */
  readonly #chunks: readonly SeriesRange[] | undefined;
  readonly #told = new Set<number>();
  /** Where the windows of the tiers below end. */
  readonly #endMs: number;
  /** What was read last. */
  #startMs: number;
  #series = 0;
  /** Windows that were merged, the next one to read, and the chunk to merge next. */
  #merged: { startMs: number; chunk: number; windows: WindowTable; next: number } | undefined;
  #done = false;

  constructor(
    db: Database,
    sql: ReturnType<typeof prepareStatements>,
    tiers: readonly Tier[],
    request: RangeRequest,
    selection: Map<number, SeriesRow> | "all",
  ) {
    this.#db = db;
    this.#sql = sql;
    this.tiers = tiers;
    this.rolledMs = readMarks(this.#sql);
    this.#tier = tiers.findIndex(({ widthMs }) => widthMs === request.widthMs);
    // Not of the finest alone: it may keep nothing any more.
    const ends = tiers.slice(0, this.#tier).map(({ widthMs }) => {
      return latestStart(sql, widthMs) + widthMs;
    });
    this.#endMs = Math.max(Number.NEGATIVE_INFINITY, ...ends);
    this.#widthMs = request.widthMs;
    this.#startMs = windowStart(request.fromMs, request.widthMs);
    this.#toMs = request.toMs;
    this.#selection = selection;
    if (selection !== "all" && selection.size <= lookupSeriesMax) {
      this.#chunks = [...selection.keys()].sort((a, b) => a - b).map((id) => ({ first: id, last: id }));
    }
  }

  nextStart(widthMs: number, fromMs: number, toMs: number): number | undefined {
    return nextStart(this.#sql, widthMs, fromMs, toMs);
  }

  readWindows(widthMs: number, startMs: number, first: number, last: number, into: WindowTable): void {
    readWindows(this.#sql, widthMs, startMs, first, last, into);
  }

  next(windowsMax: number): RangePage | undefined {
    if (this.#done) return undefined;
    // One transaction, so that the page shows whole commits.
    return this.#db.transaction(() => {
      this.rolledMs = readMarks(this.#sql);
      const windows = createWindowTable(windowsMax);
      if (this.#merged === undefined) {
        const storedToMs = Math.min(this.#toMs, this.rolledMs[this.#tier]);
        const done =
          this.#chunks === undefined
            ? this.#scan(windows, windowsMax, storedToMs)
            : this.#lookUp(this.#chunks, windows, windowsMax, storedToMs);
        if (done) this.#beginMerging(storedToMs);
      } else this.#merge(windows, windowsMax);
      return { windows, series: this.#untold(windows) };
    })();
  }

  /** Reads rows in the order of the table; stops after a bounded number, matching or not. @returns whether it is done */
  #scan(windows: WindowTable, windowsMax: number, toMs: number): boolean {
    const rowsMax = this.#selection === "all" ? windowsMax : windowsMax * 8;
    const rows = this.#sql.scan.all(this.#widthMs, this.#startMs, this.#series, toMs, rowsMax) as WindowRow[];
    for (const row of rows) {
      if (windows.length === windowsMax) return false;
      this.#startMs = row[0];
      this.#series = row[1];
      if (this.#isSelected(row[1])) appendWindowRow(windows, row);
    }
    return rows.length < rowsMax;
  }

  /** For each window start that exists, looks up each series. @returns whether it is done */
  #lookUp(chunks: readonly SeriesRange[], windows: WindowTable, windowsMax: number, toMs: number): boolean {
    let seeksLeft = windowsMax * 8;
    while (windows.length < windowsMax && seeksLeft > 0) {
      let next = chunks.findIndex(({ first }) => first > this.#series);
      if (next === -1) {
        this.#startMs += this.#widthMs;
        next = 0;
      }
      if (next === 0) {
        this.#series = 0;
        const startMs = this.nextStart(this.#widthMs, this.#startMs, toMs);
        if (startMs === undefined || chunks.length === 0) return true;
        this.#startMs = startMs;
        seeksLeft -= 1;
      }
      for (; next < chunks.length && windows.length < windowsMax; next += 1) {
        const { first, last } = chunks[next];
        this.#series = last;
        this.readWindows(this.#widthMs, this.#startMs, first, last, windows);
        seeksLeft -= 1;
      }
    }
    return false;
  }

  /** @param fromMs the mark, the end of the range, or the end of a window that was merged */
  #beginMerging(fromMs: number): void {
    const startMs = fromMs < this.#toMs ? this.#nextMerge(Math.max(fromMs, this.#startMs)) : undefined;
    if (startMs === undefined) this.#done = true;
    else this.#merged = { startMs, chunk: 0, windows: createWindowTable(1), next: 0 };
  }

  /** The next window that the tiers below have something of, or that was stored meanwhile. */
  #nextMerge(fromMs: number): number | undefined {
    const starts = this.tiers.slice(0, this.#tier + 1).flatMap(({ widthMs }, t) => {
      const toMs = t < this.#tier ? this.#endMs : Math.min(this.#endMs, this.rolledMs[t]);
      return this.nextStart(widthMs, fromMs, toMs) ?? [];
    });
    if (starts.length === 0) return undefined;
    const startMs = windowStart(Math.min(...starts), this.#widthMs);
    return startMs < this.#toMs ? startMs : undefined;
  }

  #merge(windows: WindowTable, windowsMax: number): void {
    for (let left = startsPerPageMax; left > 0 && windows.length < windowsMax && this.#merged !== undefined; ) {
      const merged = this.#merged;
      for (; merged.next < merged.windows.length && windows.length < windowsMax; merged.next += 1) {
        if (this.#isSelected(merged.windows.series[merged.next])) copyWindow(merged.windows, merged.next, windows);
      }
      if (merged.next < merged.windows.length) return;
      const range = this.#chunk(merged.chunk);
      if (range === undefined) {
        this.#merged = undefined;
        this.#beginMerging(merged.startMs + this.#widthMs);
        left -= 1;
        continue;
      }
      const into = new TierWindows(this.#widthMs);
      const { startMs } = merged;
      if (startMs < this.rolledMs[this.#tier]) mergeStart(this, this.#widthMs, startMs, range, startMs, into);
      else mergeBelow(this, this.#tier, startMs, range, this.#endMs, into);
      merged.windows = bySeries(into.table);
      merged.next = 0;
      merged.chunk += 1;
      left -= this.#widthMs / this.tiers[this.#tier - 1].widthMs;
    }
  }

  /** The series to merge together: those to look up, or a shard. */
  #chunk(i: number): SeriesRange | undefined {
    if (this.#chunks !== undefined) return this.#chunks[i];
    const range = seriesOf(i);
    return range.first <= (this.#sql.lastSeries.get() as number) ? range : undefined;
  }

  #isSelected(series: number): boolean {
    return this.#selection === "all" || this.#selection.has(series);
  }

  #untold(windows: WindowTable): SeriesRow[] {
    const rows: SeriesRow[] = [];
    for (let i = 0; i < windows.length; i += 1) {
      const id = windows.series[i];
      if (this.#told.has(id)) continue;
      this.#told.add(id);
      const row =
        this.#selection === "all" ? readSeries(this.#sql.seriesById.get(id) as SeriesColumns) : this.#selection.get(id);
      if (row !== undefined) rows.push(row);
    }
    return rows;
  }
}

function namesOrNull(names: readonly string[] | undefined): string | null {
  return names === undefined ? null : JSON.stringify(names);
}

interface SeriesColumns extends Omit<SeriesRow, "labels"> {
  readonly labels: string;
}

function readSeries(row: SeriesColumns): SeriesRow {
  return { ...row, labels: JSON.parse(row.labels) as Record<string, string> };
}

/** A copy in the order of the series. */
function bySeries(table: WindowTable): WindowTable {
  const sorted = createWindowTable(Math.max(1, table.length));
  const order = Array.from({ length: table.length }, (_, i) => i).sort((a, b) => table.series[a] - table.series[b]);
  for (const i of order) copyWindow(table, i, sorted);
  return sorted;
}

function prepareStatements(db: Database) {
  const seriesColumns = `series.id, series.device, series.name, series.kind, series.unit, series.description,
    devices.device_id AS deviceId, devices.labels`;
  return {
    devices: db.prepare(
      `SELECT ${deviceColumns}, newest.spool_id AS spoolId, newest.acked_sequence AS ackedSequence,
         sum(sessions.samples_counted) AS samplesCounted, sum(sessions.samples_refused) AS samplesRefused,
         sum(sessions.samples_lost) AS samplesLost, sum(sessions.batches_lost) AS batchesLost,
         max(sessions.last_seen_at_ms) AS lastSeenAtMs, max(sessions.latest_event_ms) AS latestEventMs
       FROM devices
       JOIN sessions AS newest ON newest.id = devices.session
       JOIN sessions ON sessions.device = devices.id
       WHERE device_id > ? GROUP BY device_id ORDER BY device_id LIMIT ?`,
    ),
    series: db.prepare(
      `SELECT ${seriesColumns} FROM devices JOIN series ON series.device = devices.id
       WHERE (
           (@deviceIds IS NULL AND @devicePrefixes IS NULL)
           OR device_id IN (SELECT value FROM json_each(@deviceIds))
           OR EXISTS (SELECT 1 FROM json_each(@devicePrefixes) WHERE substr(device_id, 1, length(value)) = value)
         )
         AND (
           (@names IS NULL AND @namePrefixes IS NULL)
           OR name IN (SELECT value FROM json_each(@names))
           OR EXISTS (SELECT 1 FROM json_each(@namePrefixes) WHERE substr(name, 1, length(value)) = value)
         )
         AND NOT EXISTS (
           SELECT 1 FROM json_each(@labels) AS wanted
           WHERE wanted.value IS NOT (SELECT value FROM json_each(devices.labels) WHERE key = wanted.key)
         )
         AND device_id >= @afterDevice AND (device_id, name) > (@afterDevice, @afterName)
       ORDER BY device_id, name LIMIT @limit`,
    ),
    seriesById: db.prepare(
      `SELECT ${seriesColumns} FROM series JOIN devices ON devices.id = series.device WHERE series.id = ?`,
    ),
    progress: db.prepare(
      "SELECT max(last_seen_at_ms) AS lastSeenAtMs, max(latest_event_ms) AS latestEventMs FROM sessions WHERE device = ?",
    ),
    unknownDevices: db
      .prepare("SELECT value FROM json_each(?) WHERE value NOT IN (SELECT device_id FROM devices)")
      .pluck(),
    scan: db
      .prepare(
        `SELECT ${windowColumns} FROM windows
         WHERE tier_ms = ? AND (start_ms, series) > (?, ?) AND start_ms < ?
         ORDER BY start_ms, series LIMIT ?`,
      )
      .raw(),
    lastSeries: db.prepare("SELECT coalesce(max(id), 0) FROM series").pluck(),
    ...prepareWindowReads(db),
    ...prepareChangeReads(db),
  };
}
