import { mergeGroupCounter } from "../lib/aggregate/counter.ts";
import { createSketchTable } from "../lib/aggregate/sketch-table.ts";
import { windowStart } from "../lib/aggregate/tiers.ts";
import { provisionalState, setState, watermarkOf } from "../lib/aggregate/watermark.ts";
import { TierWindows } from "../lib/aggregate/window-set.ts";
import { copyWindow, createWindowTable, mergeWindow, type WindowTable } from "../lib/aggregate/window-table.ts";
import { TelemetryError } from "../lib/base/errors.ts";
import { groupsMax } from "../lib/base/limits.ts";
import type { AggregateReader, RangeReader, RangeRequest, SeriesRow } from "../lib/store/store.ts";
import { quantilesOf } from "../lib/wire/window-frame.ts";

/** What a query asks for. */
export interface AnswerRequest extends RangeRequest {
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

/** A range with all that is derived from its windows: increases of counters, states, groups and quantiles. */
export class RangeAnswer {
  readonly #reader: AggregateReader;
  readonly #range: RangeReader;
  readonly #request: AnswerRequest;
  readonly #firstMs: number;
  readonly #series = new Map<number, SeriesRow>();
  readonly #watermarksMs = new Map<number, number>();
  /** The last sample that was read of each counter. */
  readonly #lasts = new Map<number, { readonly value: number; readonly timeMs: number }>();
  readonly #groups = new Map<string, SeriesRow>();
  /** By id, from 1. */
  readonly #groupRows: SeriesRow[] = [];
  readonly #told = new Set<number>();
  #grouped: TierWindows;
  /** Pages that are not asked for yet. */
  #waiting: WindowTable[] = [];
  #done = false;

  constructor(reader: AggregateReader, request: AnswerRequest) {
    this.#reader = reader;
    this.#request = request;
    this.#firstMs = windowStart(request.fromMs, request.widthMs);
    // The window before the first one has the samples from which its counters grew.
    this.#range = reader.openRange({ ...request, fromMs: this.#firstMs - request.widthMs });
    this.#grouped = new TierWindows(request.widthMs);
  }

  /** @returns undefined when everything has been read; the first page always comes. */
  next(windowsMax: number): AnswerPage | undefined {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) return this.#pageOf(waiting);
    if (this.#done) return undefined;
    const page = this.#range.next(windowsMax);
    this.#done = page === undefined;
    for (const row of page?.series ?? []) this.#series.set(row.id, row);
    const windows = new Paged(windowsMax);
    for (let i = 0; i < (page?.windows.length ?? 0); i += 1) {
      if (page === undefined) break;
      this.#derive(page.windows, i);
      if (page.windows.starts[i] < this.#firstMs) continue;
      if (this.#request.groupBy.length === 0) windows.add(page.windows, i);
      else this.#group(page.windows, i, windows);
    }
    if (page === undefined) this.#takeGroups(windows);
    const [first = createWindowTable(1), ...others] = windows.tables;
    this.#waiting = others;
    return this.#pageOf(first);
  }

  #pageOf(windows: WindowTable): AnswerPage {
    const series: SeriesRow[] = [];
    for (let i = 0; i < windows.length; i += 1) {
      const id = windows.series[i];
      if (this.#told.has(id)) continue;
      this.#told.add(id);
      const row = this.#request.groupBy.length === 0 ? this.#series.get(id) : this.#groupRows[id - 1];
      if (row !== undefined) series.push(row);
    }
    const quantileValues = quantilesOf(windows, this.#request.quantiles);
    windows.sketches = createSketchTable(1);
    return { windows, series, quantileValues };
  }

  #derive(windows: WindowTable, i: number): void {
    const row = this.#series.get(windows.series[i]);
    if (row === undefined) return;
    setState(windows, i, this.#request.widthMs, this.#watermarkOf(row.device));
    if (row.kind !== "counter") return;
    const before = this.#lasts.get(row.id);
    if (before !== undefined) {
      windows.valuesBefore[i] = before.value;
      windows.timesBeforeMs[i] = before.timeMs;
    }
    this.#lasts.set(row.id, { value: windows.lasts[i], timeMs: windows.lastTimesMs[i] });
  }

  #watermarkOf(device: number): number {
    let watermarkMs = this.#watermarksMs.get(device);
    if (watermarkMs === undefined) {
      const { nowMs, latenessMs } = this.#request;
      watermarkMs = watermarkOf(this.#reader.progress(device), nowMs, latenessMs);
      this.#watermarksMs.set(device, watermarkMs);
    }
    return watermarkMs;
  }

  /** Windows come by start: the groups of one start are whole when the next one comes. */
  #group(windows: WindowTable, i: number, into: Paged): void {
    const { table } = this.#grouped;
    if (table.length > 0 && table.starts[0] !== windows.starts[i]) this.#takeGroups(into);
    const row = this.#series.get(windows.series[i]);
    if (row !== undefined) mergeIntoGroup(this.#grouped, this.#groupOf(row), windows, i);
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
      this.#groupRows.push(group);
    }
    return group.id;
  }
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
    { field: "group_by" },
  );
}
