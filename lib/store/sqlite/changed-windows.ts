import type { Database } from "better-sqlite3";
import { mergeBelow, mergeStart, type SeriesRange, type StoredWindows } from "../../aggregate/roll-up.ts";
import { type Shard, seriesOf, shardOf } from "../../aggregate/shard.ts";
import type { Tier } from "../../aggregate/tiers.ts";
import { TierWindows } from "../../aggregate/window-set.ts";
import { copyWindow, createWindowTable, type WindowTable } from "../../aggregate/window-table.ts";
import { SeriesIds } from "../series-ids.ts";
import type { ChangedReader, ChangedRequest, RangePage, Revision, Selection, SeriesRow } from "../store.ts";
import { latestStart, nextStart, readMarks, readWindows, type Statements, type WindowReads } from "./rows.ts";

/**
 * What changed after a commit. For the windows of each tier, shard and start the table `changes` has the highest revision
 * of their rows: at most one row for those of a commit that start together, so that it costs next to nothing to write,
 * and little to read: the windows of the starts that it names are read, and those whose own revision is higher come.
 */

/** The highest revisions of windows that are stored together, by shard and start. */
export class WindowChangesOfPart {
  readonly #revisions = new Map<Shard, Map<number, Revision>>();

  add({ series, starts, revisions }: WindowTable, at: number): void {
    const shard = shardOf(series[at]);
    const byStart = this.#revisions.get(shard) ?? new Map<number, Revision>();
    this.#revisions.set(shard, byStart);
    byStart.set(starts[at], Math.max(revisions[at], byStart.get(starts[at]) ?? 0));
  }

  /** To be called in the transaction that writes the windows. */
  write(sql: Pick<Statements, "writeChange">, widthMs: number): void {
    for (const [shard, byStart] of this.#revisions) {
      for (const [startMs, revision] of byStart) sql.writeChange.run(widthMs, startMs, shard, revision);
    }
  }
}

export function prepareChangeReads(db: Database) {
  return {
    // Of the tiers below as well: windows that are not rolled up are made of theirs. The remainder of a negative
    // number is negative.
    changedStarts: db
      .prepare(
        `SELECT DISTINCT start_ms - (start_ms % @widthMs + @widthMs) % @widthMs AS startMs
         FROM changes INDEXED BY changes_by_revision
         WHERE shard = @shard AND revision > @after AND tier_ms <= @widthMs AND startMs > @startMs AND startMs < @beforeMs
         ORDER BY startMs LIMIT @limit`,
      )
      .pluck(),
    lastShard: db.prepare("SELECT coalesce(max(shard), -1) FROM changes INDEXED BY changes_by_revision").pluck(),
  };
}

/** Starts of a shard that are in memory together. */
const startsAtOnce = 4_096;
/** Shards and starts to look into before a page is handed on, full or not: some milliseconds. */
const looksPerPageMax = 512;

type Sql = WindowReads & ReturnType<typeof prepareChangeReads>;

/** Shard by shard, each in the order of the starts. Each page goes by the marks of the tiers as they are by then. */
export class ChangedWindows implements ChangedReader, StoredWindows {
  readonly tiers: readonly Tier[];
  rolledMs: readonly number[] = [];
  readonly #db: Database;
  readonly #sql: Sql;
  readonly #request: ChangedRequest;
  readonly #tier: number;
  /** Undefined: all are selected. */
  readonly #selected: SeriesIds | undefined;
  readonly #seriesById: (id: number) => SeriesRow | undefined;
  /** Those of the shard that is being read. */
  readonly #rows = new Map<number, SeriesRow | undefined>();
  readonly #told = new SeriesIds();
  /** The shards that are left, the first one being read, with the series that are selected there. */
  readonly #shards: [Shard, SeriesRange][];
  /** Of the shard that is being read; undefined: not looked for yet. */
  #starts: number[] | undefined;
  #startMs = Number.MIN_SAFE_INTEGER;
  /** Read, and not handed on yet. */
  #found = createWindowTable(1);
  #next = 0;

  constructor(
    db: Database,
    sql: Sql,
    tiers: readonly Tier[],
    request: ChangedRequest,
    { series }: Selection,
    seriesById: (id: number) => SeriesRow | undefined,
  ) {
    this.#db = db;
    this.#sql = sql;
    this.tiers = tiers;
    this.#request = request;
    this.#tier = tiers.findIndex(({ widthMs }) => widthMs === request.widthMs);
    this.#selected = series === undefined ? undefined : idsOf(series);
    this.#seriesById = seriesById;
    this.#shards = series === undefined ? allShards(sql) : shardsOf(series);
  }

