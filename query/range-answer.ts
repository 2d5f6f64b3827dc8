import { mergeGroupCounter } from "../lib/aggregate/counter.ts";
import { createSketchTable } from "../lib/aggregate/sketch-table.ts";
import { windowStart } from "../lib/aggregate/tiers.ts";
import { provisionalState, setState, watermarkOf } from "../lib/aggregate/watermark.ts";
import { TierWindows } from "../lib/aggregate/window-set.ts";
import { copyWindow, createWindowTable, mergeWindow, type WindowTable } from "../lib/aggregate/window-table.ts";
import { TelemetryError } from "../lib/base/errors.ts";
import { groupsMax } from "../lib/base/limits.ts";
import type {
  AggregateReader,
  OpenWindows,
  RangeReader,
  RangeRequest,
  SeriesRow,
  WindowColumn,
} from "../lib/store/store.ts";
import type { FrameColumns } from "../lib/wire/frame-encoder.ts";
import { quantilesOf } from "../lib/wire/window-frame.ts";
import { Aggregate } from "../proto/gen/telemetry/v1/query_service_pb.js";
import { NumberColumn } from "./number-column.ts";

/** What a query asks for. */
export interface AnswerRequest extends Omit<RangeRequest, "columns"> {
  /** What to fill; undefined: everything. */
  readonly aggregates?: FrameColumns;
  readonly quantiles: readonly number[];
  /** Labels whose devices are merged; none: each device for itself. */
  readonly groupBy: readonly string[];
  /** The server's time, for the states of the windows. */
  readonly nowMs: number;
  readonly latenessMs: number;
}

export interface AnswerPage {
  /** Without their sketches. */
  readonly windows: WindowTable;
  /** Series, or groups, of `windows` that no earlier page has told. */
  readonly series: readonly SeriesRow[];
  /** Quantiles of the first window, then of the next. */
  readonly quantileValues: Float64Array;
}

/**
 * A range with all that is derived from its windows: increases of counters, states, groups and quantiles. What it keeps
 * from page to page is a few numbers per series that it has come across.
 */
export class RangeAnswer {
  readonly #range: RangeReader;
  readonly #request: AnswerRequest;
  readonly #firstMs: number;
  readonly #wantsIncreases: boolean;
  /** Series that the range has told and this answer has not. */
  readonly #untold = new Map<number, SeriesRow>();
  /** By `Device.id`. */
  readonly #watermarksMs = new NumberColumn();
  /** By series: the watermark of its device, the last sample that was read of a counter, the group. */
  readonly #watermarksOfSeriesMs = new NumberColumn();
  readonly #lasts = new NumberColumn();
  readonly #lastTimesMs = new NumberColumn();
  readonly #groupOfSeries = new NumberColumn();
  readonly #groups = new Map<string, SeriesRow>();
  /** Windows that end by then are final for each selected device; undefined: there are none. */
  readonly completeUntilMs: number | undefined;
  #grouped: TierWindows;
  /** Pages that are not asked for yet. */
  #waiting: WindowTable[] = [];
  #done = false;

  /** @param open what the writer has not stored of the selection; undefined: everything is stored */
  constructor(
    reader: AggregateReader,
    request: AnswerRequest,
    selection = reader.select(request.selector),
    open?: OpenWindows,
  ) {
    this.#request = request;
    const { widthMs, aggregates, quantiles } = request;
    this.#wantsIncreases = aggregates?.has(Aggregate.INCREASE) ?? true;
    this.#firstMs = windowStart(request.fromMs, widthMs);
    // The window before the first one has the samples from which its counters grew.
    const fromMs = this.#wantsIncreases ? this.#firstMs - widthMs : this.#firstMs;
    this.#range = reader.openRange({ ...request, fromMs, columns: columnsOf(aggregates, quantiles) }, selection, open);
    this.#grouped = new TierWindows(widthMs);
    const lowestMs = this.#readWatermarks([reader.progress(selection.devices), ...(open ? [open.progress] : [])]);
    this.completeUntilMs = lowestMs === undefined ? undefined : windowStart(lowestMs, widthMs);
  }

