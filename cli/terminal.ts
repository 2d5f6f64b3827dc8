import { styleText } from "node:util";
import { streamLog } from "../lib/base/log.ts";

/** Results go to standard output, everything else to standard error. */
export const log = streamLog(process.stderr);

export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function printJson(value: unknown): void {
  printLine(JSON.stringify(value));
}

/** Bold on a terminal that shows it; NO_COLOR is respected. */
export function heading(text: string): string {
  return styleText("bold", text, { stream: process.stdout });
}

export function faint(text: string): string {
  return styleText("dim", text, { stream: process.stdout });
}

/** Whole numbers in full, others with at most six significant digits. */
export function formatNumber(value: number): string {
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(6)));
}

/** Columns aligned by the widest cell; numbers to the right. */
export function formatTable(rows: readonly (readonly (string | number)[])[]): string[] {
  const texts = rows.map((row) => row.map((cell) => (typeof cell === "number" ? formatNumber(cell) : cell)));
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...texts.map((row) => row[column].length)));
  return texts.map((row, i) =>
    row
      .map((text, column) => (isNumeric(rows, i, column) ? text.padStart(widths[column]) : text.padEnd(widths[column])))
      .join("  ")
      .trimEnd(),
  );
}

/** A heading stands over its column's cells. */
function isNumeric(rows: readonly (readonly (string | number)[])[], row: number, column: number): boolean {
  return typeof rows[row][column] === "number" || (row === 0 && typeof rows[1]?.[column] === "number");
}
