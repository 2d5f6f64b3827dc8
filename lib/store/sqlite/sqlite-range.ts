import type { Database, Statement } from "better-sqlite3";
import { mergeBelow, mergeStart, type SeriesRange, type StoredWindows } from "../../aggregate/roll-up.ts";
import { seriesOf, shardOf } from "../../aggregate/shard.ts";
import { type Tier, windowStart } from "../../aggregate/tiers.ts";
import { TierWindows } from "../../aggregate/window-set.ts";
import { copyWindow, createWindowTable, type WindowTable } from "../../aggregate/window-table.ts";
import { mergeNewer, OpenOverlay } from "../open-overlay.ts";
import { runsOf, SeriesIds } from "../series-ids.ts";
import type {
  OpenWindows,
  RangePage,
  RangeReader,
  RangeRequest,
  Selection,
  SeriesRow,
  WindowColumn,
} from "../store.ts";
import {
  appendWindowRow,
  latestStart,
  nextStart,
  prepareWindowReads,
  readMarks,
  readWindows,
  someWindowColumns,
  type WindowReads,
  type WindowRow,
} from "./rows.ts";

/** Selections of at most this many runs of ids are looked up in each window start; of others, all rows are read. */
const lookUpRunsMax = 1_024;
/** Look-ups of one page, found or not: a few milliseconds. */
const lookUpsMax = 8_192;
/** Rows read for one page of a selection that is not looked up, for each window that it may have. */
const rowsPerWindowMax = 8;
/** Windows of the tier below that are merged for one page, full or not. */
const startsPerPageMax = 512;

/** The statements that read windows, per choice of columns. */
export class RangeStatements {
  readonly #db: Database;
  readonly #byColumns = new Map<string, { readonly reads: WindowReads; readonly scan: Statement }>();

  constructor(db: Database) {
    this.#db = db;
  }

  of(columns: ReadonlySet<WindowColumn> | undefined): { readonly reads: WindowReads; readonly scan: Statement } {
    const key = someWindowColumns(columns);
    let statements = this.#byColumns.get(key);
    if (statements === undefined) {
      statements = {
        reads: prepareWindowReads(this.#db, columns),
        scan: this.#db
          .prepare(
            `SELECT ${key} FROM windows
             WHERE tier_ms = ? AND (start_ms, series) > (?, ?) AND start_ms < ?
             ORDER BY start_ms, series LIMIT ?`,
          )
          .raw(),
      };
      this.#byColumns.set(key, statements);
    }
    return statements;
  }

  /**
   * Looks some runs of series up in every window start of a span, in the order of start and series: in one statement,
   * since a call for each start would cost more than the look-up.
   */
  lookUp(columns: ReadonlySet<WindowColumn> | undefined, runs: readonly SeriesRange[]): Statement {
    return this.#db
      .prepare(
        `WITH RECURSIVE
           starts(at) AS (SELECT @fromMs UNION ALL SELECT at + @widthMs FROM starts WHERE at + @widthMs < @toMs),
           runs(low, high) AS (VALUES ${runs.map(({ first, last }) => `(${first}, ${last})`).join(", ")})
         SELECT ${someWindowColumns(columns)}
         FROM starts CROSS JOIN runs CROSS JOIN windows
         WHERE tier_ms = @widthMs AND start_ms = at AND series BETWEEN low AND high
           AND (at > @afterMs OR series > @afterSeries)
         LIMIT @limit`,
      )
      .raw();
  }
}

/**
 * Up to the tier's mark, windows are read as they are stored; later ones are merged from the tiers below, some series
 * at a time, so that memory is bounded. What the writer holds is put over both. Each page goes by the marks as they are
 * by then: what the tier above shows may be deleted below.
 */
export class SqliteRange implements RangeReader, StoredWindows {
  readonly tiers: readonly Tier[];
  rolledMs: readonly number[];
  readonly #db: Database;
  readonly #reads: WindowReads;
  readonly #scan: Statement;
  /** Undefined: rows are scanned. */
  readonly #lookUp: Statement | undefined;
  readonly #runs: readonly SeriesRange[];
  /** Series to merge together. */
  readonly #chunks: (i: number) => SeriesRange | undefined;
  /** Undefined: all are selected. */
  readonly #selected: SeriesIds | undefined;
  readonly #seriesById: (id: number) => SeriesRow | undefined;
  readonly #overlay: OpenOverlay;
  readonly #tier: number;
  readonly #widthMs: number;
  readonly #toMs: number;
  readonly #told = new SeriesIds();
  /** Series that there are windows of, and no row: their device was deleted. */
  readonly #unknown = new SeriesIds();
  /** Where the windows of the tiers below end. */
  readonly #endMs: number;
  /** Everything up to here has been read, of the stored windows. */
  #after: { startMs: number; series: number };
  /** Windows that were merged, the next one to read, and the chunk to merge next. */
  #merged: { startMs: number; chunk: number; windows: WindowTable; next: number } | undefined;
  #done = false;
  #first = true;

