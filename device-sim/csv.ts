import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, extname } from "node:path";
import { createInterface } from "node:readline";
import { parse } from "csv-parse/sync";
import { errorMessage, TelemetryError } from "../lib/base/errors.ts";
import { metricsPerRegistrationMax } from "../lib/base/limits.ts";
import { parseTime } from "../lib/base/time.ts";

/** A line that could not be used. */
export interface BadLine {
  readonly file: string;
  readonly line: number;
  readonly reason: string;
}

export interface CsvRow {
  readonly timeMs: number;
  /** One value per metric, in the file's order; NaN where the cell is empty. */
  readonly values: Float64Array;
  /** Bytes of the file read so far. */
  readonly bytes: number;
}

export interface CsvFile {
  /** The file's name without its ending. */
  readonly deviceId: string;
  readonly metrics: readonly string[];
  readonly bytes: number;
  /** The usable lines; the others go to `onBadLine`. Read once. */
  readonly rows: AsyncIterable<CsvRow>;
}

/**
 * Opens a CSV file with a header line: a `timestamp` column, and one column per metric. A line is a record: a quoted
 * cell does not go on in the next line, so that one damaged line costs itself only.
 * @throws TelemetryError when the file cannot be read, or its header cannot be used
 */
export async function openCsv(file: string, onBadLine: (bad: BadLine) => void): Promise<CsvFile> {
  const found = await stat(file).catch((error: unknown) => {
    throw unusable(file, `cannot be read: ${errorMessage(error)}`, "check the path");
  });
  if (!found.isFile()) throw unusable(file, "is not a file", "name the CSV files one by one");
  const lines = readLines(file);
  const first = await lines.next();
  if (first.done === true) throw unusable(file, "is empty", "its first line names the columns");
  const header = splitLine(first.value.text);
  if (typeof header === "string")
    throw unusable(file, `has a header that is not CSV: ${header}`, "mend its first line");
  const timeColumn = header.findIndex((name) => name.toLowerCase() === "timestamp");
  const metrics = header.filter((_, i) => i !== timeColumn);
  checkHeader(file, header, timeColumn, metrics);

  async function* rows(header: readonly string[]): AsyncGenerator<CsvRow> {
    for await (const { text, line, bytes } of lines) {
      const cells = splitLine(text);
      const row = typeof cells === "string" ? cells : readRecord(cells, header, timeColumn);
      if (typeof row === "string") onBadLine({ file, line, reason: row });
      else yield { ...row, bytes };
    }
  }
  return { deviceId: basename(file, extname(file)), metrics, bytes: found.size, rows: rows(header) };
}

interface Line {
  readonly text: string;
  /** From 1. */
  readonly line: number;
  /** Bytes of the file up to its end. */
  readonly bytes: number;
}

/** The lines that are not empty, without a byte order mark. */
async function* readLines(file: string): AsyncGenerator<Line, void> {
  const input = createReadStream(file, "utf8");
  let line = 0;
  let bytes = 0;
  for await (const raw of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    line += 1;
    bytes += Buffer.byteLength(raw) + 1;
    const text = (line === 1 ? raw.replace(/^\ufeff/, "") : raw).trim();
    if (text !== "") yield { text, line, bytes };
  }
}

/** @returns the cells, or why the line is not CSV */
function splitLine(text: string): string[] | string {
  // Telemetry seldom has quotes, and the parser is made for whole files.
  if (!text.includes('"')) return text.split(",").map((cell) => cell.trim());
  try {
    const [cells = []] = parse(text, { trim: true }) as string[][];
    return cells;
  } catch (error) {
    return errorMessage(error);
  }
}

function checkHeader(file: string, header: readonly string[], timeColumn: number, metrics: readonly string[]): void {
  if (timeColumn === -1) {
    throw unusable(file, `has the columns ${header.slice(0, 10).join(", ")}`, "one of them must be named timestamp");
  }
  if (metrics.length === 0) throw unusable(file, "has no column but timestamp", "add one column per metric");
  if (metrics.length > metricsPerRegistrationMax) {
    throw unusable(
      file,
      `has ${metrics.length} metrics, the limit is ${metricsPerRegistrationMax}`,
      "split it by columns",
    );
  }
  if (metrics.includes("")) throw unusable(file, 'has the column ""', "name each column");
  const names = header.map((name) => (name.toLowerCase() === "timestamp" ? "timestamp" : name));
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw unusable(file, `has the column ${JSON.stringify(twice)} twice`, "name each column once");
}

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** @returns the row, or why it cannot be used */
function readRecord(
  record: readonly string[],
  header: readonly string[],
  timeColumn: number,
): Omit<CsvRow, "bytes"> | string {
  if (record.length !== header.length) return `${record.length} cells, the header has ${header.length}`;
  const timeMs = parseTime(record[timeColumn]);
  if (timeMs === undefined) {
    return `timestamp ${JSON.stringify(record[timeColumn])} is none of YYYY-MM-DD HH:MM:SS, RFC 3339, epoch milliseconds`;
  }
  const values = new Float64Array(header.length - 1);
  let at = 0;
  for (const [i, cell] of record.entries()) {
    if (i === timeColumn) continue;
    const absent = cell === "" || cell.toLowerCase() === "nan";
    const value = absent ? Number.NaN : decimal.test(cell) ? Number(cell) : Number.POSITIVE_INFINITY;
    if (!absent && !Number.isFinite(value)) return `${header[i]} is ${JSON.stringify(cell)}, not a finite number`;
    values[at++] = value;
  }
  return { timeMs, values };
}

function unusable(file: string, problem: string, remedy: string): TelemetryError {
  return new TelemetryError("INVALID_ARGUMENT", "UNUSABLE_FILE", `${file} ${problem}; ${remedy}`, { field: "FILE" });
}
