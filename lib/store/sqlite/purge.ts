import type { Database } from "better-sqlite3";
import type { SeriesRange } from "../../aggregate/roll-up.ts";
import { seriesOf, shardOf } from "../../aggregate/shard.ts";
import type { DeletedDevices, PurgePosition } from "../registry.ts";
import type { Device, Session } from "../store.ts";
import {
  type DeviceColumns,
  deviceColumns,
  nextStart,
  readDevice,
  readSession,
  type SessionColumns,
  sessionColumnNames,
  type WindowReads,
} from "./rows.ts";

/** A transaction that need not be on disk when it returns: a purge that is cut off is begun again. */
export type Transact = (run: () => void) => void;

/** Finds deleted devices, and deletes what is left of them. */
export class SqliteDeletedDevices implements DeletedDevices {
  readonly #sql: ReturnType<typeof prepareStatements>;
  readonly #windows: WindowReads;
  readonly #transact: Transact;

  constructor(db: Database, windows: WindowReads, transact: Transact) {
    this.#sql = prepareStatements(db);
    this.#windows = windows;
    this.#transact = transact;
  }

  findDeleted(deviceId: string): Device | undefined {
    const row = this.#sql.deleted.get(deviceId) as DeviceColumns | undefined;
    return row === undefined ? undefined : readDevice(row);
  }

  sessionsOf(device: number): Session[] {
    return (this.#sql.sessions.all(device) as SessionColumns[]).map((row) => readSession(row, []));
  }

  unpurgedDevices(): number[] {
    return this.#sql.unpurged.all() as number[];
  }

  seriesOf(devices: readonly number[]): number[] {
    return this.#sql.seriesOf.all(JSON.stringify(devices)) as number[];
  }

  purgeWindows(
    widthMs: number,
    from: PurgePosition | undefined,
    runs: readonly SeriesRange[],
    stepsMax: number,
  ): PurgePosition | undefined {
    let next: PurgePosition | undefined;
    this.#transact(() => {
      next = this.#purgeWindows(widthMs, from, runs, stepsMax);
    });
    return next;
  }

  #purgeWindows(widthMs: number, from: PurgePosition | undefined, runs: readonly SeriesRange[], stepsMax: number) {
    let run = from?.run ?? 0;
    let steps = 0;
    for (let at = from?.startMs ?? Number.NEGATIVE_INFINITY; ; ) {
      const startMs = nextStart(this.#windows, widthMs, at, Number.POSITIVE_INFINITY);
      if (startMs === undefined) return undefined;
      // Where the last step ended may have gone meanwhile.
      if (startMs > at) run = 0;
      for (; run < runs.length; run += 1) {
        if (steps >= stepsMax) return { startMs, run };
        const { first, last } = runs[run];
        const { changes } = this.#sql.deleteWindows.run(widthMs, startMs, first, last);
        if (changes > 0) this.#sql.deleteChanges.run(widthMs, startMs, shardOf(first), shardOf(last));
        steps += 1 + changes;
      }
      run = 0;
      at = startMs + widthMs;
    }
  }

  purgeCatalog(devices: readonly number[], rowsMax: number): boolean {
    const { deleteHandles, deleteGaps, deleteRefusals, deleteSeries, deleteSessions, deleteDevices, markPurged } =
      this.#sql;
    const ids = JSON.stringify(devices);
    let done = false;
    this.#transact(() => {
      let left = rowsMax;
      for (const statement of [deleteHandles, deleteGaps, deleteRefusals, deleteSeries, deleteSessions]) {
        left -= statement.run(ids, left).changes;
        if (left === 0) return;
      }
      deleteDevices.run(ids);
      markPurged.run(ids);
      done = true;
    });
    return done;
  }
}

const shardSeries = seriesOf(0).last + 1;

function prepareStatements(db: Database) {
  const these = "(SELECT value FROM json_each(?))";
  // Two look-ups, each by an index that has one kind of device only.
  const isReplaced = `(
    EXISTS (SELECT 1 FROM devices AS later
      WHERE later.device_id = devices.device_id AND later.deleted_at_ms IS NULL AND later.id > devices.id)
    OR EXISTS (SELECT 1 FROM devices AS later
      WHERE later.device_id = devices.device_id AND later.deleted_at_ms IS NOT NULL AND later.id > devices.id))`;
  return {
    deleted: db.prepare(
      `SELECT ${deviceColumns} FROM devices WHERE device_id = ? AND deleted_at_ms IS NOT NULL ORDER BY id DESC LIMIT 1`,
    ),
    sessions: db.prepare(`SELECT ${sessionColumnNames} FROM sessions WHERE device = ? ORDER BY id`),
    unpurged: db
      .prepare(`SELECT id FROM devices WHERE deleted_at_ms IS NOT NULL AND (purged = 0 OR ${isReplaced}) ORDER BY id`)
      .pluck(),
    seriesOf: db.prepare(`SELECT id FROM series WHERE device IN ${these} ORDER BY id`).pluck(),
    deleteWindows: db.prepare("DELETE FROM windows WHERE tier_ms = ? AND start_ms = ? AND series BETWEEN ? AND ?"),
    // What finds windows that changed goes with the last of them.
    deleteChanges: db.prepare(
      `DELETE FROM changes WHERE tier_ms = ? AND start_ms = ? AND shard BETWEEN ? AND ? AND NOT EXISTS (
         SELECT 1 FROM windows WHERE windows.tier_ms = changes.tier_ms AND windows.start_ms = changes.start_ms
           AND series BETWEEN shard * ${shardSeries} AND shard * ${shardSeries} + ${shardSeries - 1})`,
    ),
    deleteHandles: db.prepare(
      `DELETE FROM handles WHERE (session, handle) IN
       (SELECT session, handle FROM sessions JOIN handles ON session = sessions.id WHERE device IN ${these} LIMIT ?)`,
    ),
    deleteGaps: db.prepare(`DELETE FROM gaps WHERE id IN (SELECT id FROM gaps WHERE device IN ${these} LIMIT ?)`),
    deleteRefusals: db.prepare(
      `DELETE FROM refusals WHERE (device, reason) IN
       (SELECT device, reason FROM refusals WHERE device IN ${these} LIMIT ?)`,
    ),
    deleteSeries: db.prepare(`DELETE FROM series WHERE id IN (SELECT id FROM series WHERE device IN ${these} LIMIT ?)`),
    deleteSessions: db.prepare(
      `DELETE FROM sessions WHERE id IN
       (SELECT sessions.id FROM devices JOIN sessions ON sessions.device = devices.id
        WHERE devices.id IN ${these} AND ${isReplaced} LIMIT ?)`,
    ),
    deleteDevices: db.prepare(
      `DELETE FROM devices WHERE id IN ${these} AND deleted_at_ms IS NOT NULL AND ${isReplaced}`,
    ),
    markPurged: db.prepare(`UPDATE devices SET purged = 1 WHERE id IN ${these} AND deleted_at_ms IS NOT NULL`),
  };
}
