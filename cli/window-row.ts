import { tierName } from "../lib/aggregate/tiers.ts";
import { formatTime } from "../lib/base/time.ts";
import type { Window } from "../lib/wire/window-frame.ts";
import { formatTable } from "./terminal.ts";

/** What a cell shows; null where a window has no such value. */
export type Cell = string | number | null;

/** A window as the command line shows it: a value per column, by the names of ndjson and CSV. */
export type WindowRow = Readonly<Record<string, Cell>>;

/** @param quantiles those that were asked for */
export function windowRow(window: Window, quantiles: readonly number[] = []): WindowRow {
  const values = valuesOf(window, quantiles);
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
    ratePerSecond: isCounter ? rateOf(window) : null,
    approximate: isCounter && window.increaseApproximate ? "yes" : null,
  };
}

/** `p50`, `p99.9`. */
export function quantileName(quantile: number): string {
  return `p${Number((quantile * 100).toFixed(6))}`;
}

function rateOf({ increase, increaseDurationMs }: Window): Cell {
  return increaseDurationMs > 0 ? (increase * 1_000) / increaseDurationMs : null;
}

export const rowFormats = ["table", "ndjson", "csv"] as const;
export type RowFormat = (typeof rowFormats)[number];

/** Rows of a table that are held back to find the widths of its columns; later ones may stand out. */
const tableRowsHeld = 500;

/** Turns rows into lines as they come. All rows of an answer have the same columns. */
export class RowFormatter {
  readonly #format: RowFormat;
  #held: WindowRow[] = [];
  /** The columns of the heading that stands above. */
  #heading = "";

  constructor(format: RowFormat) {
    this.#format = format;
  }

  *add(row: WindowRow): Generator<string> {
    if (this.#format === "ndjson") yield JSON.stringify(row);
    else if (this.#format === "csv") {
      if (this.#heading === "") {
        this.#heading = Object.keys(row).map(csvCell).join(",");
        yield this.#heading;
      }
      yield Object.values(row).map(csvCell).join(",");
    } else {
      this.#held.push(row);
      if (this.#held.length === tableRowsHeld) yield* this.end();
    }
  }

  /** What was held back. */
  *end(): Generator<string> {
    if (this.#format !== "table") return;
    const [first, ...others] = this.#held;
    if (first === undefined) return;
    const rows = [first, ...others];
    this.#held = [];
    // A column in which nobody has a value would only take room.
    const columns = Object.keys(first).filter((name) => rows.some((row) => row[name] !== null));
    const lines = formatTable([columns, ...rows.map((row) => columns.map((name) => row[name] ?? ""))]);
    const heading = columns.join();
    yield* heading === this.#heading ? lines.slice(1) : lines;
    this.#heading = heading;
  }
}

function csvCell(value: Cell): string {
  const text = String(value ?? "");
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
