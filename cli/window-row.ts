import { tierName } from "../lib/aggregate/tiers.ts";
import { formatTime } from "../lib/base/time.ts";
import type { Sample } from "../lib/wire/sample-frame.ts";
import type { Window } from "../lib/wire/window-frame.ts";
import { fitTable, formatTable } from "./terminal.ts";

/** What a cell shows; null where a window has no such value. */
export type Cell = string | number | null;

/** A window as the command line shows it: a value per column, by the names of ndjson and CSV. */
export type WindowRow = Readonly<Record<string, Cell>>;

/** @param quantiles those that were asked for @param leftOut columns that were not */
export function windowRow(
  window: Window,
  quantiles: readonly number[] = [],
  leftOut: ReadonlySet<string> = new Set(),
): WindowRow {
  const all = Object.entries(valuesOf(window, quantiles));
  const values = Object.fromEntries(all.filter(([name]) => !leftOut.has(name)));
  const labels = Object.entries(window.group);
  if (labels.length === 0) return { device: window.deviceId, ...values };
  // A label may be named as another column is.
  const columns = labels.map(([name, value]) => [Object.hasOwn(values, name) ? `label.${name}` : name, value]);
  return { ...Object.fromEntries(columns), ...values };
}

function valuesOf(window: Window, quantiles: readonly number[]): WindowRow {
  const isCounter = window.metricKind === "counter";
  return {
    metric: window.metric,
    tier: tierName({ widthMs: window.tierMs }),
    windowStart: formatTime(window.startMs),
    state: window.state ?? null,
    count: window.count,
    sum: window.sum,
    min: window.min,
    max: window.max,
    first: window.first,
    last: window.last,
    mean: window.sum / window.count,
    stddev: window.deviation,
    ...Object.fromEntries(quantiles.map((quantile, i) => [quantileName(quantile), window.quantiles[i] ?? null])),
    increase: isCounter ? window.increase : null,
    ratePerSecond: rateOf(window),
    approximate: isCounter && window.increaseApproximate ? "yes" : null,
  };
}

export function sampleRow({ deviceId, metric, timeMs, value }: Sample): WindowRow {
  return { device: deviceId, metric, time: formatTime(timeMs), value };
}

/** `p50`, `p99.9`. */
export function quantileName(quantile: number): string {
  return `p${Number((quantile * 100).toFixed(6))}`;
}

/** How fast a counter grew, per second; null for a gauge, and where one sample does not tell. */
export function rateOf({ metricKind, increase, increaseDurationMs }: Window): number | null {
  return metricKind === "counter" && increaseDurationMs > 0 ? (increase * 1_000) / increaseDurationMs : null;
}

export const rowFormats = ["table", "ndjson", "csv"] as const;
export type RowFormat = (typeof rowFormats)[number];

/** Rows of a table that are held back to find its columns and their widths. */
const tableRowsHeld = 500;

/** Columns that a narrow terminal does without, the first one first. What matters of a counter is how it grew. */
const dispensable = ["sum", "first", "last", "p90", "tier", "stddev", "p95", "min", "max", "count"];
const dispensableOfCounters = ["sum", "stddev", "p90", "p95", "p50", "p99", "mean", "tier", "min", "max", "first"];

/** Turns rows into lines as they come. All rows of an answer have the same columns. */
export class RowFormatter {
  readonly #format: RowFormat;
  readonly #widthMax: number;
  readonly #leftOut = new Set<string>();
  #held: WindowRow[] = [];
  #heading = "";

  /** @param widthMax characters of a line of a table */
  constructor(format: RowFormat, widthMax = Number.POSITIVE_INFINITY) {
    this.#format = format;
    this.#widthMax = widthMax;
  }

  /** Columns of a table for which there was no room. */
  get leftOut(): readonly string[] {
    return [...this.#leftOut];
  }

  *add(row: WindowRow): Generator<string> {
    if (this.#format === "ndjson") yield JSON.stringify(row);
    else if (this.#format === "csv") {
      if (this.#heading === "") yield Object.keys(row).map(csvCell).join(",");
      this.#heading = "told";
      yield Object.values(row).map(csvCell).join(",");
    } else {
      this.#held.push(row);
      if (this.#held.length === tableRowsHeld) yield* this.end();
    }
  }

  /** What was held back. */
  *end(): Generator<string> {
    if (this.#format !== "table" || this.#held.length === 0) return;
    const [heading, ...lines] = this.#lines(this.#held);
    this.#held = [];
    // Rows that need other columns, or wider ones, have a heading of their own.
    if (heading !== this.#heading) yield heading;
    this.#heading = heading;
    yield* lines;
  }

  #lines(rows: readonly WindowRow[]): string[] {
    // A column in which nobody has a value would only take room.
    const columns = Object.keys(rows[0]).filter((name) => rows.some((row) => row[name] !== null));
    const cells = [columns, ...rows.map((row) => columns.map((name) => row[name] ?? ""))];
    const whole = formatTable(cells);
    if (whole.every((line) => line.length <= this.#widthMax)) return whole;
    const areCounters = rows.every((row) => row["increase"] !== null);
    const { lines, leftOut } = fitTable(
      shorten(cells),
      this.#widthMax,
      areCounters ? dispensableOfCounters : dispensable,
    );
    for (const name of leftOut) this.#leftOut.add(name);
    return lines;
  }
}

/** Where all times are of one day, it is told by their heading. */
function shorten([names, ...rows]: (string | number)[][]): (string | number)[][] {
  const heads = names.map((name) => (name === "ratePerSecond" ? "rate/s" : name));
  const column = names.indexOf("windowStart");
  const [day = "", ...otherDays] = new Set(rows.map((row) => String(row[column]).slice(0, 10)));
  if (otherDays.length > 0) return [heads, ...rows];
  return [heads.with(column, day), ...rows.map((row) => row.with(column, String(row[column]).slice(11)))];
}

function csvCell(value: Cell): string {
  const text = String(value ?? "");
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
