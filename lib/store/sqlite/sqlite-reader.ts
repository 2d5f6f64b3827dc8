import type { Database } from "better-sqlite3";
import type { Tier } from "../../aggregate/tiers.ts";
import type { DeviceDetail, DeviceFilter, StandingMark } from "../registry.ts";
import type { Selector } from "../selector.ts";
import type {
  AggregateReader,
  ChangedReader,
  ChangedRequest,
  DeviceRow,
  OpenWindows,
  ProgressColumns,
  RangeReader,
  RangeRequest,
  Selection,
  SeriesPosition,
  SeriesRow,
} from "../store.ts";
import { ChangedWindows, prepareChangeReads } from "./changed-windows.ts";
import { openForReading } from "./database.ts";
import { DeviceReader } from "./device-reader.ts";
import { SeriesSelection, selectorParameters } from "./series-selection.ts";
import { RangeStatements, SqliteRange } from "./sqlite-range.ts";

/** Opens the store of a data directory for reading, while another connection writes it. */
export function openSqliteReader(dataDir: string, tiers: readonly Tier[]): SqliteReader {
  return new SqliteReader(openForReading(dataDir), tiers);
}

export class SqliteReader implements AggregateReader {
  readonly tiers: readonly Tier[];
  readonly #db: Database;
  readonly #sql: ReturnType<typeof prepareStatements>;
  readonly #selection: SeriesSelection;
  readonly #ranges: RangeStatements;
  readonly #devices: DeviceReader;

  readonly #changed: ReturnType<typeof prepareChangeReads>;
  readonly #seriesById = (id: number): SeriesRow | undefined => {
    const row = this.#sql.seriesById.get(id) as SeriesColumns | undefined;
    return row === undefined ? undefined : readSeries(row);
  };

  constructor(db: Database, tiers: readonly Tier[]) {
    this.#db = db;
    this.tiers = tiers;
    this.#sql = prepareStatements(db);
    this.#selection = new SeriesSelection(db);
    this.#ranges = new RangeStatements(db);
    this.#devices = new DeviceReader(db);
    this.#changed = prepareChangeReads(db);
  }

  /**
   * From now on, until `endSnapshot`, everything is read as it is now. The log cannot be emptied meanwhile: end it soon.
   * @returns how many commits it shows (`AggregateStore.commits`)
   */
  beginSnapshot(): number {
    this.#db.exec("BEGIN");
    return this.#sql.commits.get() as number;
  }

  endSnapshot(): void {
    if (this.#db.inTransaction) this.#db.exec("COMMIT");
  }

  devices(after: string, limit: number, filter?: DeviceFilter): DeviceRow[] {
    return this.#devices.page(after, limit, filter);
  }

  devicesOf(deviceIds: readonly string[], marks: readonly StandingMark[]): DeviceRow[] {
    return this.#devices.those(deviceIds, marks);
  }

  deviceCount(): number {
    return this.#devices.count();
  }

  deviceDetail(deviceId: string, marks: readonly StandingMark[]): DeviceDetail | undefined {
    return this.#devices.detail(deviceId, marks);
  }

  series(selector: Selector, after: SeriesPosition | undefined, limit: number): SeriesRow[] {
    const page = `AND device_id >= @afterDevice AND (device_id, name) > (@afterDevice, @afterName)
      ORDER BY device_id, name LIMIT @limit`;
    const rows = this.#selection.statement(seriesColumns, selector, page).all({
      ...selectorParameters(selector),
      afterDevice: after?.deviceId ?? "",
      afterName: after?.name ?? "",
      limit,
    });
    return (rows as SeriesColumns[]).map(readSeries);
  }

  unknownDevices(deviceIds: readonly string[]): string[] {
    return this.#sql.unknownDevices.all(JSON.stringify(deviceIds)) as string[];
  }

  select(selector: Selector): Selection {
    const isEvery = Object.values(selector).every((part) => part === undefined);
    // Of deleted devices there are windows until they are purged, and nobody may see them.
    const isAll = isEvery && this.#sql.unpurged.get() === undefined;
    if (isAll) return { series: undefined, devices: undefined };
    const statement = this.#selection.statement("series.id, series.device", selector).raw();
    const rows = statement.all(selectorParameters(selector)) as [number, number][];
    const devices = new Set(rows.map(([, device]) => device));
    return {
      series: Int32Array.from(rows, ([id]) => id).sort(),
      devices: Int32Array.from(devices).sort(),
    };
  }

  progress(devices: Int32Array | undefined): ProgressColumns {
    const rows = (
      devices === undefined
        ? this.#sql.progressOfAll.all()
        : this.#sql.progress.all(JSON.stringify(Array.from(devices)))
    ) as [number, number | null, number | null][];
    return {
      devices: Int32Array.from(rows, ([device]) => device),
      lastSeenMs: Float64Array.from(rows, ([, lastSeenMs]) => lastSeenMs ?? Number.NaN),
      latestEventMs: Float64Array.from(rows, ([, , latestEventMs]) => latestEventMs ?? Number.NaN),
    };
  }

  openRange(request: RangeRequest, selection = this.select(request.selector), open?: OpenWindows): RangeReader {
    return new SqliteRange(this.#db, this.#ranges, this.#seriesById, this.tiers, request, selection, open);
  }

  openChanged(request: ChangedRequest): ChangedReader {
    const sql = { ...this.#ranges.of(undefined).reads, ...this.#changed };
    return new ChangedWindows(this.#db, sql, this.tiers, request, this.select(request.selector), this.#seriesById);
  }

  close(): void {
    this.#db.close();
  }
}

interface SeriesColumns extends Omit<SeriesRow, "labels"> {
  readonly labels: string;
}

function readSeries(row: SeriesColumns): SeriesRow {
  return { ...row, labels: JSON.parse(row.labels) as Record<string, string> };
}

const seriesColumns = `series.id, series.device, series.name, series.kind, series.unit, series.description,
  devices.device_id AS deviceId, devices.labels`;

function prepareStatements(db: Database) {
  const progress = "SELECT device, max(last_seen_at_ms), max(latest_event_ms) FROM sessions";
  return {
    commits: db.prepare("SELECT commits FROM meta").pluck(),
    unpurged: db.prepare("SELECT 1 FROM devices WHERE deleted_at_ms IS NOT NULL AND purged = 0 LIMIT 1"),
    seriesById: db.prepare(
      `SELECT ${seriesColumns} FROM series JOIN devices ON devices.id = series.device WHERE series.id = ?`,
    ),
    progress: db.prepare(`${progress} WHERE device IN (SELECT value FROM json_each(?)) GROUP BY device`).raw(),
    progressOfAll: db
      .prepare(
        `${progress} WHERE device NOT IN (SELECT id FROM devices WHERE deleted_at_ms IS NOT NULL) GROUP BY device`,
      )
      .raw(),
    unknownDevices: db
      .prepare(
        "SELECT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM devices WHERE device_id = value AND deleted_at_ms IS NULL)",
      )
      .pluck(),
  };
}