  constructor(
    db: Database,
    statements: RangeStatements,
    seriesById: (id: number) => SeriesRow | undefined,
    tiers: readonly Tier[],
    { widthMs, fromMs, toMs, columns }: RangeRequest,
    { series }: Selection,
    open: OpenWindows | undefined,
  ) {
    this.#db = db;
    const { reads, scan } = statements.of(columns);
    this.#reads = reads;
    this.#scan = scan;
    this.#seriesById = seriesById;
    this.#overlay = new OpenOverlay(open);
    this.tiers = tiers;
    this.rolledMs = readMarks(reads);
    this.#tier = tiers.findIndex((tier) => tier.widthMs === widthMs);
    // Not of the finest alone: it may keep nothing any more.
    const ends = tiers.slice(0, this.#tier).map((tier, t) => {
      return Math.max(latestStart(reads, tier.widthMs), this.#overlay.latestStart(t)) + tier.widthMs;
    });
    this.#endMs = Math.max(Number.NEGATIVE_INFINITY, ...ends);
    this.#widthMs = widthMs;
    this.#toMs = toMs;
    this.#after = { startMs: windowStart(fromMs, widthMs), series: 0 };
    this.#runs = series === undefined ? [] : runsOf(series);
    const looksUp = series !== undefined && this.#runs.length <= lookUpRunsMax;
    if (looksUp && this.#runs.length > 0) this.#lookUp = statements.lookUp(columns, this.#runs);
    if (series !== undefined) {
      this.#selected = new SeriesIds();
      for (const id of series) this.#selected.add(id);
    }
    const chunks = looksUp ? this.#runs.flatMap(byShard) : series && shardsOf(series);
    const lastSeries = reads.lastSeries.get() as number;
    this.#chunks = (i) => {
      if (chunks !== undefined) return chunks[i];
      const shard = seriesOf(i);
      return shard.first <= lastSeries ? shard : undefined;
    };
    this.#done = series?.length === 0;
  }

