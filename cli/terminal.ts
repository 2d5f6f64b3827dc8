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

type Cells = readonly (readonly (string | number)[])[];

/** Characters of a line on the terminal; infinity where standard output is none: a file takes lines of any length. */
export function lineWidth(): number {
  return process.stdout.isTTY ? (process.stdout.columns ?? 80) : Number.POSITIVE_INFINITY;
}

/** Columns aligned by the widest cell; numbers to the right. */
export function formatTable(rows: Cells): string[] {
  const texts = rows.map((row) => row.map((cell) => (typeof cell === "number" ? formatNumber(cell) : cell)));
  const columns = (rows[0] ?? []).map((_, column) => ({
    width: Math.max(...texts.map((row) => row[column].length)),
    // A heading stands over its column's cells.
    numeric: rows.some((row) => typeof row[column] === "number"),
  }));
  return texts.map((row) =>
    row
      .map((text, column) => {
        const { width, numeric } = columns[column];
        return numeric ? text.padStart(width) : text.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
}

/**
 * A table without the columns for which its lines have no room.
 * @param rows the headings first
 * @param dispensable headings of columns that may go, the first one first
 */
export function fitTable(rows: Cells, widthMax: number, dispensable: readonly string[]) {
  const [heads = []] = rows;
  const leftOut: string[] = [];
  let lines = formatTable(rows);
  for (const name of dispensable.filter((each) => heads.includes(each))) {
    if (lines.every((line) => line.length <= widthMax)) break;
    leftOut.push(name);
    lines = formatTable(rows.map((row) => row.filter((_, column) => !leftOut.includes(String(heads[column])))));
  }
  return { lines, leftOut };
}