  nextStart(widthMs: number, fromMs: number, toMs: number): number | undefined {
    return nextStart(this.#sql, widthMs, fromMs, toMs);
  }

  readWindows(widthMs: number, startMs: number, first: number, last: number, into: WindowTable): void {
    readWindows(this.#sql, widthMs, startMs, first, last, into);
  }

  next(windowsMax: number): RangePage | undefined {
    if (this.#shards.length === 0 && this.#next === this.#found.length) return undefined;
    // One transaction, so that the page shows whole commits.
    return this.#db.transaction(() => {
      this.rolledMs = readMarks(this.#sql);
      const windows = createWindowTable(windowsMax);
      for (let left = looksPerPageMax; left > 0 && windows.length < windowsMax; left -= 1) {
        for (; this.#next < this.#found.length && windows.length < windowsMax; this.#next += 1) {
          copyWindow(this.#found, this.#next, windows);
        }
        if (this.#next < this.#found.length || !this.#look()) break;
      }
      return { windows, series: this.#untold(windows) };
    })();
  }

  /** Reads the windows of one start, or looks for starts. @returns whether there may be more */
  #look(): boolean {
    const [next] = this.#shards;
    if (next === undefined) return false;
    const [shard, range] = next;
    this.#starts ??= this.#changedStarts(shard);
    const startMs = this.#starts.shift();
    if (startMs === undefined) {
      this.#starts = undefined;
      this.#startMs = Number.MIN_SAFE_INTEGER;
      this.#shards.shift();
      this.#rows.clear();
      return true;
    }
    this.#startMs = startMs;
    this.#found = this.#changedAt(startMs, range);
    this.#next = 0;
    if (this.#starts.length === 0) this.#starts = undefined;
    return true;
  }

  #changedStarts(shard: Shard): number[] {
    const { widthMs, after, beforeMs } = this.#request;
    return this.#sql.changedStarts.all({
      widthMs,
      shard,
      after,
      startMs: this.#startMs,
      beforeMs,
      limit: startsAtOnce,
    }) as number[];
  }

  #changedAt(startMs: number, range: SeriesRange): WindowTable {
    const { table } = this.#read(startMs, range);
    const changed = createWindowTable(Math.max(1, table.length));
    let before: TierWindows | undefined;
    for (let i = 0; i < table.length; i += 1) {
      const row = this.#rowOf(table.series[i]);
      if (row === undefined || table.revisions[i] <= this.#request.after) continue;
      const at = copyWindow(table, i, changed);
      if (row.kind !== "counter") continue;
      before ??= this.#read(startMs - this.#request.widthMs, range);
      const found = before.find(row.id, startMs - this.#request.widthMs);
      if (found === undefined) continue;
      changed.valuesBefore[at] = before.table.lasts[found];
      changed.timesBeforeMs[at] = before.table.lastTimesMs[found];
    }
    return changed;
  }

  #read(startMs: number, range: SeriesRange): TierWindows {
    const { widthMs } = this.#request;
    const into = new TierWindows(widthMs);
    if (startMs < this.rolledMs[this.#tier]) mergeStart(this, widthMs, startMs, range, startMs, into);
    else mergeBelow(this, this.#tier, startMs, range, this.#endMs(), into);
    return into;
  }

  /** Where the windows of the tiers below end. */
  #endMs(): number {
    const below = this.tiers.slice(0, this.#tier);
    return Math.max(...below.map(({ widthMs }) => latestStart(this.#sql, widthMs) + widthMs));
  }

  /** @returns undefined when it is not selected */
  #rowOf(series: number): SeriesRow | undefined {
    if (this.#selected?.has(series) === false) return undefined;
    if (!this.#rows.has(series)) this.#rows.set(series, this.#seriesById(series));
    return this.#rows.get(series);
  }

  #untold(windows: WindowTable): SeriesRow[] {
    const rows: SeriesRow[] = [];
    for (let i = 0; i < windows.length; i += 1) {
      const id = windows.series[i];
      if (!this.#told.add(id)) continue;
      const row = this.#rowOf(id);
      if (row !== undefined) rows.push(row);
    }
    return rows;
  }
}

function idsOf(series: Int32Array): SeriesIds {
  const ids = new SeriesIds();
  for (const id of series) ids.add(id);
  return ids;
}

function allShards(sql: Sql): [Shard, SeriesRange][] {
  const last = sql.lastShard.get() as number;
  return Array.from({ length: last + 1 }, (_, shard) => [shard, seriesOf(shard)]);
}

/** The selected series of each shard, from the first of them to the last. */
function shardsOf(series: Int32Array): [Shard, SeriesRange][] {
  const ranges = new Map<Shard, SeriesRange>();
  for (const id of series) {
    const { first, last } = ranges.get(shardOf(id)) ?? { first: id, last: id };
    ranges.set(shardOf(id), { first: Math.min(first, id), last: Math.max(last, id) });
  }
  return [...ranges].sort(([a], [b]) => a - b);
}