  nextStart(widthMs: number, fromMs: number, toMs: number): number | undefined {
    const stored = nextStart(this.#reads, widthMs, fromMs, toMs);
    const open = this.#overlay.nextStart(this.#tierOf(widthMs), fromMs, toMs);
    return stored === undefined || (open !== undefined && open < stored) ? open : stored;
  }

  readWindows(widthMs: number, startMs: number, first: number, last: number, into: WindowTable): void {
    const stored = createWindowTable();
    readWindows(this.#reads, widthMs, startMs, first, last, stored);
    const windows = this.#overlay.over(this.#tierOf(widthMs), startMs, { first, last }, stored);
    for (let i = 0; i < windows.length; i += 1) copyWindow(windows, i, into);
  }

  get storedUntilMs(): number {
    return this.rolledMs[this.#tier];
  }

  next(windowsMax: number): RangePage | undefined {
    const isFirst = this.#first;
    this.#first = false;
    if (this.#done) return isFirst ? { windows: createWindowTable(1), series: [] } : undefined;
    // One transaction, so that the page shows whole commits.
    return this.#db.transaction(() => {
      this.rolledMs = readMarks(this.#reads);
      let windows: WindowTable;
      if (this.#merged === undefined) {
        const storedToMs = Math.min(this.#toMs, this.rolledMs[this.#tier]);
        const page = this.#readStored(windowsMax, storedToMs);
        windows = page ?? createWindowTable(1);
        if (page === undefined) this.#beginMerging(storedToMs);
      } else {
        windows = createWindowTable(windowsMax);
        this.#merge(windows, windowsMax);
      }
      const series = this.#untold(windows);
      return { windows: this.#known(windows), series };
    })();
  }

  /** The first start of which not all stored windows have been read. */
  get #unreadMs(): number {
    const { startMs, series } = this.#after;
    return series === allSeries ? startMs + this.#widthMs : startMs;
  }

  #tierOf(widthMs: number): number {
    return this.tiers.findIndex((tier) => tier.widthMs === widthMs);
  }

  /** The next stored windows that start before `toMs`, found or not. @returns undefined when there are no more */
  #readStored(windowsMax: number, toMs: number): WindowTable | undefined {
    const after = this.#after;
    const firstMs = this.nextStart(this.#widthMs, this.#unreadMs, toMs);
    if (firstMs === undefined) return undefined;
    const { rows, through } =
      this.#lookUp === undefined
        ? this.#scanRows(windowsMax, toMs)
        : this.#lookUpRows(this.#lookUp, windowsMax, firstMs, toMs);
    const stored = createWindowTable(Math.max(1, rows.length));
    for (const row of rows) if (this.#isSelected(row[1])) appendWindowRow(stored, row);
    const open = this.#overlay.table(this.#tier);
    const openFrom = this.#overlay.indexAfter(this.#tier, after.startMs, after.series);
    const openTo = this.#overlay.indexAfter(this.#tier, through.startMs, through.series);
    const windows = openTo > openFrom ? mergeNewer(stored, open, openFrom, openTo) : stored;
    this.#after = through;
    if (windows.length > windowsMax) {
      // The others are read again.
      windows.length = windowsMax;
      this.#after = { startMs: windows.starts[windowsMax - 1], series: windows.series[windowsMax - 1] };
    }
    return windows;
  }

  /** Rows in the order of the table, selected or not. */
  #scanRows(windowsMax: number, toMs: number): StoredRows {
    const rowsMax = this.#selected === undefined ? windowsMax : windowsMax * rowsPerWindowMax;
    const { startMs, series } = this.#after;
    const rows = this.#scan.all(this.#widthMs, startMs, series, toMs, rowsMax) as WindowRow[];
    return { rows, through: rows.length < rowsMax ? lastBefore(toMs, this.#widthMs) : keyOf(rows[rowsMax - 1]) };
  }

  #lookUpRows(lookUp: Statement, windowsMax: number, firstMs: number, endMs: number): StoredRows {
    const starts = Math.max(1, Math.floor(lookUpsMax / this.#runs.length));
    // Each start is looked into, also when nothing can be there: a range may reach to the year 9999.
    const lastMs = Math.max(latestStart(this.#reads, this.#widthMs), this.#overlay.latestStart(this.#tier));
    const toMs = Math.min(endMs, firstMs + starts * this.#widthMs, lastMs + this.#widthMs);
    const { startMs: afterMs, series: afterSeries } = this.#after;
    const rows = lookUp.all({
      widthMs: this.#widthMs,
      fromMs: firstMs,
      toMs,
      afterMs,
      afterSeries,
      limit: windowsMax,
    }) as WindowRow[];
    return { rows, through: rows.length < windowsMax ? lastBefore(toMs, this.#widthMs) : keyOf(rows[windowsMax - 1]) };
  }

  /** @param fromMs the mark, the end of the range, or the end of a window that was merged */
  #beginMerging(fromMs: number): void {
    const startMs = this.#nextMerge(Math.max(fromMs, this.#unreadMs));
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
      const range = this.#chunks(merged.chunk);
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

  #isSelected(series: number): boolean {
    return this.#selected?.has(series) ?? true;
  }

  #untold(windows: WindowTable): SeriesRow[] {
    const rows: SeriesRow[] = [];
    for (let i = 0; i < windows.length; i += 1) {
      const id = windows.series[i];
      if (!this.#told.add(id)) continue;
      const row = this.#seriesById(id);
      if (row === undefined) this.#unknown.add(id);
      else rows.push(row);
    }
    return rows;
  }

  /** Without the windows of series that have no row. */
  #known(windows: WindowTable): WindowTable {
    const known: number[] = [];
    for (let i = 0; i < windows.length; i += 1) if (!this.#unknown.has(windows.series[i])) known.push(i);
    if (known.length === windows.length) return windows;
    const kept = createWindowTable(Math.max(1, known.length));
    for (const i of known) copyWindow(windows, i, kept);
    return kept;
  }
}

/** Rows, and the key up to which they are all that there are. */
interface StoredRows {
  readonly rows: readonly WindowRow[];
  readonly through: { readonly startMs: number; readonly series: number };
}

/** Behind every series of a start. */
const allSeries = Number.MAX_SAFE_INTEGER;

/** The last key of the windows that start before a time. */
function lastBefore(toMs: number, widthMs: number): StoredRows["through"] {
  return { startMs: windowStart(toMs - 1, widthMs), series: allSeries };
}

function keyOf([startMs, series]: WindowRow): StoredRows["through"] {
  return { startMs, series };
}

/** Shards bound what is merged at once. */
function byShard({ first, last }: SeriesRange): SeriesRange[] {
  const parts: SeriesRange[] = [];
  for (let from = first; from <= last; ) {
    const to = Math.min(last, seriesOf(shardOf(from)).last);
    parts.push({ first: from, last: to });
    from = to + 1;
  }
  return parts;
}

function shardsOf(series: Int32Array): SeriesRange[] {
  return [...new Set(Array.from(series, shardOf))].map(seriesOf);
}

/** A copy in the order of the series. */
function bySeries(table: WindowTable): WindowTable {
  const sorted = createWindowTable(Math.max(1, table.length));
  const order = Array.from({ length: table.length }, (_, i) => i).sort((a, b) => table.series[a] - table.series[b]);
  for (const i of order) copyWindow(table, i, sorted);
  return sorted;
}
