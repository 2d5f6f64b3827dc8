import { tierName } from "../lib/aggregate/tiers.ts";
import { formatTime } from "../lib/base/time.ts";
import type { Window } from "../lib/wire/window-frame.ts";
import { formatTable } from "./terminal.ts";

/** A window as the command line shows it; the keys are those of ndjson and CSV. */
export function windowRow(window: Window) {
  return {
    device: window.deviceId,
    metric: window.metric,
    tier: tierName({ widthMs: window.tierMs }),
    windowStart: formatTime(window.startMs),
    count: window.count,
    sum: window.sum,
    min: window.min,
    max: window.max,
    first: window.first,
    last: window.last,
    mean: window.sum / window.count,
  };
}

export type WindowRow = ReturnType<typeof windowRow>;

export const rowFormats = ["table", "ndjson", "csv"] as const;
export type RowFormat = (typeof rowFormats)[number];

const columns = [
  "device",
  "metric",
  "tier",
  "windowStart",
  "count",
  "sum",
  "min",
  "max",
  "first",
  "last",
  "mean",
] as const satisfies readonly (keyof WindowRow)[];

/** Rows of a table that are held back to find the widths of its columns; later ones may stand out. */
const tableRowsHeld = 500;

/** Turns rows into lines as they come. */
export class RowFormatter {
  readonly #format: RowFormat;
  #held: WindowRow[] = [];
  #headed = false;

  constructor(format: RowFormat) {
    this.#format = format;
  }

  *add(row: WindowRow): Generator<string> {
    if (this.#format === "ndjson") yield JSON.stringify(row);
    else if (this.#format === "csv") {
      if (!this.#headed) yield columns.join(",");
      this.#headed = true;
      yield columns.map((column) => csvCell(row[column])).join(",");
    } else {
      this.#held.push(row);
      if (this.#held.length === tableRowsHeld) yield* this.end();
    }
  }

  /** What was held back. */
  *end(): Generator<string> {
    if (this.#format !== "table") return;
    const cells = this.#held.map((row) => columns.map((column) => row[column]));
    this.#held = [];
    if (cells.length === 0) return;
    const lines = formatTable([columns, ...cells]);
    yield* this.#headed ? lines.slice(1) : lines;
    this.#headed = true;
  }
}

function csvCell(value: string | number): string {
  const text = String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