  /** Windows that start before are read as they are stored. Infinity: all are. */
  get storedUntilMs(): number {
    return this.#range.storedUntilMs;
  }

  /** @returns undefined when everything has been read; the first page always comes. */
  next(windowsMax: number): AnswerPage | undefined {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) return this.#pageOf(waiting);
    if (this.#done) return undefined;
    const page = this.#range.next(windowsMax);
    this.#done = page === undefined;
    for (const row of page?.series ?? []) this.#meet(row);
    const windows = page === undefined ? createWindowTable(1) : page.windows;
    for (let i = 0; i < windows.length; i += 1) this.#derive(windows, i);
    if (this.#request.groupBy.length === 0) return this.#pageOf(this.#inRange(windows));
    const grouped = new Paged(windowsMax);
    for (let i = 0; i < windows.length; i += 1) {
      if (windows.starts[i] >= this.#firstMs) this.#group(windows, i, grouped);
    }
    if (page === undefined) this.#takeGroups(grouped);
    const [first = createWindowTable(1), ...others] = grouped.tables;
    this.#waiting = others;
    return this.#pageOf(first);
  }

  /** Without the windows that were read for those behind them: they come first. */
  #inRange(windows: WindowTable): WindowTable {
    if (windows.length === 0 || windows.starts[0] >= this.#firstMs) return windows;
    const inRange = createWindowTable();
    for (let i = 0; i < windows.length; i += 1) {
      if (windows.starts[i] >= this.#firstMs) copyWindow(windows, i, inRange);
    }
    return inRange;
  }

  /** @param columns what comes later goes over what came before @returns the lowest; undefined: there is none */
  #readWatermarks(columns: readonly OpenWindows["progress"][]): number | undefined {
    const { nowMs, latenessMs } = this.#request;
    const unlessNever = (ms: number) => (Number.isNaN(ms) ? undefined : ms);
    for (const { devices, lastSeenMs, latestEventMs } of columns) {
      for (let i = 0; i < devices.length; i += 1) {
        const progress = { lastSeenAtMs: unlessNever(lastSeenMs[i]), latestEventMs: unlessNever(latestEventMs[i]) };
        this.#watermarksMs.set(devices[i], watermarkOf(progress, nowMs, latenessMs));
      }
    }
    let lowestMs = Number.POSITIVE_INFINITY;
    for (const { devices } of columns) {
      for (const device of devices) {
        const watermarkMs = this.#watermarksMs.get(device);
        // A device without samples has nothing that could be incomplete.
        if (watermarkMs > Number.NEGATIVE_INFINITY) lowestMs = Math.min(lowestMs, watermarkMs);
      }
    }
    return lowestMs === Number.POSITIVE_INFINITY ? undefined : lowestMs;
  }

  #meet(row: SeriesRow): void {
    const watermarkMs = this.#watermarksMs.get(row.device);
    this.#watermarksOfSeriesMs.set(row.id, Number.isNaN(watermarkMs) ? Number.NEGATIVE_INFINITY : watermarkMs);
    if (this.#request.groupBy.length === 0) this.#untold.set(row.id, row);
    else this.#groupOfSeries.set(row.id, this.#groupOf(row));
  }

  #pageOf(windows: WindowTable): AnswerPage {
    const series: SeriesRow[] = [];
    for (let i = 0; i < windows.length && this.#untold.size > 0; i += 1) {
      const row = this.#untold.get(windows.series[i]);
      if (row === undefined) continue;
      this.#untold.delete(row.id);
      series.push(row);
    }
    const quantileValues = quantilesOf(windows, this.#request.quantiles);
    windows.sketches = createSketchTable(1);
    return { windows, series, quantileValues };
  }

  #derive(windows: WindowTable, i: number): void {
    const series = windows.series[i];
    setState(windows, i, this.#request.widthMs, this.#watermarksOfSeriesMs.get(series));
    if (!this.#wantsIncreases || Number.isNaN(windows.resetOffsets[i])) return;
    windows.valuesBefore[i] = this.#lasts.get(series);
    windows.timesBeforeMs[i] = this.#lastTimesMs.get(series);
    this.#lasts.set(series, windows.lasts[i]);
    this.#lastTimesMs.set(series, windows.lastTimesMs[i]);
  }

  /** Windows come by start: the groups of one start are whole when the next one comes. */
  #group(windows: WindowTable, i: number, into: Paged): void {
    const { table } = this.#grouped;
    if (table.length > 0 && table.starts[0] !== windows.starts[i]) this.#takeGroups(into);
    mergeIntoGroup(this.#grouped, this.#groupOfSeries.get(windows.series[i]), windows, i);
  }

  #takeGroups(into: Paged): void {
    const { table } = this.#grouped;
    for (let i = 0; i < table.length; i += 1) into.add(table, i);
    this.#grouped = new TierWindows(this.#request.widthMs);
  }

  #groupOf(row: SeriesRow): number {
    // Labels have any name: `constructor` too.
    const values = this.#request.groupBy.map((name) => (Object.hasOwn(row.labels, name) ? row.labels[name] : ""));
    const key = JSON.stringify([row.name, row.kind, ...values]);
    let group = this.#groups.get(key);
    if (group === undefined) {
      if (this.#groups.size === groupsMax) throw tooManyGroups();
      const labels = Object.fromEntries(this.#request.groupBy.map((name, i) => [name, values[i] ?? ""]));
      group = { ...row, id: this.#groups.size + 1, device: 0, deviceId: "", labels, group: labels };
      this.#groups.set(key, group);
      this.#untold.set(group.id, group);
    }
    return group.id;
  }
}

/** What has to be read to fill columns of a frame. */
function columnsOf(aggregates: FrameColumns, quantiles: readonly number[]): ReadonlySet<WindowColumn> {
  const columns = new Set<WindowColumn>();
  const has = (aggregate: Aggregate) => aggregates?.has(aggregate) ?? true;
  if (has(Aggregate.SUM) || has(Aggregate.DEVIATION)) columns.add("sums");
  if (has(Aggregate.DEVIATION)) columns.add("m2s");
  if (has(Aggregate.MIN) || has(Aggregate.MAX) || quantiles.length > 0) columns.add("extremes");
  if (has(Aggregate.FIRST) || has(Aggregate.INCREASE)) columns.add("firsts");
  if (has(Aggregate.LAST) || has(Aggregate.INCREASE)) columns.add("lasts");
  if (has(Aggregate.INCREASE)) columns.add("counters");
  if (quantiles.length > 0) columns.add("sketches");
  return columns;
}

/** Tables of at most so many windows. */
class Paged {
  readonly tables: WindowTable[] = [];
  readonly #windowsMax: number;

  constructor(windowsMax: number) {
    this.#windowsMax = windowsMax;
  }

  add(from: WindowTable, index: number): void {
    let table = this.tables.at(-1);
    if (table === undefined || table.length === this.#windowsMax) {
      table = createWindowTable();
      this.tables.push(table);
    }
    copyWindow(from, index, table);
  }
}

function mergeIntoGroup(groups: TierWindows, group: number, from: WindowTable, i: number): void {
  const { table } = groups;
  const at = groups.indexOf(group, from.starts[i]);
  const isCounter = !Number.isNaN(from.resetOffsets[i]);
  const settleCounter = isCounter ? mergeGroupCounter(table, at, from, i) : undefined;
  const before = table.states[at];
  mergeWindow(table, at, from, i);
  settleCounter?.();
  table.states[at] = groupState(before, from.states[i]);
}

/** Provisional while any of its devices is, then corrected if any was. */
function groupState(a: number, b: number): number {
  return a === provisionalState || b === provisionalState ? provisionalState : Math.max(a, b);
}

function tooManyGroups(): TelemetryError {
  return new TelemetryError(
    "RESOURCE_EXHAUSTED",
    "TOO_MANY_GROUPS",
    `group_by: there are more than ${groupsMax} groups; group by labels that have fewer values, or select fewer devices`,
    { field: "group_by", quota: "call:groups" },
  );
}
